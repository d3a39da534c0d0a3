"""A command that comes again: found in the tail, in the ring, in an id row, across streams where it is strict."""

import random

import pytest
from foldstack.kernel.decision import Rejection
from foldstack.kernel.errors import Contention, KeyReuse
from foldstack.kernel.executor import Committed
from foldstack.kernel.store import MemoryCommitStore
from foldstack.kernel.stream import RING

from .domain import ClaimName, OpenShelf, ReturnUnits, TakeUnit, shelf
from .faults import FaultyStore
from .support import Sandbox, history, new_id, plant, stream_id


@pytest.fixture
def id():
    return new_id()


@pytest.fixture
def faulty(store):
    return FaultyStore(store)


def take(id, n):
    return TakeUnit(shelf=id, by=f"taker {n}")


def fill(store, id, commands):
    """A shelf and `commands` keyed commands on it: `key 1` and so on. Answers their outcomes."""
    grown = MemoryCommitStore()
    sandbox = Sandbox(grown)
    sandbox.done(OpenShelf(shelf=id, units=1000), "open")
    outcomes = [sandbox.done(take(id, n), f"key {n}") for n in range(1, commands + 1)]
    plant(store, grown)
    return outcomes


def retry(sandbox, id, n):
    return sandbox.done(take(id, n), f"key {n}")


@pytest.mark.parametrize("warm", [True, False])
def test_a_retry_is_found_in_the_tail(faulty, id, warm):
    sandbox = Sandbox(faulty)
    sandbox.done(OpenShelf(shelf=id, units=5))
    first = sandbox.done(take(id, 1), "key 1")
    sandbox.done(take(id, 2), "key 2")
    faulty.taken()
    again = retry(sandbox if warm else Sandbox(faulty), id, 1)
    assert again.replayed
    assert (again.first, again.next, again.result) == (first.first, first.next, first.result)
    assert again.commit == first.commit
    assert faulty.taken() == ([] if warm else ["newest"]) + ["since!"], "the commit itself is looked at"
    assert len(history(faulty.inner, stream_id(id))) == 3


def test_a_retried_create_needs_no_read(faulty, id):
    first = Sandbox(faulty).done(OpenShelf(shelf=id, units=5), "open")
    Sandbox(faulty).done(take(id, 1))
    faulty.taken()
    again = Sandbox(faulty).done(OpenShelf(shelf=id, units=5), "open")
    assert again.replayed
    assert again.result == first.result
    assert faulty.taken() == ["append"], "its own commit came back"


def test_a_create_that_probably_came_before_reads_first(faulty, id):
    Sandbox(faulty).done(OpenShelf(shelf=id, units=5), "open")
    faulty.taken()
    assert Sandbox(faulty).done(OpenShelf(shelf=id, units=5), "open", repeated=True).replayed
    assert faulty.taken() == ["newest", "since!"]


def test_a_retry_is_found_in_the_ring(faulty, id):
    fill(faulty, id, 50)
    faulty.taken()
    assert retry(Sandbox(faulty), id, 1).replayed
    assert faulty.taken() == ["newest", "since!"], "nothing was evicted yet, so no row is read"


def test_a_retry_is_found_in_an_id_row(faulty, id):
    fill(faulty, id, 120)
    faulty.taken()
    assert retry(Sandbox(faulty), id, 1).replayed
    assert faulty.taken() == ["newest", "find_id", "since!"]
    assert retry(Sandbox(faulty), id, 119).replayed
    assert faulty.taken() == ["newest", "since!"], "one of the last 64 needs no row"


def test_only_keyed_commands_on_an_overflowed_stream_read_a_row(faulty, id):
    fill(faulty, id, 120)
    sandbox = Sandbox(faulty)
    sandbox.done(take(id, "x"))
    faulty.taken()
    sandbox.done(take(id, "y"))
    assert faulty.taken() == ["append"]
    sandbox.done(take(id, "z"), "key z")
    assert faulty.taken() == ["find_id", "append"]


def test_the_ring_holds_64_ids_and_what_it_drops_has_a_row(store, id):
    fill(store, id, 119)
    stream = Sandbox(store).executor.load(stream_id(id), shelf)
    assert len(stream.known) == RING == 64
    assert stream.over
    for n in range(1, 120):
        known = stream.known.get(f"key {n}")
        row = store.find_id(stream_id(id), f"key {n}")
        assert (known is None) != (row is None), f"key {n} is in exactly one place"


