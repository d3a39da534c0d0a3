"""A stream's commits folded over its row, in memory: what a projector writes, and what a reader shows meanwhile."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Generic, TypeVar

from ..kernel.commit import Commit
from ..kernel.envelope import Envelope
from ..kernel.errors import BrokenChain, FoldstackError, Unavailable, UndecodableEvent, described
from ..kernel.keys import StreamId
from ..kernel.messages import State
from ..kernel.projection import Projection, step
from ..kernel.store import CommitStore
from . import view_rows
from .view_rows import LeadRow, Parked, Skipped

R = TypeVar("R", bound=State)

_SLICE = 100
_MOST_AT_ONCE = 1000


class Poison(FoldstackError):
    """The domain's function, or decoding, raised on the data of the commit at `first`."""

    def __init__(self, first: int, reason: str) -> None:
        super().__init__(f"the commit at {first}: {reason}")
        self.first = first
        self.reason = reason


class Fold(Generic[R]):
    """One stream's row, moved forward from what a view holds. `cursor` is None where that is of no use: there is
    none, or it is of another epoch, where the same versions may be other events. `check` raises ValueError or
    TypeError for a row that the view's store can't hold.

    After Poison it stands before the commit that raised. `more` says that the last heal stopped before the tip.
    """

    def __init__(
        self,
        projection: Projection[R],
        stream: StreamId,
        lead: LeadRow | None,
        epoch: int,
        check: Callable[[Projection, LeadRow], None],
    ) -> None:
        self.projection = projection
        self.stream = stream
        self.lead = lead
        self.epoch = epoch
        self.cursor = lead.cursor if lead is not None and lead.epoch == epoch else None
        self.more = False
        self._check = check
        self._row = lead.row if lead is not None and self.cursor is not None else None
        self._sums = lead.sums if lead is not None and self.cursor is not None else {}
        self._skipped = lead.skipped if lead is not None else ()

    @cached_property
    def model(self) -> R | None:
        """The row now, None for none. Raises pydantic's ValidationError where another model wrote it."""
        return view_rows.model_of(self.projection, self._row)

    @property
    def moved(self) -> bool:
        """Whether there is something to write."""
        if self.lead is None:
            return (self.cursor or 1) > 1
        return (self.cursor, self.epoch) != (self.lead.cursor, self.lead.epoch)

    def result(self, parked: Parked | None = None) -> LeadRow:
        """The lead row now."""
        return LeadRow(self.cursor or 1, self.epoch, self._row, self._sums, parked, self._skipped)

    def skip(self, beyond: int, skipped: Skipped) -> None:
        """Goes on at `beyond` without applying what lies before it."""
        self.cursor = beyond
        self._skipped += (skipped,)

    def take(self, envelope: Envelope, types: frozenset[str], commits: CommitStore) -> None:
        """Applies one delivered commit by the cursor's rules; `types` are the consumer's stored ones."""
        todo = step(self.cursor, envelope.previous(types), envelope.next)
        if todo == "duplicate":
            return
        # What was published in another epoch may no longer be in the store: only the store knows.
        known = envelope.epoch == self.epoch
        if todo == "apply" and known and envelope.stored is not None:
            self.apply(envelope)
            return
        self.heal(commits)
        if known and not self.more and (self.cursor or 1) < envelope.next:
            raise BrokenChain(f"{envelope.id} was published, and the store ends at {self.cursor or 1}")

    def apply(self, commit: Commit | Envelope) -> None:
        """Takes in one commit, which is the next that matters."""
        try:
            model = self.projection.apply(
                self.model, commit.stored or (), self.stream.id, commit.time, commit.causation, commit.reaction
            )
            lead = LeadRow(
                commit.next,
                self.epoch,
                None if model is None else view_rows.row_of(model, self.projection.reading),
                view_rows.sums_of(self.projection.contribution(model)),
            )
            self._check(self.projection, lead)
        except (Unavailable, OSError, MemoryError):  # of the store or this process, never of the data
            raise
        except Exception as error:
            raise Poison(commit.first, described(error)) from error
        self.cursor, self._row, self._sums = commit.next, lead.row, lead.sums
        self.model = model

    def heal(self, commits: CommitStore) -> None:
        """Takes in what the store holds from the cursor to its tip, read consistently, or `more` is left.

        A cursor that was of no use is one afterwards, even of a stream that is no longer there.
        """
        self.more = False
        try:
            for n, commit in enumerate(since(commits, self.stream, self.cursor or 1)):
                if n == _MOST_AT_ONCE:  # so that a long stream makes progress, whenever the process ends
                    self.more = True
                    return
                self.apply(commit)
        except UndecodableEvent as error:
            raise Poison(self.cursor or 1, described(error)) from error
        if self.cursor is None:
            self.cursor = 1


def since(commits: CommitStore, stream: StreamId, cursor: int) -> Iterator[Commit]:
    """The commits from `cursor` to the tip, oldest first. Raises BrokenChain where two do not join."""
    more, limit = True, _SLICE
    while more:
        try:
            page = commits.since(stream, cursor, limit, consistent=True)
        except UndecodableEvent:  # one by one, so that what precedes the bad one is of use
            if limit == 1:
                raise
            limit = 1
            continue
        more = page.more
        for commit in page.commits:
            if commit.first != cursor:
                raise BrokenChain(f"{stream.key}: a commit at {commit.first}, expected at {cursor}")
            yield commit
            cursor = commit.next
