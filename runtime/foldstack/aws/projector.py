"""The projector: commits as they are delivered, in whatever order and how often, into the rows of views."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from ..kernel.envelope import Envelope
from ..kernel.errors import Contention, InvalidValue, StoreThrottled, StoreTimeout, Unavailable
from ..kernel.keys import StreamId
from ..kernel.projection import Projection, difference
from ..kernel.store import CommitStore
from .generations import Generations
from .parking import Park
from .view_fold import Fold, Poison
from .view_rows import LeadRow, Parked, Skipped
from .view_store import ViewStore

Outcome = Literal["written", "unchanged", "parked"]

_ATTEMPTS = 12
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.2

Move = Callable[[Fold], None]


class Projector:
    """Moves the rows of some projections forward. Any number of projectors may work on the same rows.

    `epoch` is the store's; `park` is told of each stream that data stops; `generations` says which generations of
    the rows are fed, without it those that the projections stand for. Raises Unavailable where reads, writes
    or contention do not allow it now: deliver again.
    """

    def __init__(
        self,
        projections: Iterable[Projection],
        commits: CommitStore,
        views: ViewStore,
        park: Park,
        *,
        generations: Generations | None = None,
        epoch: int = 1,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.projections = {projection.name: projection for projection in projections}
        self.epoch = epoch
        self._generations = generations
        self._types = {projection.name: projection.stored_types for projection in self.projections.values()}
        self._commits = commits
        self.views = views
        self._park = park
        self._now = now
        self._sleep = sleep
        self._rng = rng or random.Random()

    def project(self, stream: StreamId, envelopes: Iterable[Envelope]) -> dict[str, Outcome]:
        """Takes in some delivered commits of one stream, in one write a projection and generation. What came of it,
        by label."""
        return {
            generation.label: self._advance(generation, stream, take)
            for generation, take in self.concerned(stream, envelopes)
        }

    def project_together(self, groups: Mapping[str, Sequence[Envelope]]) -> dict[str, dict[str, Outcome]]:
        """What of a batch, by stream key, could be taken in at once, where the store can do that. The rest is left to
        `project`."""
        return {}

    def concerned(self, stream: StreamId, envelopes: Iterable[Envelope]) -> Iterator[tuple[Projection, Move]]:
        """The projections, in all generations that are fed, that some commits of a stream matter to, and what moves
        a row by them."""
        in_order = sorted(envelopes, key=lambda envelope: envelope.first)
        for name, projection in self.projections.items():
            types = self._types[name]
            matter = [envelope for envelope in in_order if not types.isdisjoint(envelope.types)]
            if projection.of.category != stream.category or not matter:
                continue

            def take(fold: Fold, matter: list[Envelope] = matter, types: frozenset[str] = types) -> None:
                for envelope in matter:
                    if not fold.more:
                        fold.take(envelope, types, self._commits)

            for generation in self.fed(projection):
                yield generation, take

    def fed(self, projection: Projection) -> list[Projection]:
        """The generations of a projection that are written, the one that is read first."""
        return [projection] if self._generations is None else self._generations.fed(projection)

    def parked(self, projection: Projection, stream: StreamId) -> bool:
        """Whether a stream is parked in a generation of a projection."""
        lead = self.views.read(projection, stream)
        return lead is not None and lead.parked is not None and lead.epoch == self.epoch

    def heal(self, projection: Projection, stream: StreamId) -> Outcome:
        """Brings a row to the tip of its stream. A parked one stays."""
        return self._advance(projection, stream, lambda fold: fold.heal(self._commits))

    def redrive(self, projection: Projection, stream: StreamId) -> Outcome:
        """Brings a row to the tip, parked or not: after the code that raised was mended."""
        return self._advance(projection, stream, lambda fold: fold.heal(self._commits), unpark=True)

    def skip(self, projection: Projection, stream: StreamId, who: str, why: str) -> Outcome:
        """Goes on without the commit that a stream is parked at, and keeps who decided so and why."""
        if not who or not why:
            raise InvalidValue(
                "who" if not who else "why", "say it: a skipped commit is missing from the view for good"
            )
        lead = self.views.read(projection, stream)
        if lead is None or lead.parked is None or lead.epoch != self.epoch:
            raise InvalidValue("stream", f"{stream.key} is not parked in {projection.label}: there is nothing to skip")
        first = lead.parked.first
        page = self._commits.since(stream, first, limit=1)
        if not page.commits or page.commits[0].first != first:
            raise InvalidValue("stream", f"{stream.key} has no commit at {first}")
        skipped = Skipped(first, who, why, self._time())
        beyond = page.commits[0].next

        def pass_over(fold: Fold) -> None:
            parked = fold.lead.parked if fold.lead is not None else None
            if parked is not None and parked.first == first:
                fold.skip(beyond, skipped)
            fold.heal(self._commits)

        return self._advance(projection, stream, pass_over, unpark=True)

    def _advance(self, projection: Projection, stream: StreamId, move: Move, unpark: bool = False) -> Outcome:
        """Reads the row, moves it in memory, writes it if it is still the one read; again if it is not."""
        attempt, reported = 0, 0
        outcome: Outcome = "unchanged"
        fault: Exception = Contention(f"{projection.name}: other projectors kept writing the row of {stream.key}")
        while attempt < _ATTEMPTS:
            if attempt:
                self._sleep(self._rng.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)))
            before = self.views.read(projection, stream)
            if before is not None and before.epoch > self.epoch:
                raise Unavailable(f"{stream.key} is in epoch {before.epoch}; this projector, in {self.epoch}, is old")
            if before is not None and before.parked and before.epoch == self.epoch and not unpark:
                return "parked"
            fold = Fold(projection, stream, before, self.epoch, self.views.check)
            parked = None
            try:
                move(fold)
            except Poison as poison:
                parked = Parked(poison.first, poison.reason, self._time())
                if poison.first != reported:  # before the row says so: a crash in between must not hide it
                    reported = poison.first
                    self._report(projection, stream, parked)
            if not fold.moved and parked is None and (before is None or before.parked is None):
                return outcome
            try:
                written = self._write(projection, stream, before, fold.result(parked))
            except (StoreThrottled, StoreTimeout) as error:  # reading again tells what became of it
                fault, written = error, False
            if not written:
                attempt += 1
                continue
            if parked is not None:
                return "parked"
            if not fold.more:
                return "written"
            attempt, outcome = 0, "written"
        raise fault

    def _write(self, projection: Projection, stream: StreamId, before: LeadRow | None, after: LeadRow) -> bool:
        changes = difference(before.sums if before is not None else {}, after.sums)
        return self.views.write(projection, stream, before, after, changes)

    def _report(self, projection: Projection, stream: StreamId, parked: Parked) -> None:
        self._park(
            "projection",
            parked.reason,
            projection=projection.label,
            version=projection.version,
            stream=stream.key,
            first=parked.first,
            at=parked.at,
        )

    def _time(self) -> str:
        return self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def by_stream(envelopes: Iterable[Envelope]) -> dict[str, list[Envelope]]:
    """The envelopes of a batch by their stream's key."""
    groups: dict[str, list[Envelope]] = {}
    for envelope in envelopes:
        groups.setdefault(envelope.stream.key, []).append(envelope)
    return groups
