"""A daily sweep heals what shows no gap: a lost last event."""

import random
from decimal import Decimal

import pytest
from foldstack.aws import sweep as sweep_module
from foldstack.aws.sweep import CommitTableHeads, Head, Sweep, Swept
from foldstack.kernel.errors import StoreThrottled
from foldstack.kernel.keys import StreamId

from .domain import POISONED, Created, Noted, Priced, articles, trails
from .fakes import Crash, Death, MemoryViewStore, Parked, Turns, Watched
from .library import PROJECTIONS, Library, assert_equals_fold, deliver, projector, published, stream

A = stream("a")


class MemoryHeads:
    """Heads of a memory store, in pages that know nothing of streams."""

    def __init__(self, store, size: int = 7) -> None:
        self._store, self._size = store, size

    def page(self, after, segment: int, segments: int):
        found = [
            Head(commit.stream, commit.next, frozenset(commit.types))
            for key, commits in sorted(self._store.streams().items())
            if sum(key.encode()) % segments == segment
            for commit in commits
        ]
        start = after or 0
        end = start + self._size
        return found[start:end], end if end < len(found) else None


def swept(library: Library, views, **more) -> Swept:
    return Sweep(projector(library.store, views), MemoryHeads(library.store), views, workers=1, **more).run(1e12)


@pytest.mark.parametrize("seed", range(10))
def test_lost_last_events_are_healed(new_views, seed):
    rng = random.Random(seed)
    library, views = Library().grow(rng), new_views(seed)
    last = {commit.stream.key: commit for commit in library.commits}
    lost = rng.choices(list(last.values()), k=2)
    deliver(
        projector(library.store, views),
        [e for e in published(library.commits) if e.first not in [c.first for c in lost if c.stream == e.stream]],
    )
    first = swept(library, views)
    assert first.done
    assert first.failed == 0
    assert_equals_fold(views, library.store)
    again = swept(library, views)
    assert (again.checked, again.healed) == (first.checked, 0)


def test_a_stream_that_was_never_delivered_is_found(new_views):
    library, views = Library(), new_views()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    assert swept(library, views) == Swept(True, checked=2, healed=2)
    assert_equals_fold(views, library.store)


def test_commits_that_do_not_matter_are_not_behind(new_views):
    library, views = Library(), new_views()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    deliver(projector(library.store, views), published(library.commits))
    library.commit("a", Noted(text="of no interest to articles"))
    report = swept(library, views)
    assert report.healed == 1, "only the trail is behind"
    assert (views.read(articles, A).cursor, views.read(trails, A).cursor) == (2, 3)


def test_parked_rows_stay_and_are_counted(new_views):
    library, views = Library(), new_views()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    POISONED.add(("a", 1))
    deliver(projector(library.store, views), published(library.commits))
    library.commit("a", Priced(price=Decimal(2)))
    POISONED.clear()
    assert swept(library, views) == Swept(True, checked=2, healed=1, parked=1)
    assert views.read(articles, A).parked is not None


def test_it_goes_on_from_where_time_was_over(new_views):
    library, views = Library().grow(random.Random(3)), new_views()
    runs, heads = [], Watched(MemoryHeads(library.store))
    while not runs or not runs[-1].done:
        sweep = Sweep(projector(library.store, views), heads, views, clock=lambda: 2.0, workers=1)
        runs.append(sweep.run(until=1.0))
        assert len(heads.calls) == len(runs), "one page a run, and each run gets on"
    assert len(runs) > 5
    assert_equals_fold(views, library.store)
    assert views.position("0/1") is None, "the next sweep starts at the beginning"


def test_a_death_repeats_at_most_the_page_it_was_in(new_views):
    library = Library().grow(random.Random(4))
    undisturbed = Death()
    views = new_views()
    everything = Watched(views, undisturbed.before, undisturbed.after)
    Sweep(projector(library.store, everything), MemoryHeads(library.store), everything, workers=1).run(1e12)
    for step in range(undisturbed.ended):
        death, views = Death(after=step), new_views()
        mortal = Watched(views, death.before, death.after)
        with pytest.raises(Crash):
            Sweep(projector(library.store, mortal), MemoryHeads(library.store), mortal, workers=1).run(1e12)
        Sweep(projector(library.store, views), MemoryHeads(library.store), views, workers=1).run(1e12)
        assert_equals_fold(views, library.store)


def test_rows_that_cannot_be_healed_now_are_counted_and_stop_nothing():
    library, views = Library(), MemoryViewStore()
    for id in "abc":
        library.commit(id, Created(price=Decimal(1), shelf="x"))

    class Throttled(MemoryViewStore):
        def write(self, projection, stream, *rest):
            if stream.id == "b":
                raise StoreThrottled("not now")
            return views.write(projection, stream, *rest)

    throttled = Throttled()
    throttled.items = views.items
    assert swept(library, throttled) == Swept(True, checked=6, healed=4, failed=2)
    assert swept(library, views) == Swept(True, checked=6, healed=2)


@pytest.mark.parametrize("seed", range(6))
def test_sweeps_and_projectors_side_by_side(new_views, seed):
    rng = random.Random(seed)
    library, views, turns = Library().grow(rng), new_views(seed), Turns(rng)
    lost = rng.sample(published(library.commits, rng), len(library.commits) // 2)
    watched, store = Watched(views, turns.pause, turns.pause), Watched(library.store, turns.pause, turns.pause)

    def sweep(segment: int) -> None:
        mine = Sweep(projector(store, watched), MemoryHeads(library.store), watched, workers=1)
        assert mine.run(1e12, segment, 2).done

    def consume() -> None:
        for envelope in lost:
            deliver(projector(store, watched), [envelope])

    turns.run([lambda: sweep(0), lambda: sweep(1), lambda: sweep(1), consume])
    assert_equals_fold(views, library.store)


@pytest.mark.emulator
def test_on_dynamodb(tables, monkeypatch):
    monkeypatch.setattr(sweep_module, "_PAGE", 9)
    store, views, park = tables.store(), tables.views(), Parked()
    library = Library(store).grow(random.Random(6), streams=5, commits=6)
    heads = CommitTableHeads(tables.dynamodb, tables.commits)
    for segment in (0, 1):
        runs = 0
        while not Sweep(projector(store, views, park), heads, views, clock=lambda: 2.0).run(1.0, segment, 2).done:
            runs += 1
    memory = Library().store
    for commit in library.commits:
        memory.append(commit)
    assert_equals_fold(views, memory)
    assert {StreamId.parse(key) for key in memory.streams()} == {c.stream for c in library.commits}
    assert [views.position(f"{n}/2") for n in (0, 1)] == [None, None]
    assert len(PROJECTIONS) == 2
