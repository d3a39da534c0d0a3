"""Who refers to what, and what of it was deleted: the port of the cascades' own table, and one in memory.

It is no view: the projections' road may be behind. Both sides write here first, and then read what the other wrote: a
reference is put before its entity is looked up, a deletion is marked before its references are. So one of them
always sees the other, in whatever order, as often as their events come.
"""

import threading
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from .keys import StreamId, Tenant


def place(epoch: int, version: int) -> int:
    """Orders the events of one stream, also over a restore, which uses versions again."""
    return (epoch << 40) + version


class Entity(NamedTuple):
    """What is referred to, as one cascade sees it."""

    tenant: Tenant
    cascade: str
    id: str

    @property
    def key(self) -> str:
        return f"{self.tenant}#{self.cascade}#{self.id}"


@dataclass(frozen=True, slots=True)
class Mark:
    """The deletion of an entity. `deletion` is its event's id, `at` its place, `step` how many pages of its references
    were gone through, and `position` where to go on, empty at the start. `gained` says that this pass through them got
    something done, `stalled` that one went to its end in vain."""

    deletion: str
    at: int
    step: int = 0
    position: str = ""
    gained: bool = False
    stalled: bool = False
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A stream refers to the entity since an event `at` that place of it."""

    stream: StreamId
    at: int


class References(NamedTuple):
    """Some of them; `next` is the position of the last, None at the end."""

    found: list[Reference]
    next: str | None


class CascadeIndex(Protocol):
    """Every read is consistent. Raises StoreTimeout (it may be done) or StoreThrottled (it is not)."""

    def refer(self, entity: Entity, reference: Reference) -> None:
        """Keeps a reference, still to be removed should the entity be deleted. An older one has no effect."""
        ...

    def mark(self, entity: Entity, mark: Mark) -> Mark:
        """Keeps the first deletion of an epoch; answers the one that is kept."""
        ...

    def marked(self, entity: Entity) -> Mark | None: ...

    def waiting(self, entity: Entity, mark: Mark, after: str, limit: int) -> References:
        """References after a position of which this deletion has no outcome yet, in the order of their positions."""
        ...

    def waits(self, entity: Entity, mark: Mark, stream: StreamId) -> Reference | None:
        """The reference of one stream, where this deletion has no outcome of it yet."""
        ...

    def settle(self, entity: Entity, mark: Mark, reference: Reference, removed: bool) -> None:
        """Keeps the outcome. Of a stream that refers to the entity anew, only that it was removed."""
        ...

    def advance(self, entity: Entity, mark: Mark, position: str, *, gained: bool, stalled: bool = False) -> bool:
        """Goes a step on, to `position`; False where somebody else has."""
        ...

    def removed(self, entity: Entity, mark: Mark) -> int:
        """How many streams this deletion removed."""
        ...

    def close(self, entity: Entity, mark: Mark) -> None:
        """Notes that the deletion was reported."""
        ...


@dataclass
class _Partition:
    mark: Mark | None = None
    references: dict[str, tuple[Reference, str, str]] = field(default_factory=dict)
    """By position: the reference, the deletion that has an outcome of it, and the one that has ever removed it."""


class MemoryCascadeIndex:
    """For tests; safe for threads."""

    def __init__(self) -> None:
        self._partitions: dict[Entity, _Partition] = {}
        self._lock = threading.Lock()

    def refer(self, entity: Entity, reference: Reference) -> None:
        with self._lock:
            there = self._of(entity).references
            known = there.get(reference.stream.path)
            if known is None or known[0].at < reference.at:
                there[reference.stream.path] = (reference, "", known[2] if known else "")

    def mark(self, entity: Entity, mark: Mark) -> Mark:
        with self._lock:
            there = self._of(entity)
            if there.mark is None or there.mark.at < floor(mark.at):
                there.mark = mark
            return there.mark

    def marked(self, entity: Entity) -> Mark | None:
        with self._lock:
            return self._of(entity).mark

    def waiting(self, entity: Entity, mark: Mark, after: str, limit: int) -> References:
        with self._lock:
            found = [
                reference
                for path, (reference, settled, _) in sorted(self._of(entity).references.items())
                if path > after and settled != stamp(mark)
            ]
        return References(found[:limit], found[limit - 1].stream.path if len(found) > limit else None)

    def waits(self, entity: Entity, mark: Mark, stream: StreamId) -> Reference | None:
        with self._lock:
            known = self._of(entity).references.get(stream.path)
        return known[0] if known and known[1] != stamp(mark) else None

    def settle(self, entity: Entity, mark: Mark, reference: Reference, removed: bool) -> None:
        with self._lock:
            there = self._of(entity).references
            known, outcome, by = there[reference.stream.path]
            outcome = stamp(mark) if known == reference else outcome
            there[reference.stream.path] = (known, outcome, stamp(mark) if removed else by)

    def advance(self, entity: Entity, mark: Mark, position: str, *, gained: bool, stalled: bool = False) -> bool:
        with self._lock:
            there = self._of(entity)
            if there.mark is None or (stamp(there.mark), there.mark.step) != (stamp(mark), mark.step):
                return False
            there.mark = replace(there.mark, step=mark.step + 1, position=position, gained=gained, stalled=stalled)
            return True

    def removed(self, entity: Entity, mark: Mark) -> int:
        with self._lock:
            return sum(by == stamp(mark) for _, _, by in self._of(entity).references.values())

    def close(self, entity: Entity, mark: Mark) -> None:
        with self._lock:
            there = self._of(entity)
            if there.mark is not None and stamp(there.mark) == stamp(mark):
                there.mark = replace(there.mark, reported=True)

    def _of(self, entity: Entity) -> _Partition:
        return self._partitions.setdefault(entity, _Partition())


def floor(at: int) -> int:
    """Where the epoch of a place begins: all before it is of an older one."""
    return at >> 40 << 40


def stamp(mark: Mark) -> str:
    """Names a deletion, also over a restore."""
    return f"{mark.deletion}/{mark.at >> 40}"
