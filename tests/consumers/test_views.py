"""Reads: as the views have it, and never older than the caller's token."""

import base64
import json
import random
from decimal import Decimal

import pytest
from foldstack.aws import view_fold
from foldstack.aws.views import ViewReader
from foldstack.kernel.errors import InvalidValue, ViewBehind
from foldstack.kernel.store import MemoryCommitStore
from foldstack.kernel.token import HEADER, Token

from .domain import POISONED, Created, Deleted, Moved, Noted, Priced, articles, trails
from .fakes import Turns, Watched
from .library import PROJECTIONS, TENANTS, Library, deliver, folded, projector, published, shown, stream

ACME, ZETA = TENANTS
A = stream("a")


def reader(store, views, *tips: tuple[str, int], tenant=ACME, epoch: int = 1, of: int = 1) -> ViewReader:
    """With a token for the tips of some articles, or without one."""
    token = Token(of, {("article", id): tip for id, tip in tips}) if tips else None
    return ViewReader(views, store, tenant, token, epoch)


@pytest.fixture
def library() -> Library:
    library = Library()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    library.commit("a", Priced(price=Decimal(2)))
    return library


def test_without_a_token_a_row_is_as_the_view_has_it(new_views, library):
    views = Watched(new_views())
    store = Watched(library.store)
    deliver(projector(library.store, views), published(library.commits[:1]))
    views.calls.clear()
    assert reader(store, views).get(articles, "a").price == 1
    assert reader(store, views).get(articles, "b") is None
    assert (store.calls, views.calls) == ([], ["read", "read"])


def test_a_token_folds_what_is_missing_over_the_row(new_views, library):
    views = new_views()
    deliver(projector(library.store, views), published(library.commits[:1]))
    before = views.read(articles, A)
    assert reader(library.store, views, ("a", 3)).get(articles, "a").price == 2
    assert views.read(articles, A) == before, "a reader writes nothing"
    assert reader(library.store, new_views(), ("a", 3)).get(articles, "a").price == 2


def test_a_row_that_has_arrived_costs_no_read_of_the_store(new_views, library):
    views, store = new_views(), Watched(library.store)
    deliver(projector(library.store, views), published(library.commits))
    assert reader(store, views, ("a", 3)).get(articles, "a").price == 2
    assert [row.price for row in reader(store, views, ("a", 3)).page(articles, 9, None).rows] == [2]
    assert store.calls == []


def test_a_deletion_is_seen_at_once(new_views, library):
    views = new_views()
    deliver(projector(library.store, views), published(library.commits))
    library.commit("a", Deleted())
    assert reader(library.store, views).get(articles, "a") is not None
    token = reader(library.store, views, ("a", 4))
    assert token.get(articles, "a") is None
    assert token.page(articles, 9, None).rows == []


@pytest.mark.parametrize("delivered", [0, 2])
def test_a_token_beyond_the_tip_is_invalid(new_views, library, delivered):
    views = new_views()
    deliver(projector(library.store, views), published(library.commits[:delivered]))
    for ask in (
        lambda: reader(library.store, views, ("a", 4)).get(articles, "a"),
        lambda: reader(library.store, views, ("a", 4)).page(articles, 9, None),
        lambda: reader(library.store, views, ("nobody", 2)).page(articles, 9, None),
        lambda: reader(library.store, views, ("a", 3), tenant=ZETA).get(articles, "a"),
    ):
        with pytest.raises(InvalidValue) as caught:
            ask()
        assert caught.value.field == HEADER


def test_a_token_of_another_epoch_is_none(new_views, library):
    views, store = new_views(), Watched(library.store)
    assert reader(store, views, ("a", 99), epoch=2, of=1).get(articles, "a") is None
    assert store.calls == []


def test_a_row_of_another_epoch_is_folded_from_the_start(new_views, library):
    """The restored store has other events under the same versions."""
    views = new_views()
    deliver(projector(library.store, views), published(library.commits))
    restored = Library(MemoryCommitStore(), epoch=2)
    for price in (7, 8):
        restored.commit("a", Created(price=Decimal(price), shelf="x"))
    found = reader(restored.store, views, ("a", 3), epoch=2, of=2)
    assert found.get(articles, "a").price == 8


def test_a_parked_stream_is_503_at_once_for_a_token_beyond_it(new_views, library):
    views, store = new_views(), Watched(library.store)
    POISONED.add(("a", 2))
    deliver(projector(library.store, views), published(library.commits))
    POISONED.clear()
    for ask in (
        lambda: reader(store, views, ("a", 3)).get(articles, "a"),
        lambda: reader(store, views, ("a", 3)).page(articles, 9, None),
    ):
        with pytest.raises(ViewBehind, match="parked") as caught:
            ask()
        assert caught.value.retry_after > 1
    assert store.calls == []
    assert reader(store, views, ("a", 2)).get(articles, "a").price == 1, "what it has reached is shown"
    assert reader(store, views).get(articles, "a").price == 1
    assert reader(store, views, ("a", 3)).get(trails, "a").seen == 2, "other projections are not parked"


def test_poison_that_no_projector_has_met_yet_is_503_too(new_views, library):
    POISONED.add(("a", 2))
    with pytest.raises(ViewBehind):
        reader(library.store, new_views(), ("a", 3)).get(articles, "a")


