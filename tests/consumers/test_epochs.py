"""A restore uses versions again and raises the epoch: a cursor or an envelope of another epoch proves nothing."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from foldstack.aws import view_fold
from foldstack.aws.sweep import Sweep
from foldstack.aws.view_rows import Parked as ParkedAt
from foldstack.kernel.errors import BrokenChain, Unavailable
from foldstack.kernel.store import MemoryCommitStore

from .domain import Created, Deleted, Priced, articles
from .fakes import Parked, Watched
from .library import TENANTS, Library, assert_equals_fold, deliver, projector, published, shown, stream
from .test_sweep import MemoryHeads

A = stream("a")


def restored(library: Library, keep: int) -> Library:
    """The store as it was after `keep` commits, in its second epoch."""
    store = MemoryCommitStore()
    for commit in library.commits[:keep]:
        store.append(commit)
    after = Library(store, epoch=2)
    after.commits = library.commits[:keep]
    return after


@pytest.mark.parametrize("seed", range(15))
def test_after_a_restore_views_become_those_of_the_restored_store(new_views, seed):
    """Late deliveries of what the restore undid come among those of what was written since."""
    rng = random.Random(seed)
    before = Library().grow(rng)
    views = new_views(seed)
    deliver(projector(before.store, views), published(before.commits))
    after = restored(before, keep=len(before.commits) // 2)
    kept = len(after.commits)
    after.grow(rng, commits=8)
    late = published(before.commits[kept:]) + published(before.commits[:kept], rng) + published(after.commits[kept:])
    rng.shuffle(late)
    for n in range(0, len(late), 3):
        deliver(projector(after.store, views, epoch=2), late[n : n + 3])
    mine = projector(after.store, views, epoch=2)
    assert Sweep(mine, MemoryHeads(after.store), views, workers=1).run(1e12).done
    assert_equals_fold(views, after.store)
    assert [row for projection in mine.projections.values() for row in views.scan(projection, 2, None).rows] == []


def test_a_sweep_buries_the_row_of_a_stream_that_the_restore_undid(new_views):
    library, views = Library(), new_views()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    library.commit("b", Created(price=Decimal(1), shelf="x"))
    deliver(projector(library.store, views), published(library.commits))
    after = restored(library, keep=1)
    mine = projector(after.store, views, epoch=2)
    assert Sweep(mine, MemoryHeads(after.store), views, workers=1).run(1e12).healed == 4
    assert list(shown(views, articles, TENANTS[0])) == ["a"]
    assert_equals_fold(views, after.store)


def test_an_undone_commit_is_not_applied_to_the_same_version(new_views):
    library = Library()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    undone = library.commit("a", Priced(price=Decimal(66)))
    after = restored(library, keep=1)
    views = new_views()
    mine = projector(after.store, views, epoch=2)
    deliver(mine, published(library.commits[:1]))
    deliver(mine, published([undone]))
    assert shown(views, articles, TENANTS[0])["a"].price == 1
    after.commit("a", Priced(price=Decimal(2)))
    deliver(mine, published(after.commits[1:]))
    assert_equals_fold(views, after.store)


def test_totals_lose_what_rows_of_another_epoch_had_added(new_views):
    library = Library()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    library.commit("a", Priced(price=Decimal(5)))
    views = new_views()
    deliver(projector(library.store, views), published(library.commits))
    after = restored(library, keep=1)
    after.commit("a", Deleted())
    deliver(projector(after.store, views, epoch=2), published(after.commits))
    assert views.totals(articles, TENANTS[0]) == {}


def test_an_old_projector_leaves_newer_rows_alone(new_views):
    library, views = Library(), new_views()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    deliver(projector(library.store, views, epoch=2), published(library.commits))
    there = views.read(articles, A)
    later = [library.commit("a", Priced(price=Decimal(2)))]
    with pytest.raises(Unavailable, match="epoch 2"):
        deliver(projector(library.store, views, epoch=1), published(later))
    assert views.read(articles, A) == there


def test_a_parked_row_of_another_epoch_starts_afresh(new_views):
    library, views, park = Library(), new_views(), Parked()
    first = library.commit("a", Created(price=Decimal(1), shelf="x"))
    deliver(projector(library.store, views), published([first]))
    lead = views.read(articles, A)
    views.write(articles, A, lead, lead._replace(parked=ParkedAt(9, "of another life", "t")), {})
    deliver(projector(library.store, views, park, epoch=2), published(library.commits))
    assert (views.read(articles, A).parked, views.read(articles, A).epoch) == (None, 2)


def test_a_published_commit_that_the_store_does_not_have_is_no_news(new_views):
    library, views = Library(), new_views()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    ahead = [replace(library.commits[0], first=7, next=8, prev={"Priced": 7})]
    with pytest.raises(BrokenChain, match="the store ends at 2"):
        deliver(projector(library.store, views), published(ahead))


def test_a_hole_in_what_the_store_answers_is_never_folded(new_views):
    library, views = Library(), new_views()
    for n in range(1, 6):
        library.commit("a", Created(price=Decimal(n), shelf="x"))
    del library.store._streams[A.key][3]
    with pytest.raises(BrokenChain, match="expected at 3"):
        deliver(projector(library.store, views), published(library.commits[4:]))
    assert views.read(articles, A) is None


def test_a_long_stream_is_healed_in_parts_that_stay(new_views, monkeypatch):
    monkeypatch.setattr(view_fold, "_MOST_AT_ONCE", 4)
    monkeypatch.setattr(view_fold, "_SLICE", 3)
    library = Library()
    for n in range(1, 31):
        library.commit("a", Created(price=Decimal(n), shelf="x"))
    views = Watched(new_views())
    deliver(projector(library.store, views), published(library.commits[-2:]))
    assert views.calls.count("write") == 16, "two projections, eight parts each"
    assert_equals_fold(views, library.store)
