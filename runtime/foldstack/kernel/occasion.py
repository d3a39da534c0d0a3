"""One reaction to one event: what a reactor runs, and the key by which it happens once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .aggregate import Aggregate
from .commit import Commit, event_id
from .envelope import Envelope
from .executor import Executor
from .idempotency import command_id
from .messages import Event
from .reaction import Reaction

if TYPE_CHECKING:
    from .personal import Reading


@dataclass(frozen=True)
class Occasion:
    """`id` is the event's, of `commit`. `asked_by` is the id of the event by which it is run: this, or a retry's."""

    reaction: Reaction
    id: str
    event: Event
    commit: Commit | Envelope
    asked_by: str

    @property
    def key(self) -> str:
        """The id of its first command, and what the outside world is given: the same at every repetition."""
        return command_id("reaction", self.reaction.name, self.id)

    @property
    def version(self) -> int:
        return version_of(self.id)


class Fate(NamedTuple):
    """Whether a reaction is `over`, not to be run any more, with the commit that says so if one does. `version` is the
    stream's that was looked at."""

    over: bool
    commit: Commit | None
    version: int


def fate_of(executor: Executor, occasion: Occasion) -> Fate:
    """Read consistently. An effect is over with its outcome; a saga's step also where somebody skipped it, its
    compensation was set off after it was asked for, or the saga of a timeout has ended."""
    reaction = occasion.reaction
    stream = executor.current(occasion.commit.stream, reaction.of)
    found = executor.find_in(stream, occasion.key)
    saga = reaction.saga
    if found is not None and (reaction.world or (saga is not None and saga.skipped(found))):
        return Fate(True, found, stream.version)
    overtaken = saga is not None and saga.overtaken(reaction, occasion.version, stream.prev)
    return Fate(overtaken, None, stream.version)


def events_of(
    commit: Commit | Envelope, aggregate: Aggregate, reading: "Reading | None" = None
) -> Iterator[tuple[str, Event]]:
    """Today's events of a commit, each with an id; those that an upcaster split from one share its version. `reading`
    as `Executor.reading` has it."""
    if commit.stored is None:
        raise ValueError(f"{commit.stream.key}@{commit.first} travels without its events: read it from the store first")
    for stored in commit.stored:
        for n, event in enumerate(aggregate.upcasters.decode(stored, reading)):
            id = event_id(commit.stream, stored.version)
            yield (id if n == 0 else f"{id}.{n}"), event


def version_of(id: str) -> int:
    """The version in an event's id."""
    return int(id.rpartition("@")[2].partition(".")[0])
