"""Whatever the road does to commits, rows and totals end as the fold of the store."""

import random

import pytest
from foldstack.kernel.errors import StoreThrottled, StoreTimeout, Unavailable

from .fakes import Turns, Watched, Weather
from .library import Library, assert_equals_fold, deliver, projector, published

HISTORIES = 12


def batches(rng: random.Random, envelopes: list) -> list[list]:
    """Shuffled, some twice or more, cut into batches of 1 to 5."""
    delivered = envelopes + rng.choices(envelopes, k=len(envelopes) // 2)
    rng.shuffle(delivered)
    cut = []
    while delivered:
        size = rng.randrange(1, 6)
        cut.append(delivered[:size])
        delivered = delivered[size:]
    return cut


@pytest.mark.parametrize("block", range(4))
def test_shuffled_and_duplicated(new_views, block):
    for seed in range(block * HISTORIES, (block + 1) * HISTORIES):
        rng = random.Random(seed)
        library, views = Library().grow(rng), new_views(seed)
        envelopes = published(library.commits, rng)
        for batch in batches(rng, envelopes):
            deliver(projector(library.store, views), batch)
        assert_equals_fold(views, library.store)
        deliver(projector(library.store, views), rng.sample(envelopes, 10))  # dead letters, sent again much later
        assert_equals_fold(views, library.store)


@pytest.mark.parametrize("block", range(4))
def test_delivered_while_written_by_many_projectors_at_once(new_views, block):
    """Deliveries overtake each other and the writer; five sandboxes stop at each call, in an order of the seed's."""
    for seed in range(block * HISTORIES, (block + 1) * HISTORIES):
        rng = random.Random(seed)
        library, views, turns = Library(), new_views(seed), Turns(rng)
        road: list[list] = []
        written = []

        def write(library=library, rng=rng, road=road, turns=turns, written=written) -> None:
            for _ in range(12):
                before = len(library.commits)
                library.grow(rng, streams=3, commits=2)
                road.extend(batches(rng, published(library.commits[before:], rng)))
                rng.shuffle(road)
                turns.pause()
            written.append(True)

        def consume(library=library, views=views, road=road, turns=turns, written=written) -> None:
            watched = Watched(views, turns.pause, turns.pause)
            mine = projector(Watched(library.store, turns.pause, turns.pause), watched)
            while road or not written:
                if road:
                    deliver(mine, road.pop())
                else:
                    turns.pause()

        turns.run([write, *[consume] * 5])
        assert_equals_fold(views, library.store)


@pytest.mark.parametrize("block", range(3))
def test_through_throttling_and_lost_answers(new_views, block):
    """A delivery that fails is delivered again; what had been written before its answer was lost is not repeated."""
    for seed in range(block * HISTORIES, (block + 1) * HISTORIES):
        rng = random.Random(seed)
        library, views, weather = Library().grow(rng), new_views(seed), Weather(rng, 0.15)
        mine = projector(
            Watched(library.store, weather.before, weather.after), Watched(views, weather.before, weather.after)
        )
        road = batches(rng, published(library.commits, rng))
        while road:
            batch = road.pop()
            try:
                deliver(mine, batch)
            except Unavailable:
                road.insert(rng.randrange(len(road) + 1), batch)
        assert_equals_fold(views, library.store)


def test_in_order_each_commit_costs_one_read_and_one_write_and_heals_nothing(new_views):
    library = Library().grow(random.Random(1), streams=3, commits=30)
    store, views = Watched(library.store), Watched(new_views())
    mine = projector(store, views)
    matter = 0
    for envelope in published(library.commits):
        matter += sum(not p.stored_types.isdisjoint(envelope.types) for p in mine.projections.values())
        deliver(mine, [envelope])
    assert store.calls == []
    assert views.calls.count("read") == views.calls.count("write") == matter
    assert matter < 2 * len(library.commits), "some commits matter to one projection only"
    assert_equals_fold(views.inner, library.store)


def test_a_batch_folds_a_streams_commits_into_one_write(new_views):
    library = Library().grow(random.Random(2), streams=1, commits=10)
    store, views = Watched(library.store), Watched(new_views())
    shuffled = published(library.commits)
    random.Random(3).shuffle(shuffled)
    deliver(projector(store, views), shuffled)
    assert store.calls == []
    assert sorted(views.calls) == ["read", "read", "write", "write"]
    assert_equals_fold(views.inner, library.store)


def test_repetitions_cost_one_read_each_and_nothing_more(new_views):
    library = Library().grow(random.Random(2), streams=1, commits=10)
    store, views = Watched(library.store), Watched(new_views())
    mine = projector(store, views)
    deliver(mine, published(library.commits))
    views.calls.clear()
    for envelope in published(library.commits):
        deliver(mine, [envelope])
    assert store.calls == []
    assert set(views.calls) == {"read"}


@pytest.mark.parametrize("lost", [False, True])
def test_a_write_without_an_answer_is_resolved_by_reading_again(new_views, lost):
    library = Library().grow(random.Random(2), streams=1, commits=10)
    faults = [StoreTimeout("no answer"), StoreThrottled("not now")]

    def trouble(name: str) -> None:
        if name == "write" and faults:
            raise faults.pop()

    inner = new_views()
    views = Watched(inner, after=trouble) if lost else Watched(inner, before=trouble)
    deliver(projector(library.store, views), published(library.commits))
    assert faults == []
    assert_equals_fold(inner, library.store)
