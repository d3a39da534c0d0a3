"""A stream as one sandbox knows it: state, tip, and the ids of the commands that made it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import codec, snapshot
from .aggregate import SNAPSHOT_EVERY, Aggregate
from .commit import Commit
from .errors import BrokenChain
from .keys import StreamId
from .messages import State
from .snapshot import KnownCommand
from .upcasting import StoredEvent

if TYPE_CHECKING:
    from .keyring import Keyring, Opener
    from .personal import Writing

S = TypeVar("S", bound=State)
RING = 64


@dataclass
class Stream(Generic[S]):
    """The fold of a stream up to `next`. Only the executor holds one; it is never shared.

    `known` maps command ids to their commits: the ring of the last snapshot and all since. `over` says
    that older ids were evicted into the id table. `since` counts commits after the last snapshot. With a `keyring`
    the state holds personal data in the clear, and is of no use after `until`, on the keyring's clock.
    """

    id: StreamId
    aggregate: Aggregate[S]
    state: S
    next: int = 1
    known: dict[str, KnownCommand] = field(default_factory=dict)
    over: bool = False
    since: int = 0
    prev: dict[str, int] = field(default_factory=dict)
    keyring: "Keyring | None" = None
    until: float = float("inf")

    @classmethod
    def new(cls, id: StreamId, aggregate: Aggregate[S], keyring: "Keyring | None" = None) -> "Stream[S]":
        return cls(id, aggregate, aggregate.initial, keyring=keyring)

    @classmethod
    def from_tail(
        cls,
        id: StreamId,
        aggregate: Aggregate[S],
        newest_first: Sequence[Commit],
        scanned: int = 0,
        keyring: "Keyring | None" = None,
    ) -> "Stream[S] | None":
        """The fold of a complete tail, or None where it does not reach version 1 or a usable snapshot.

        The first `scanned` commits are known to join and to hold no usable snapshot.
        Raises BrokenChain where two commits do not join.
        """
        for n in range(scanned, len(newest_first)):
            commit = newest_first[n]
            if n and commit.next != newest_first[n - 1].first:
                raise BrokenChain(f"{id.key}: nothing joins {commit.next} to {newest_first[n - 1].first}")
            if commit.snapshot is not None:
                taken = snapshot.decode(commit.snapshot)
                if taken.fingerprint == aggregate.fingerprint:
                    stream = cls.new(id, aggregate, keyring)
                    reading = stream._reading(newest_first[:n], taken.state)
                    stream.state = aggregate.state_type.__pydantic_validator__.validate_python(
                        taken.state, strict=False, context=reading
                    )
                    stream.next, stream.known, stream.over = commit.next, taken.ring, taken.over
                    stream.prev = _prev_after(commit, commit.stored)
                    stream.extend(reversed(newest_first[:n]))
                    return stream
        if newest_first and newest_first[-1].first != 1:
            return None
        stream = cls.new(id, aggregate, keyring)
        stream.extend(reversed(newest_first))
        if any(commit.snapshot is not None for commit in newest_first):
            stream.since = SNAPSHOT_EVERY  # of another reducer: the next commit embeds a new one
        return stream

    def extend(self, commits: Iterable[Commit]) -> None:
        """Folds commits that begin at `next`. Raises BrokenChain for one that does not."""
        upcast, fold = self.aggregate.upcasters.decode, self.aggregate.fold
        reading = None
        if self.keyring is not None:
            commits = list(commits)
            reading = self._reading(commits)
        commit: Commit | None = None
        stored: Sequence[StoredEvent] = ()
        for commit in commits:
            if commit.first != self.next:
                raise BrokenChain(f"{self.id.key}: a commit at {commit.first}, expected at {self.next}")
            stored, _ = codec.decode(commit.body, commit.first)  # not kept with the commit: a tail is folded once
            state = self.state
            for event in stored:
                state = fold(upcast(event, reading), state)
            self.advance(commit, state, self.prev)
        if commit is not None:
            self.prev = _prev_after(commit, stored)

    def advance(self, commit: Commit, state: S, prev: dict[str, int]) -> None:
        """Takes in one commit, `state` and `prev` being those after it."""
        self.state = state
        self.next = commit.next
        self.prev = prev
        if commit.request_hash:  # an id without a key behind it can't come again
            self.known[commit.command_id] = KnownCommand(commit.request_hash, commit.first)
        self.since += 1
        if commit.snapshot is not None:
            self.over = self.over or len(self.known) > RING
            self.known = dict(list(self.known.items())[-RING:])
            self.since = 0

    def _reading(self, commits: Iterable[Commit], *documents: Any) -> "Opener | None":
        """What reads the personal fields of some commits, and of more documents: with one look for keys."""
        if self.keyring is None:
            return None
        stored = [event.data for commit in commits for event in codec.decode(commit.body, commit.first)[0]]
        opener = self.keyring.opener(self.id.tenant, *documents, *stored)
        self.until = min(self.until, opener.until)
        return opener

    @property
    def version(self) -> int:
        """The version of the newest event, 0 for a stream that has none."""
        return self.next - 1

    def snapshot_due(self) -> bool:
        return self.since + 1 >= SNAPSHOT_EVERY

    def evicted_by(self, new: dict[str, KnownCommand]) -> dict[str, KnownCommand]:
        """The ids that a snapshot in the next commit, of the command `new`, drops from the ring."""
        return dict(list({**self.known, **new}.items())[:-RING])

    def snapshot_after(self, state: S, new: dict[str, KnownCommand], writing: "Writing | None" = None) -> bytes:
        """The snapshot that the next commit, of the command `new`, carries if `state` is the state after it."""
        ids = {**self.known, **new}
        ring = dict(list(ids.items())[-RING:])
        return snapshot.encode(self.aggregate.fingerprint, state, ring, self.over or len(ids) > RING, writing)


def _prev_after(commit: Commit, stored: Iterable[StoredEvent]) -> dict[str, int]:
    """`prev` of the commit that follows `commit`, whose events are `stored`."""
    return {**commit.prev, **{event.type: event.version + 1 for event in stored}}
