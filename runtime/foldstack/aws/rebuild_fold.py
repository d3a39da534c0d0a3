"""Commits as a scan finds them, folded into the rows of a new generation: many streams in one write."""

from collections.abc import Sequence

from ..kernel.commit import Commit
from ..kernel.keys import StreamId
from ..kernel.projection import Projection, difference, step
from .projector import Projector
from .view_fold import Fold, Poison
from .view_operations import OperatedViews
from .view_rows import LeadRow
from .view_store import RowWrite


class ScanFold:
    """Safe beside projectors that feed the same rows: what does not fit, or is written meanwhile, they heal, or
    `projector` does it one by one. Raises Unavailable; done again, a page changes nothing twice."""

    def __init__(self, generation: Projection, projector: Projector, views: OperatedViews) -> None:
        self.generation = generation
        self.types = generation.stored_types
        self._projector = projector
        self._views = views

    def take(self, commits: Sequence[Commit]) -> int:
        """Takes in some commits, in any order. Answers how many streams had to be healed one by one."""
        streams: dict[StreamId, list[Commit]] = {}
        for commit in commits:
            if commit.stream.category == self.generation.of.category and not self.types.isdisjoint(commit.types):
                streams.setdefault(commit.stream, []).append(commit)
        for found in streams.values():
            found.sort(key=lambda commit: commit.first)
        # A stream that begins here has no row yet, as a rule: its write fails if it has.
        begun = [stream for stream, found in streams.items() if found[0].previous(self.types) > 1]
        rows = self._views.read_many(self.generation, begun) if begun else {}
        writes, alone = [], []
        for stream, found in streams.items():
            write = self._folded(stream, rows.get(stream), found)
            if write is None:
                alone.append(stream)
            elif write.after is not write.before:
                writes.append(write)
        written = self._views.write_many(self.generation, writes)
        alone += [write.stream for write, done in zip(writes, written, strict=True) if not done]
        for stream in alone:
            self._projector.heal(self.generation, stream)
        return len(alone)

    def _folded(self, stream: StreamId, lead: LeadRow | None, commits: list[Commit]) -> RowWrite | None:
        """The row moved forward, or None where only the store, or a person, knows what comes next. Nobody changes
        what has been committed, so whatever joins is applied."""
        if lead is not None and (lead.parked is not None or lead.epoch != self._projector.epoch):
            return None
        fold = Fold(self.generation, stream, lead, self._projector.epoch, self._views.check)
        try:
            for commit in commits:
                todo = step(fold.cursor, commit.previous(self.types), commit.next)
                if todo == "heal":
                    return None
                if todo == "apply":
                    fold.apply(commit)
        except Poison:
            return None
        if not fold.moved:
            return RowWrite(stream, lead, lead, {}) if lead is not None else None
        after = fold.result()
        return RowWrite(stream, lead, after, difference(lead.sums if lead is not None else {}, after.sums))