def test_rows_are_written_before_the_commit_that_evicts(faulty, id):
    fill(faulty, id, 78)  # with "open" it makes 79 commits
    faulty.taken()
    sandbox = Sandbox(faulty)
    sandbox.done(take(id, "x"))
    assert faulty.taken() == ["newest", "keep_ids", "append"]
    assert faulty.inner.find_id(stream_id(id), "key 14") is not None
    assert faulty.inner.find_id(stream_id(id), "key 15") is None


def test_commands_without_a_key_take_no_place_in_the_ring(faulty, id):
    sandbox = Sandbox(faulty)
    sandbox.done(OpenShelf(shelf=id, units=1000))
    for n in range(90):
        sandbox.done(take(id, f"x{n}"))
    assert "keep_ids" not in faulty.taken()
    stream = Sandbox(faulty).executor.load(stream_id(id), shelf)
    assert (stream.known, stream.over) == ({}, False)


def test_rows_that_can_not_be_written_stop_the_commit(faulty, id):
    fill(faulty, id, 78)
    faulty.faults.extend(["dropped"] * 1000)
    with pytest.raises(Contention):
        Sandbox(faulty).do(take(id, "x"), "key x")
    assert "append" not in faulty.taken()[-5:]
    faulty.faults.clear()
    faulty.faults.extend(["stored", "refused"])
    assert not Sandbox(faulty).done(take(id, "x"), "key x").replayed, "it is insisted on, like the put"


def test_any_of_300_keyed_commands_can_be_retried(store, id):
    first = fill(store, id, 300)
    warm = Sandbox(store)
    for n in (1, 17, *range(40, 300, 60), 236, 237, 300):
        for sandbox in (warm, Sandbox(store)):
            again = retry(sandbox, id, n)
            assert again.replayed
            assert (again.first, again.result) == (first[n - 1].first, first[n - 1].result)
    assert len(history(store, stream_id(id))) == 301
    assert warm.state(id).left == 700


@pytest.mark.parametrize(
    "store", ["memory", pytest.param("emulator", marks=[pytest.mark.emulator, pytest.mark.long])], indirect=True
)
def test_any_of_300_keyed_commands_can_be_retried_at_any_time(store, id):
    rng = random.Random(7)
    sandboxes = [Sandbox(store) for _ in range(3)]
    sandboxes[0].done(OpenShelf(shelf=id, units=1000), "open")
    first: dict[int, Committed] = {}
    for n in range(1, 301):
        first[n] = rng.choice(sandboxes).done(take(id, n), f"key {n}")
        for old in {rng.randint(1, n), rng.randint(max(1, n - 70), n), rng.randint(max(1, n - 5), n)}:
            again = retry(rng.choice(sandboxes) if rng.random() < 0.7 else Sandbox(store), id, old)
            assert again.replayed
            assert (again.first, again.result) == (first[old].first, first[old].result)
    assert len(history(store, stream_id(id))) == 301
    assert Sandbox(store).state(id).left == 700


@pytest.mark.parametrize("commits", [1, 50, 120])
def test_the_same_key_with_another_body_is_refused(faulty, id, commits):
    fill(faulty, id, commits)
    before = history(faulty.inner, stream_id(id))
    for sandbox in (Sandbox(faulty), Sandbox(faulty)):
        with pytest.raises(KeyReuse):
            sandbox.do(TakeUnit(shelf=id, by="another body"), "key 1")
    assert history(faulty.inner, stream_id(id)) == before


def test_the_same_key_with_another_body_on_a_create(faulty, id):
    Sandbox(faulty).done(OpenShelf(shelf=id, units=5), "open")
    with pytest.raises(KeyReuse):
        Sandbox(faulty).do(OpenShelf(shelf=id, units=6), "open")


def test_a_rejection_leaves_no_trace_and_is_decided_afresh(store, id):
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf=id, units=0))
    assert isinstance(sandbox.do(take(id, 1), "key 1"), Rejection)
    Sandbox(store).done(ReturnUnits(shelf=id, units=1))
    assert not sandbox.done(take(id, 1), "key 1").replayed
    assert sandbox.done(take(id, 1), "key 1").replayed


# One key, two streams


def test_one_key_on_two_streams_is_two_commands_even_when_both_were_evicted(store, id):
    """The rows of both must stand: with one row a tenant and id, a retry on one of them was decided afresh."""
    one, two = id + "-1", id + "-2"
    grown = MemoryCommitStore()
    for each in (one, two):
        sandbox = Sandbox(grown)
        sandbox.done(OpenShelf(shelf=each, units=1000), "the key")
        for n in range(100):
            sandbox.done(take(each, n))
    plant(store, grown)
    for each in (one, two, one):
        again = Sandbox(store).done(OpenShelf(shelf=each, units=1000), "the key", repeated=True)
        assert again.replayed
        assert again.stream.id == each
        assert len(history(store, stream_id(each))) == 101


