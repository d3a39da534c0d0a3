"""Rows of views folded from the commits themselves: entities of a lake that follows no table's stream.

So a view may be kept in PostgreSQL, or nowhere. A row is written whenever a commit touches it, as the commit left it or
newer; of a delivery that comes again it is written again, since nobody knows what became of the first.
"""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from ..aws.commit_scan import CommitScan
from ..aws.view_fold import Fold, Poison
from ..aws.view_rows import LeadRow
from ..kernel.envelope import Envelope
from ..kernel.errors import BrokenChain, DefinitionError, Unavailable
from ..kernel.keys import StreamId
from ..kernel.projection import Projection
from ..kernel.store import CommitStore
from .entities import A_VERSION, UNDATED, EntityChange, FirstDays, Unusable

_MOST_KEPT = 2_000
_FIRST = 1


class Folded(NamedTuple):
    """`after` is where to go on, None at the end."""

    changes: list[EntityChange]
    unusable: list[Unusable]
    after: Any = None


class FoldedEntities:
    """Rows of the newest generation: the code decides them, and no switch. Keeps the last it folded, so that a stream's
    next commit is applied without a look into the store."""

    def __init__(
        self, projections: Iterable[Projection], commits: CommitStore, first_days: FirstDays, epoch: int
    ) -> None:
        self._views = {projection.name: projection for projection in projections}
        self._types = {name: projection.stored_types for name, projection in self._views.items()}
        self._commits = commits
        self._first_days = first_days
        self._epoch = epoch
        self._kept: OrderedDict[tuple[str, str], LeadRow] = OrderedDict()

    def of_commits(self, envelopes: Iterable[Envelope], now: datetime) -> Folded:
        """The rows that these commits touch. Raises Unavailable, also where this function is older than a restore."""
        touched: dict[tuple[str, StreamId], list[Envelope]] = {}
        for envelope in envelopes:
            if envelope.epoch > self._epoch:
                raise Unavailable(f"{envelope.id} is of epoch {envelope.epoch}, and this function of {self._epoch}")
            for name, projection in self._views.items():
                of_view = envelope.stream.category == projection.of.category
                if of_view and not self._types[name].isdisjoint(envelope.types):
                    touched.setdefault((name, envelope.stream), []).append(envelope)
        days = self._first_days(dict.fromkeys(stream for _, stream in touched))
        changes, unusable = [], []
        for (name, stream), sent in touched.items():
            fold = self._fold(name, stream)
            try:
                for envelope in sorted(sent, key=lambda each: each.first):
                    fold.take(envelope, self._types[name], self._commits)
                self._to_the_tip(fold)
            except BrokenChain as error:
                unusable.append(_unusable(name, stream, sent[-1].first, str(error)))
                continue
            except Poison as poison:
                # Told with every commit of the stream: the bad one may be an old one, which nobody brings again.
                unusable.append(_unusable(name, stream, poison.first, poison.reason))
                if not fold.moved:
                    continue
            if stream in days:
                changes.append(self._changed(name, stream, fold, days[stream], now))
            else:
                unusable.append(_unusable(name, stream, sent[-1].first, UNDATED))
        return Folded(changes, unusable)

    def of_store(self, scan: CommitScan, view: str, after: Any, now: datetime) -> Folded:
        """Some rows of a view, folded from the first commit on, deleted ones too."""
        projection = self._views.get(view)
        if projection is None:
            known = ", ".join(sorted(self._views)) or "no view"
            raise DefinitionError(f"the lake has no entities of {view!r}; it has those of {known}")
        page = scan.page(projection.of.category, (), after, 0, 1)
        days = {commit.stream: commit.time[:10] for commit in page.commits if commit.first == _FIRST}
        changes, unusable = [], []
        for stream, day in days.items():
            fold = Fold(projection, stream, None, self._epoch, _any_row)
            try:
                self._to_the_tip(fold)
            except BrokenChain as error:
                unusable.append(_unusable(view, stream, fold.cursor or _FIRST, str(error)))
            except Poison as poison:
                unusable.append(_unusable(view, stream, poison.first, poison.reason))
            if fold.moved:
                changes.append(self._changed(view, stream, fold, day, now))
        return Folded(changes, unusable, page.after)

    def _fold(self, name: str, stream: StreamId) -> Fold:
        return Fold(self._views[name], stream, self._kept.get((name, stream.key)), self._epoch, _any_row)

    def _to_the_tip(self, fold: Fold) -> None:
        while fold.cursor is None or fold.more:
            fold.heal(self._commits)

    def _changed(self, name: str, stream: StreamId, fold: Fold, day: str, now: datetime) -> EntityChange:
        lead = fold.result()
        self._kept[name, stream.key] = lead
        self._kept.move_to_end((name, stream.key))
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        # Above every turn of a view whose rows came from a table.
        generation = self._views[name].version * A_VERSION + A_VERSION - 1
        return EntityChange(
            name,
            stream.tenant,
            stream.id,
            day,
            lead.cursor,
            self._epoch,
            generation,
            now.isoformat(),
            lead.row,
        )


def _any_row(projection: Projection, lead: LeadRow) -> None:
    """A file takes rows of every size."""


def _unusable(view: str, stream: StreamId, version: int, reason: str) -> Unusable:
    pointer = {"view": view, "tenant": str(stream.tenant), "stream": stream.path, "version": version}
    return Unusable(pointer, reason)
