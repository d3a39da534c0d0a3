"""What is folded: a complete chain down to version 1 or to a snapshot of this reducer, and nothing else."""

import pytest
from foldstack.kernel.errors import BrokenChain
from foldstack.kernel.executor import LOAD_LIMIT, Executor
from foldstack.kernel.store import MemoryCommitStore
from foldstack.kernel.stream import Stream

from .domain import OpenShelf, ReturnUnits, Shelf, TakeUnit, shelf
from .faults import FaultyStore
from .support import Sandbox, folded, history, new_id, other_reducer, plant, stream_id


@pytest.fixture
def id():
    return new_id()


@pytest.fixture
def faulty(store):
    return FaultyStore(store)


def grow(store, id, commits, aggregate=shelf):
    """A shelf with that many commits, every third of two events, made by one warm sandbox."""
    grown = MemoryCommitStore()
    sandbox = Sandbox(grown, aggregate=aggregate)
    sandbox.done(OpenShelf(shelf=id, units=1000))
    for n in range(1, commits):
        sandbox.done(ReturnUnits(shelf=id, units=n) if n % 3 == 0 else TakeUnit(shelf=id, by=str(n)))
    plant(store, grown)
    return history(grown, stream_id(id))


def cold_load(store, id, aggregate=shelf, **options):
    return Executor(store).load(stream_id(id), aggregate, **options)


@pytest.mark.parametrize("commits", [1, 2, 19, 20, 21, 39, 40, 41, 107])
def test_a_cold_load_is_the_plain_fold_in_one_read(faulty, id, commits):
    made = grow(faulty, id, commits)
    faulty.taken()
    stream = cold_load(faulty, id)
    assert stream.state == folded(made)
    assert stream.next == made[-1].next
    assert faulty.taken() == ["newest"]


def test_every_twentieth_commit_carries_a_snapshot(store, id):
    made = grow(store, id, 65)
    assert [n for n, commit in enumerate(made, 1) if commit.snapshot is not None] == [20, 40, 60]


def test_a_warm_sandbox_a_cold_load_and_the_plain_fold_agree(store, id):
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf=id, units=5))
    for n in range(22):
        outcome = sandbox.done(ReturnUnits(shelf=id, units=n))
        assert outcome.state == cold_load(store, id).state
    stream = sandbox.executor.current(stream_id(id), shelf)
    cold = cold_load(store, id)
    assert (stream.state, stream.next, stream.prev, stream.known, stream.over, stream.since) == (
        cold.state,
        cold.next,
        cold.prev,
        cold.known,
        cold.over,
        cold.since,
    )


def test_prev_names_the_last_event_of_each_type(store, id):
    seen: dict[str, int] = {}
    for commit in grow(store, id, 45):
        assert commit.prev == seen
        for event in commit.stored:
            seen[event.type] = event.version + 1


def test_a_snapshot_of_another_reducer_is_refolded_and_replaced(faulty, id):
    grow(faulty, id, 107)
    changed = other_reducer()
    faulty.taken()
    assert cold_load(faulty, id, changed).state == folded(history(faulty.inner, stream_id(id)))
    assert faulty.taken() == ["newest"] * 6, "107 commits in pages of 20"

    Sandbox(faulty, aggregate=changed).done(TakeUnit(shelf=id, by="new code"))
    newest = history(faulty.inner, stream_id(id))[-1]
    assert newest.snapshot is not None
    for reducer, reads in ((changed, 1), (shelf, 1)):
        faulty.taken()
        assert cold_load(faulty, id, reducer).state == folded(history(faulty.inner, stream_id(id)))
        assert faulty.taken() == ["newest"] * reads, "both snapshots are within one page"


def test_two_reducers_in_turn_agree_on_ids_and_state(store, id):
    """While traffic shifts, old and new code write the same stream, each with snapshots of its own."""
    old, new = Sandbox(store), Sandbox(store, aggregate=other_reducer())
    old.done(OpenShelf(shelf=id, units=1000), "open")
    for n in range(150):
        (old if n % 7 < 3 else new).done(TakeUnit(shelf=id, by=str(n)), f"take {n}")
    made = history(store, stream_id(id))
    for sandbox in (old, new, Sandbox(store), Sandbox(store, aggregate=other_reducer())):
        assert sandbox.state(id) == folded(made)
        for n in (0, 60, 137, 149):
            assert sandbox.done(TakeUnit(shelf=id, by=str(n)), f"take {n}").replayed
    assert history(store, stream_id(id)) == made