def test_a_reader_does_not_fold_without_end(new_views, library, monkeypatch):
    monkeypatch.setattr(view_fold, "_MOST_AT_ONCE", 1)
    with pytest.raises(ViewBehind, match="far behind"):
        reader(library.store, new_views(), ("a", 3)).get(articles, "a")


def test_commits_of_no_interest_do_not_hide_a_row(new_views, library):
    views = new_views()
    deliver(projector(library.store, views), published(library.commits))
    library.commit("a", Noted(text="n"))
    assert reader(library.store, views, ("a", 4)).get(articles, "a").price == 2


def paged(found: ViewReader, projection, limit: int) -> list:
    rows, after = [], None
    while True:
        page = found.page(projection, limit, after)
        assert len(page.rows) == limit or page.next is None, "only the last page may be short"
        assert page.rows or after is None, "no page is empty but the first"
        rows += page.rows
        after = page.next
        if after is None:
            return rows


@pytest.mark.parametrize("seed", range(60))
def test_pages_at_any_moment(new_views, seed):
    """Any part of the road delivered, a token for any streams: those as in the store, all others as in the view."""
    rng = random.Random(seed)
    library = Library().grow(rng, streams=rng.choice([3, 12]), commits=5)
    views = new_views(seed)
    deliver(projector(library.store, views), rng.sample(published(library.commits), len(library.commits) // 3))
    for tenant in TENANTS:
        mine = {c.stream.id: c.next for c in library.commits if c.stream.tenant == tenant}
        promised = rng.sample(sorted(mine), min(len(mine), 4))
        found = reader(library.store, views, *[(id, mine[id]) for id in promised], tenant=tenant)
        for projection in PROJECTIONS:
            expected = shown(views, projection, tenant)
            now, _ = folded(library.store, projection, tenant)
            for id in promised:
                expected.pop(id, None)
                if id in now:
                    expected[id] = now[id]
            rows = [expected[id] for id in sorted(expected)]
            assert paged(found, projection, rng.choice([1, 2, 3, 50])) == rows
            for id in mine:
                assert found.get(projection, id) == expected.get(id)


def test_pages_are_filled_over_many_tombstones(new_views):
    library, views = Library(), new_views()
    for n in range(120):
        library.commit(f"a{n:03}", Created(price=Decimal(n), shelf="x"), *([] if n % 40 == 0 else [Deleted()]))
    deliver(projector(library.store, views), published(library.commits))
    page = reader(library.store, views).page(articles, 2, None)
    assert [row.price for row in page.rows] == [0, 40]
    page = reader(library.store, views).page(articles, 2, page.next)
    assert ([row.price for row in page.rows], page.next) == ([80], None)


def sealed(*parts) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "é",
        "%%%",
        "A" * 2000,
        sealed("articles", 1),
        sealed("articles", 2, "a"),
        sealed("trails", 1, "a"),
        sealed("articles", 1, "a#b"),
        sealed("articles", 1, 7),
        sealed("articles", True, "a"),
        sealed("articles", 1, "a") + "=",
        base64.urlsafe_b64encode(b"[[[[").decode(),
    ],
)
def test_a_bad_next_is_invalid(new_views, library, after):
    with pytest.raises(InvalidValue) as caught:
        reader(library.store, new_views()).page(articles, 9, after)
    assert caught.value.field == "next"
    assert reader(library.store, new_views()).page(articles, 9, sealed("articles", 1, "a")).rows == []


@pytest.mark.parametrize("seed", range(20))
def test_totals_hold_what_the_token_promises(new_views, seed):
    """While projectors move rows and totals: the sum lies between what was promised and what has happened."""
    rng = random.Random(seed)
    library, views, turns = Library(), new_views(seed), Turns(rng)
    ids = [f"a{n}" for n in range(4)]
    road = published(library.commit(id, Created(price=Decimal(1), shelf=shelf)) for id in ids for shelf in "xyx")
    rng.shuffle(road)
    watched = Watched(views, turns.pause, turns.pause)

    def consume() -> None:
        while road:
            deliver(projector(library.store, watched), [road.pop()])

    def read() -> None:
        for _ in range(5):
            found = reader(library.store, watched, *[(id, 4) for id in ids])
            try:
                assert found.total(articles, "x") == {"articles": 4, "worth": Decimal(4)}
                assert found.total(articles, "y") == {}
            except ViewBehind:
                continue
            turns.pause()

    turns.run([consume, consume, read])
    assert reader(library.store, views).total(articles, "x") == {"articles": 4, "worth": Decimal(4)}
    assert reader(library.store, views).totals(articles)["all"] == {"articles": 4}


@pytest.mark.emulator
def test_on_dynamodb(tables):
    store, views = tables.store(), tables.views()
    library = Library(store)
    for n in range(30):
        library.commit(f"a{n:02}", Created(price=Decimal(n), shelf="x"))
    deliver(projector(store, views), published(library.commits[:28]))
    library.commit("a03", Moved(shelf="y"))
    library.commit("a04", Deleted())
    found = reader(store, views, ("a03", 3), ("a04", 3), ("a29", 2))
    rows = paged(found, articles, 7)
    assert [int(row.price) for row in rows] == [n for n in range(30) if n not in (4, 28)]
    assert rows[3].shelf == "y"
    assert found.total(articles, "x") == {"articles": 27, "worth": Decimal(sum(range(30)) - 3 - 4 - 28)}
    assert reader(store, views).get(articles, "a04") is not None
