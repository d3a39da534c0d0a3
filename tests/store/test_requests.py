"""Invariant 1, on the requests that really leave the process: one command, one write; each read has its reason."""

from collections.abc import Iterator

import pytest
from foldstack.kernel.decision import Rejection
from foldstack.kernel.store import MemoryCommitStore

from .conftest import COMMITS, dynamo_store
from .domain import ClaimName, CloseShelf, OpenShelf, TakeUnit
from .faults import FaultyStore
from .support import Sandbox, new_id, plant


class Wire:
    """Every HTTP request to DynamoDB, as `operation` or, on the id table, `operation ids`."""

    def __init__(self, client) -> None:
        self.seen: list[str] = []
        self._client = client
        client.meta.events.register("before-send.dynamodb", self._note, unique_id="wire")

    def _note(self, request, event_name, **_) -> None:
        on_commits = COMMITS.encode() in request.body
        self.seen.append(event_name.rpartition(".")[2] + ("" if on_commits else " ids"))

    def taken(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen

    def close(self) -> None:
        self._client.meta.events.unregister("before-send.dynamodb", unique_id="wire")


@pytest.fixture(params=["mocked", pytest.param("emulated", marks=pytest.mark.emulator)])
def clients(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def wire(clients) -> Iterator[Wire]:
    wire = Wire(clients["dynamodb"])
    yield wire
    wire.close()


@pytest.fixture
def store(clients):
    return dynamo_store(clients)


@pytest.fixture
def id():
    return new_id()


def grown(store, id, commits):
    """A shelf of that many commits, each keyed, and a cold sandbox."""
    memory = MemoryCommitStore()
    sandbox = Sandbox(memory)
    sandbox.done(OpenShelf(shelf=id, units=commits - 1), "open")
    for n in range(1, commits):
        sandbox.done(TakeUnit(shelf=id, by=str(n)), f"key {n}")
    plant(store, memory)


def test_a_create_is_one_write_and_no_read(store, wire, id):
    Sandbox(store).done(OpenShelf(shelf=id, units=5), "key")
    assert wire.taken() == ["PutItem"]


def test_a_warm_command_is_one_write(store, wire, id):
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf=id, units=50), "open")
    wire.taken()
    for n in range(1, 19):
        sandbox.done(TakeUnit(shelf=id, by="me"), f"key {n}")
        assert wire.taken() == ["PutItem"]


def test_a_cold_command_is_one_read_and_one_write(store, wire, id):
    for commits in (3, 20, 59):
        grown(store, id + str(commits), commits)
        wire.taken()
        Sandbox(store).done(CloseShelf(shelf=id + str(commits)), "key")
        assert wire.taken() == ["Query", "PutItem"]


def test_a_rejection_on_cached_state_is_one_read_and_no_write(store, wire, id):
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf=id, units=0))
    wire.taken()
    assert isinstance(sandbox.do(TakeUnit(shelf=id, by="me"), "key"), Rejection)
    assert wire.taken() == ["Query"]


def test_a_cold_rejection_is_two_reads(store, wire, id):
    grown(store, id, 3)
    wire.taken()
    assert isinstance(Sandbox(store).do(TakeUnit(shelf=id, by="me"), "key"), Rejection)
    assert wire.taken() == ["Query", "Query"]


def test_every_twentieth_command_writes_no_more_until_the_ring_overflows(store, wire, id):
    grown(store, id, 18)
    sandbox = Sandbox(store)
    sandbox.done(CloseShelf(shelf=id))
    wire.taken()
    sandbox.done(ClaimName(shelf=id, name="n"))
    assert wire.taken() == ["TransactWriteItems"]


def test_every_twentieth_command_puts_the_evicted_ids_in_one_batch(store, wire, id):
    grown(store, id, 79)
    wire.taken()
    Sandbox(store).done(CloseShelf(shelf=id), "close")
    assert wire.taken() == ["Query", "BatchWriteItem ids", "PutItem"]


def test_a_keyed_command_on_an_overflowed_stream_reads_one_row(store, wire, id):
    grown(store, id, 85)
    sandbox = Sandbox(store)
    wire.taken()
    sandbox.done(CloseShelf(shelf=id), "close")
    assert wire.taken() == ["Query", "GetItem ids", "PutItem"]
    sandbox.done(ClaimName(shelf=id, name="n"), "claim " + id)
    assert wire.taken() == ["GetItem ids", "TransactWriteItems"]
    sandbox.done(ClaimName(shelf=id, name="m"))
    assert wire.taken() == ["TransactWriteItems"], "an id that can't come again is not looked for"


def test_a_replay_reads_its_commit_and_writes_nothing(store, wire, id):
    grown(store, id, 85)
    wire.taken()
    assert Sandbox(store).done(TakeUnit(shelf=id, by="80"), "key 80").replayed
    assert wire.taken() == ["Query", "Query"]
    assert Sandbox(store).done(TakeUnit(shelf=id, by="2"), "key 2").replayed
    assert wire.taken() == ["Query", "GetItem ids", "Query"]


def test_a_hundred_commands_cost_what_they_must():
    """In sum, on the store's port: a keyed, warm stream of 300 commands."""
    store = FaultyStore(MemoryCommitStore())
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf="s", units=300), "open")
    for n in range(1, 300):
        sandbox.done(TakeUnit(shelf="s", by=str(n)), f"key {n}")
    calls = store.taken()
    assert calls.count("append") == 300
    assert calls.count("keep_ids") == 12, "commits 80, 100, ... 300"
    assert calls.count("find_id") == 220, "every command after the 80th"
    assert len(calls) == 532
