"""A stream as it was: to look at, not to change."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import Any

import pytest
from foldstack import Aggregate, Command, Event, State, Tenant
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.errors import BrokenChain, InvalidValue
from foldstack.kernel.executor import Executor
from foldstack.kernel.history import History, history
from foldstack.kernel.keys import StreamId
from foldstack.kernel.store import MemoryCommitStore


class Sum(State):
    total: int = 0


class Added(Event):
    n: int


class Add(Command):
    id: str
    many: tuple[int, ...]


sums = Aggregate("sum", Sum)


@sums.decides(Add, by="id")
def add(command: Add, state: Sum) -> tuple[Added, ...]:
    return tuple(Added(n=n) for n in command.many)


@sums.evolves(Added)
def added(state: Sum, event: Added) -> Sum:
    return Sum(total=state.total + event.n)


STREAM = StreamId.of(Tenant("acme"), "sum", "s")


@pytest.fixture
def store() -> MemoryCommitStore:
    """Versions 1 to 3 at second 1, 4 at second 2, 5 and 6 at second 3."""
    store = MemoryCommitStore()
    for second, many in enumerate([(1, 2, 4), (8,), (16, 32)], 1):
        executor = Executor(store, now=lambda second=second: datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC))
        executor.execute(sums, STREAM.tenant, Add(id="s", many=many), CommandContext(f"c{second}"))
    return store


def total(found: History) -> Any:
    state = found.state(sums)
    assert isinstance(state, Sum)
    return state.total


def test_as_it_is(store):
    found = history(store, STREAM)
    assert (found.version, found.whole, total(found)) == (6, True, 63)
    assert [past.event.version for past in found.events] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("version", "sum", "whole"),
    [(1, 1, False), (2, 3, False), (3, 7, False), (4, 15, False), (5, 31, False), (6, 63, True)],
)
def test_at_a_version_in_the_middle_of_a_commit_too(store, version, sum, whole):
    found = history(store, STREAM, at_version=version)
    assert (found.version, found.whole, total(found)) == (version, whole, sum)


@pytest.mark.parametrize(("second", "sum"), [(0, 0), (1, 7), (2, 15), (3, 63), (9, 63)])
def test_as_of_a_time(store, second, sum):
    found = history(store, STREAM, as_of=f"2026-01-01T00:00:0{second}.000Z")
    assert (total(found), found.whole) == (sum, sum == 63)


def test_what_there_is_not(store):
    with pytest.raises(InvalidValue, match="at version 6; it has no 7"):
        history(store, STREAM, at_version=7)
    with pytest.raises(InvalidValue, match="there is no sum#other of tenant acme"):
        history(store, StreamId.of(Tenant("acme"), "sum", "other"))


def test_a_hole_is_never_folded(store):
    del store._streams[STREAM.key][4]
    with pytest.raises(BrokenChain, match="expected at 4"):
        history(store, STREAM)


def test_nothing_of_the_past_can_be_written():
    """An executor decides on streams that it loads; what `history` answers has no way to become one of them."""
    public = {name for name in dir(History) if not name.startswith("_")}
    assert public == {"state", "version"}
    with pytest.raises(FrozenInstanceError):
        setattr(History(STREAM, (), True), "events", ())  # noqa: B010 - what a type checker would refuse
