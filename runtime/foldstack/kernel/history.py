"""A stream as it was: its events up to a version or a time, and the state that they fold to. To look at, not to change:
nothing here can be committed to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .aggregate import Aggregate
from .commit import Commit
from .errors import BrokenChain, InvalidValue
from .keys import StreamId
from .messages import State
from .store import CommitStore
from .upcasting import StoredEvent


class PastEvent(NamedTuple):
    """An event as it was stored, and the commit that it came with."""

    event: StoredEvent
    commit: Commit


@dataclass(frozen=True)
class History:
    """The events of a stream from its beginning. `whole` says that the store holds no later ones."""

    stream: StreamId
    events: tuple[PastEvent, ...]
    whole: bool

    @property
    def version(self) -> int:
        """The version of the last event, 0 for none."""
        return self.events[-1].event.version if self.events else 0

    def state(self, aggregate: Aggregate) -> State:
        """The state after the last event, without what is personal in it. Raises UndecodableEvent, and what the
        domain's functions raise."""
        reading = None
        if aggregate.personal:
            from .personal import HIDDEN as reading
        state = aggregate.initial
        for past in self.events:
            state = aggregate.fold(aggregate.upcasters.decode(past.event, reading), state)
        return state


def history(
    store: CommitStore, stream: StreamId, *, at_version: int | None = None, as_of: str | None = None
) -> History:
    """The stream as it is, or was at a version, or as of a time in RFC 3339 UTC. Raises InvalidValue where it has no
    such version, or no event at all."""
    events: list[PastEvent] = []
    for commit in _commits(store, stream):
        if as_of is not None and commit.time > as_of:
            return History(stream, tuple(events), whole=False)
        for event in commit.stored:
            if at_version is not None and event.version > at_version:
                return History(stream, tuple(events), whole=False)
            events.append(PastEvent(event, commit))
    if not events:
        raise InvalidValue("stream", f"there is no {stream.path} of tenant {stream.tenant}")
    found = History(stream, tuple(events), whole=True)
    if at_version is not None and at_version > found.version:
        raise InvalidValue("at-version", f"{stream.path} is at version {found.version}; it has no {at_version}")
    return found


def _commits(store: CommitStore, stream: StreamId) -> Iterator[Commit]:
    version, more = 1, True
    while more:
        page = store.since(stream, version)
        more = page.more
        for commit in page.commits:
            if commit.first != version:
                raise BrokenChain(f"{stream.key}: a commit at {commit.first}, expected at {version}")
            yield commit
            version = commit.next