def test_a_stale_read_is_a_valid_past(faulty, id):
    made = grow(faulty, id, 30)
    faulty.stale = 4
    stream = cold_load(faulty, id)
    assert stream.next == made[-5].next
    assert stream.state == folded(made[:-4])


@pytest.mark.parametrize("hole", [22, 25, 29])
def test_a_hole_is_read_again_consistently_and_never_folded(faulty, id, hole):
    made = grow(faulty, id, 30)
    faulty.holes = {made[hole - 1].first}
    faulty.taken()
    stream = cold_load(faulty, id)
    assert stream.state == folded(made)
    assert faulty.taken() == ["newest", "newest!"]


def test_a_hole_where_the_snapshot_was(faulty, id):
    made = grow(faulty, id, 30)
    assert made[19].snapshot
    faulty.holes = {made[19].first}
    assert cold_load(faulty, id).state == folded(made)


def test_a_hole_at_the_oldest_end(faulty, id):
    made = grow(faulty, id, 5)
    faulty.holes = {1}
    assert cold_load(faulty, id).state == folded(made)


def test_a_hole_between_two_pages(faulty, id):
    made = grow(faulty, id, 47)
    faulty.holes = {made[-1 - LOAD_LIMIT].first}
    assert cold_load(faulty, id, other_reducer()).state == folded(made)


class ShortPages(FaultyStore):
    """Answers fewer commits than asked for, as DynamoDB does at 1 MB."""

    def newest(self, stream, limit, before=None, consistent=False):
        return super().newest(stream, min(limit, 3), before, consistent)

    def since(self, stream, version, limit=100, consistent=True):
        return super().since(stream, version, min(limit, 3), consistent)


def test_a_shortfall_reads_the_next_page(store, id):
    made = grow(store, id, 35)
    short = ShortPages(store)
    assert cold_load(short, id).state == folded(made)
    assert short.taken() == ["newest"] * 6, "15 commits and the snapshot below them"
    assert cold_load(short, id, other_reducer()).state == folded(made)


def test_a_shortfall_while_catching_up(store, id):
    short = ShortPages(store)
    warm = Sandbox(short)
    warm.done(OpenShelf(shelf=id, units=0))
    grow_by(store, id, 30)
    assert not isinstance(warm.done(TakeUnit(shelf=id, by="me")), type(None))
    assert warm.state(id) == folded(history(store, stream_id(id)))


def grow_by(store, id, commits):
    other = Sandbox(store)
    for _ in range(commits):
        other.done(ReturnUnits(shelf=id, units=1))


def test_commits_that_do_not_join_are_refused_not_folded(faulty, id):
    """Nothing a well-behaved writer can make; a restore of part of a table could."""
    made = grow(faulty, id, 12)
    reads = []
    inner_newest = faulty.inner.newest

    class Broken(FaultyStore):
        def newest(self, stream, limit, before=None, consistent=False):
            reads.append(consistent)
            page = inner_newest(stream, limit, before, consistent)
            return page._replace(commits=[c for c in page.commits if c.first != made[6].first])

    with pytest.raises(BrokenChain, match=id):
        cold_load(Broken(faulty.inner), id)
    assert reads == [False, True]


def test_a_stream_that_is_not_there(faulty, id):
    stream = cold_load(faulty, id)
    assert (stream.state, stream.next, stream.version) == (Shelf(), 1, 0)
    assert faulty.taken() == ["newest"]


def test_extend_takes_only_what_comes_next(store, id):
    made = grow(store, id, 4)
    stream = Stream.new(stream_id(id), shelf)
    stream.extend(made[:2])
    for wrong in (made[1], made[3]):
        with pytest.raises(BrokenChain):
            stream.extend([wrong])
    assert stream.state == folded(made[:2])