def test_strict_holds_across_streams(faulty, id):
    one, two = id + "-1", id + "-2"
    key = "claim " + id
    first = Sandbox(faulty).done(ClaimName(shelf=one, name="n"), key)
    faulty.taken()
    with pytest.raises(KeyReuse):
        Sandbox(faulty).do(ClaimName(shelf=two, name="n"), key)
    assert faulty.taken() == ["newest", "append_strict"]
    assert history(faulty.inner, stream_id(two)) == []
    assert Sandbox(faulty).done(ClaimName(shelf=one, name="n"), key).result == first.result


def test_strict_without_a_conflict_is_one_transaction(faulty, id):
    Sandbox(faulty).done(ClaimName(shelf=id, name="n"), "claim " + id)
    assert faulty.taken() == ["newest", "append_strict"]


def test_a_strict_command_that_lost_may_be_tried_again(faulty, id):
    sandbox = Sandbox(faulty)
    sandbox.done(ClaimName(shelf=id, name="a"), "a" + id)
    Sandbox(faulty.inner).done(ClaimName(shelf=id, name="b"), "b" + id)
    outcome = sandbox.done(ClaimName(shelf=id, name="c"), "c" + id)
    assert not outcome.replayed
    assert outcome.first == 3
    assert sandbox.done(ClaimName(shelf=id, name="c"), "c" + id).replayed


def test_a_strict_command_is_found_after_it_was_evicted(store, id):
    sandbox = Sandbox(store)
    first = sandbox.done(ClaimName(shelf=id, name="n"), "claim " + id)
    for n in range(85):
        sandbox.done(ReturnUnits(shelf=id, units=n))
    again = Sandbox(store).done(ClaimName(shelf=id, name="n"), "claim " + id)
    assert again.replayed
    assert again.result == first.result


# Two of the same at once, and stale reads


def test_a_duplicate_that_won_meanwhile_is_the_answer(faulty, id):
    sandbox = Sandbox(faulty)
    sandbox.done(OpenShelf(shelf=id, units=5))
    first = Sandbox(faulty.inner).done(take(id, 1), "key 1")
    faulty.taken()
    again = sandbox.done(take(id, 1), "key 1")
    assert again.replayed
    assert again.result == first.result
    assert faulty.taken() == ["append"], "its own commit came back with the refusal"


def test_a_duplicate_further_up_is_seen_before_deciding_again(faulty, id):
    """Not only the winner's id is checked: the duplicate may lie behind the winner."""
    sandbox = Sandbox(faulty)
    sandbox.done(OpenShelf(shelf=id, units=5))
    other = Sandbox(faulty.inner)
    for n in (9, 1, 8):
        other.done(take(id, n), f"key {n}")
    assert sandbox.done(take(id, 1), "key 1").replayed
    assert len(history(faulty.inner, stream_id(id))) == 4


def test_a_duplicate_that_was_evicted_meanwhile_is_found_by_its_row(faulty, id):
    """The row was looked for before the duplicate came; after another load it is looked for again."""
    fill(faulty, id, 90)
    sandbox = Sandbox(faulty)

    def meanwhile(name):
        if name == "append":
            faulty.around = lambda name: None
            other = Sandbox(faulty.inner)
            for n in ("a", "b", 91, *range(200, 290)):
                other.done(take(id, n), f"key {n}")

    faulty.around = meanwhile
    faulty.taken()
    assert retry(sandbox, id, 91).replayed
    calls = ["newest", "find_id", "append", "append", "since!", "newest!", "find_id", "since!"]
    assert faulty.taken() == calls
    assert len(history(faulty.inner, stream_id(id))) == 91 + 93


@pytest.mark.parametrize("stale", [1, 40, 130])
def test_a_stale_read_has_no_second_effect(faulty, id, stale):
    fill(faulty, id, 120)
    faulty.stale = stale
    for n in (1, 60, 120):
        assert retry(Sandbox(faulty), id, n).replayed
    assert len(history(faulty.inner, stream_id(id))) == 121


def test_find_sees_a_command_wherever_it_is(faulty, id):
    fill(faulty, id, 120)
    executor = Sandbox(faulty).executor
    for n in (1, 60, 120):
        commit = executor.find(stream_id(id), shelf, f"key {n}")
        assert commit is not None
        assert commit.command_id == f"key {n}"
    assert executor.find(stream_id(id), shelf, "key 121") is None
