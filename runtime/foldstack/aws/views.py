"""Reads of views, as fresh as the caller's consistency token: what a row lacks is folded over it in memory."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from ..kernel.errors import InvalidValue, ViewBehind
from ..kernel.keys import StreamId, Tenant
from ..kernel.messages import State
from ..kernel.projection import Number, Projection, difference
from ..kernel.request import ViewPage
from ..kernel.store import CommitStore
from ..kernel.token import HEADER, Token
from . import view_rows
from .finding import Finding
from .generations import Generations
from .view_fold import Fold, Poison
from .view_rows import LeadRow
from .view_store import ViewStore

R = TypeVar("R", bound=State)

PARKED_RETRY = 60
"""Seconds: a person has to come first."""

_SUM_ATTEMPTS = 8
_MOST_EXAMINED = 1000


class ViewReader:
    """The views of one tenant for one request, in the generations that `generations` says. Without a token, or with
    one of another epoch, rows are as the views have them.

    Raises InvalidValue for a token beyond a stream's tip, ViewBehind where a parked stream can't reach it.
    """

    def __init__(
        self,
        views: ViewStore,
        commits: CommitStore,
        tenant: Tenant,
        token: Token | None,
        epoch: int,
        generations: Generations | None = None,
    ) -> None:
        self._generations = generations
        self._views = views
        self._commits = commits
        self._tenant = tenant
        self._epoch = epoch
        self._tips = token.tips if token is not None and token.epoch == epoch else {}

    def get(self, projection: Projection[R], id: str) -> R | None:
        """The row of one stream; None where there is none, or it is deleted."""
        projection = self._live(projection)
        stream = StreamId.of(self._tenant, projection.of.category, id)
        tip = self._tips.get((stream.category, id))
        if tip is not None:
            return self._at(projection, stream, tip).model
        lead = self._views.read(projection, stream, consistent=False)
        return None if lead is None else view_rows.model_of(projection, lead.row)

    def page(self, projection: Projection[R], limit: int, after: str | None) -> ViewPage[R]:
        """Up to `limit` rows by id. `after` is `next` of the page before, else InvalidValue."""
        return self.find(projection, {}, None, limit, after)

    def find(
        self, projection: Projection[R], where: Mapping[str, Any], order: str | None, limit: int, after: str | None
    ) -> ViewPage[R]:
        """By id alone: another order is InvalidValue. A page ends where too many rows would be read for it."""
        projection = self._live(projection)
        finding = Finding.of(projection, where, order)
        if finding.order is not None:
            raise InvalidValue("order", "rows are kept in the order of their ids here; leave it out")
        found: list[R] = []
        last = None if after is None else finding.position(after).id
        for examined, (id, row) in enumerate(self._merged(projection, last, limit + 1), 1):
            if finding.matches(row):
                if len(found) == limit and last is not None:
                    return ViewPage(found, finding.sealed(last))
                found.append(row)
            last = id
            if examined == _MOST_EXAMINED:
                return ViewPage(found, finding.sealed(last))
        return ViewPage(found, None)

    def total(self, projection: Projection, key: str) -> dict[str, Number]:
        """The sums at a key, over all streams of the tenant; what the token promises is in them."""
        projection = self._live(projection)
        for _ in range(_SUM_ATTEMPTS):
            ahead = [self._at(projection, stream, tip, True) for stream, tip in self._promised(projection)]
            sums = self._views.totals(projection, self._tenant, key, consistent=bool(ahead)).get(key, {})
            # The totals lack exactly what these rows lack if no row has moved since it was read.
            if all(fold.lead == self._views.read(projection, fold.stream) for fold in ahead):
                for fold in ahead:
                    before = fold.lead.sums if fold.lead is not None else {}
                    for field, change in difference(before, fold.result().sums).get(key, {}).items():
                        sums[field] = sums.get(field, 0) + change
                return {field: number for field, number in sorted(sums.items()) if number}
        raise behind(f"the totals of {projection.name} are moving too fast; try again")

    def totals(self, projection: Projection) -> dict[str, dict[str, Number]]:
        """All sums by key, as the view has them."""
        return self._views.totals(self._live(projection), self._tenant)

    def _live(self, projection: Projection[R]) -> Projection[R]:
        return projection if self._generations is None else self._generations.live(projection)

    def _merged(self, projection: Projection[R], after: str | None, expected: int) -> Iterator[tuple[str, R]]:
        """Stored rows, with the rows that the token promises in their places."""
        promised = {
            stream.id: self._at(projection, stream, tip).model
            for stream, tip in self._promised(projection)
            if after is None or stream.id > after
        }
        waiting = sorted(promised)
        for id, lead in self._views.rows(projection, self._tenant, after, expected + len(promised)):
            while waiting and waiting[0] < id:
                yield from _shown(waiting[0], promised[waiting.pop(0)])
            if id in promised:
                continue
            yield from _shown(id, view_rows.model_of(projection, lead.row))
        for id in waiting:
            yield from _shown(id, promised[id])

    def _promised(self, projection: Projection) -> list[tuple[StreamId, int]]:
        category = projection.of.category
        return [(StreamId(self._tenant, category, id), tip) for (of, id), tip in self._tips.items() if of == category]

    def _at(self, projection: Projection[R], stream: StreamId, tip: int, consistent: bool = False) -> Fold[R]:
        """The stream's row at `tip` or later."""
        lead = self._views.read(projection, stream, consistent)
        fold = Fold(projection, stream, lead, self._epoch, self._views.check)
        if (fold.cursor or 1) < tip:
            self._catch_up(fold, tip)
        return fold

    def _catch_up(self, fold: Fold, tip: int) -> None:
        lead: LeadRow | None = fold.lead
        name = fold.projection.name
        if lead is not None and lead.parked is not None and lead.epoch == self._epoch:
            raise parked(name, fold.stream)
        try:
            fold.heal(self._commits)
        except Poison as poison:
            raise behind(f"{name}: {fold.stream.path} can't be shown yet", PARKED_RETRY) from poison
        if fold.more:
            raise behind(f"{name}: the row of {fold.stream.path} is far behind")
        if (fold.cursor or 1) < tip:
            raise beyond(fold.stream)


def parked(projection: str, stream: StreamId) -> ViewBehind:
    """For a token that a parked stream can't reach."""
    return behind(f"{projection}: the row of {stream.path} is parked until a person mends it", PARKED_RETRY)


def beyond(stream: StreamId) -> InvalidValue:
    """For a token that asks for more than the store has."""
    return InvalidValue(HEADER, f"asks for more of {stream.path} than there is")


def behind(detail: str, retry_after: int = 1) -> ViewBehind:
    error = ViewBehind(detail)
    error.retry_after = retry_after
    return error


def _shown(id: str, row: R | None) -> Iterator[tuple[str, R]]:
    if row is not None:
        yield id, row
