"""Data that a projection can't digest stops one stream of one projection, and never more."""

import random
from decimal import Decimal

import pytest
from foldstack import Projection
from foldstack.aws.projector import Projector
from foldstack.kernel.errors import InvalidValue, StoreTimeout, UndecodableEvent, described
from pydantic import ValidationError

from .domain import POISONED, ArticleRow, Created, Moved, Noted, Priced, article, articles, trails
from .fakes import MemoryViewStore, Parked, Watched
from .library import TENANTS, Library, assert_equals_fold, deliver, folded, projector, published, shown, stream

A = stream("a")


def one_article(commits: int = 6) -> Library:
    library = Library()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    for n in range(2, commits + 1):
        library.commit("a", Priced(price=Decimal(n)))
    return library


@pytest.mark.parametrize("block", range(3))
def test_poison_parks_its_stream_alone_and_a_redrive_makes_it_whole(new_views, block):
    for seed in range(block * 12, (block + 1) * 12):
        rng = random.Random(seed)
        library, views, park = Library().grow(rng), new_views(seed), Parked()
        commit = rng.choice([c for c in library.commits if not articles.stored_types.isdisjoint(c.types)])
        bad = commit.stream
        versions = [e.version for e in commit.stored if e.type in articles.stored_types]
        POISONED.add((bad.id, rng.choice(versions)))
        delivered = published(library.commits, rng) * 2
        rng.shuffle(delivered)
        for n in range(0, len(delivered), 3):
            deliver(projector(library.store, views, park), delivered[n : n + 3])

        lead = views.read(articles, bad)
        assert lead is not None
        assert lead.parked is not None
        assert lead.parked.first == commit.first
        assert {(p["projection"], p["stream"], p["first"]) for p in park} == {("articles", bad.key, commit.first)}
        assert views.read(trails, bad).parked is None, "another projection of the same stream goes on"
        POISONED.clear()
        for tenant in TENANTS:
            expected, _ = folded(library.store, articles, tenant)
            expected.pop(bad.id, None)
            found = shown(views, articles, tenant)
            found.pop(bad.id, None)
            assert found == expected, "other streams go on"

        assert projector(library.store, views).redrive(articles, bad) == "written"
        assert_equals_fold(views, library.store)


def test_what_precedes_poison_is_shown_and_what_follows_waits(new_views):
    library, views, park = one_article(), new_views(), Parked()
    POISONED.add(("a", 3))
    deliver(projector(library.store, views, park), published(library.commits))
    assert shown(views, articles, TENANTS[0])["a"].price == 2
    lead = views.read(articles, A)
    assert (lead.cursor, lead.parked.first, lead.parked.reason) == (3, 3, "ZeroDivisionError: poison at 3")
    assert park == [
        {
            "kind": "projection",
            "reason": "ZeroDivisionError: poison at 3",
            "projection": "articles",
            "version": 1,
            "stream": A.key,
            "first": 3,
            "at": lead.parked.at,
        }
    ]
    store = Watched(library.store)
    later = published([library.commit("a", Priced(price=Decimal(9)))])
    assert projector(store, views, park).project(A, later) == {"articles": "parked", "trails": "written"}
    assert (store.calls, len(park), views.read(articles, A)) == ([], 1, lead)


def test_a_redrive_into_the_next_poison_parks_there(new_views):
    library, views, park = one_article(), new_views(), Parked()
    POISONED.update({("a", 3), ("a", 5)})
    mine = projector(library.store, views, park)
    deliver(mine, published(library.commits))
    POISONED.remove(("a", 3))
    assert mine.redrive(articles, A) == "parked"
    assert views.read(articles, A).parked.first == 5
    assert [p["first"] for p in park] == [3, 5]
    assert mine.redrive(articles, A) == "parked"
    assert mine.heal(articles, A) == "parked", "a sweep does not redrive"


def test_a_skip_records_who_and_why_and_goes_on(new_views):
    library, views, park = one_article(), new_views(), Parked()
    POISONED.add(("a", 6))
    mine = projector(library.store, views, park)
    deliver(mine, published(library.commits))
    assert mine.skip(articles, A, "jo", "a test order") == "written"
    lead = views.read(articles, A)
    assert (lead.cursor, lead.parked) == (7, None)
    assert [(s.first, s.who, s.why) for s in lead.skipped] == [(6, "jo", "a test order")]
    assert shown(views, articles, TENANTS[0])["a"].price == 5
    deliver(mine, published([library.commit("a", Moved(shelf="y"))]))
    lead = views.read(articles, A)
    assert (lead.cursor, len(lead.skipped)) == (8, 1)
    with pytest.raises(InvalidValue, match="not parked"):
        mine.skip(articles, A, "jo", "again")


@pytest.mark.parametrize(("who", "why"), [("", "because"), ("jo", "")])
def test_a_skip_without_who_and_why_is_refused(new_views, who, why):
    library, views = one_article(), new_views()
    POISONED.add(("a", 6))
    mine = projector(library.store, views)
    deliver(mine, published(library.commits))
    with pytest.raises(InvalidValue, match="say it"):
        mine.skip(articles, A, who, why)
    assert views.read(articles, A).parked is not None


def test_the_first_commit_may_be_poison(new_views):
    library, views, park = one_article(), new_views(), Parked()
    POISONED.add(("a", 1))
    mine = projector(library.store, views, park)
    deliver(mine, published(library.commits))
    assert shown(views, articles, TENANTS[0]) == {}
    POISONED.clear()
    mine.redrive(articles, A)
    assert_equals_fold(views, library.store)


def test_faults_of_the_store_are_never_poison(new_views):
    library, views, park = one_article(), new_views(), Parked()

    def lost(name: str) -> None:
        raise StoreTimeout(name)

    with pytest.raises(StoreTimeout):
        deliver(projector(Watched(library.store, lost), views, park), published(library.commits)[3:])
    assert (park, views.read(articles, A)) == ([], None)


@pytest.mark.parametrize("fault", [OSError("no route"), StoreTimeout("no answer"), MemoryError()])
def test_faults_of_the_process_are_never_poison(new_views, fault):
    library, views, park = one_article(), new_views(), Parked()
    impure = Projection("articles", of=article, row=ArticleRow)

    @impure.on(Created)
    def ask_somebody(row, event, meta):
        raise fault

    with pytest.raises(type(fault)):
        deliver(Projector([impure], library.store, views, park), published(library.commits))
    assert (park, views.read(articles, A)) == ([], None)


def test_a_commit_that_cannot_be_read_is_poison_and_those_before_it_are_not(new_views, monkeypatch):
    library, views, park = one_article(), new_views(), Parked()
    since, monkey = library.store.since, library.commits[3]

    def read(of, version, limit=100, consistent=True):
        page = since(of, version, limit, consistent)
        if any(commit.first == monkey.first for commit in page.commits):
            raise UndecodableEvent("its body is gone")
        return page

    monkeypatch.setattr(library.store, "since", read)
    deliver(projector(library.store, views, park), published(library.commits)[4:])
    lead = views.read(articles, A)
    assert (lead.cursor, lead.parked.first) == (monkey.first, monkey.first)
    monkeypatch.undo()
    projector(library.store, views, park).redrive(articles, A)
    assert views.read(articles, A).cursor == 7


def test_events_of_tomorrows_code_are_poison(new_views):
    library, views, park = one_article(1), new_views(), Parked()
    envelope = published(library.commits)[0]
    newer = [envelope.stored[0]._replace(schema=9)]
    object.__setattr__(envelope, "stored", tuple(newer))
    deliver(projector(library.store, views, park), [envelope])
    assert "UndecodableEvent" in views.read(articles, A).parked.reason


class Big(ArticleRow):
    text: str = ""


def sized(size: int) -> Projection:
    big = Projection("articles", of=article, row=Big)
    big.on(Created)(lambda row, event, meta: Big(price=event.price, shelf=event.shelf))
    big.on(Noted)(lambda row, event, meta: row.model_copy(update={"text": "x" * size}))
    return big


@pytest.mark.parametrize(("size", "parked"), [(390_000, False), (420_000, True)])
def test_a_row_too_large_for_an_item_is_poison(size, parked):
    library, views, park = one_article(1), MemoryViewStore(), Parked()
    library.commit("a", Noted(text="n"))
    mine = Projector([sized(size)], library.store, views, park)
    deliver(mine, published(library.commits))
    assert bool(park) is parked
    assert views.read(articles, A).cursor == (2 if parked else 3)


@pytest.mark.parametrize(
    "contribution",
    [
        {"x": {"worth": 0.1}},
        {"x": {"worth": True}},
        {"x": {"worth": Decimal("NaN")}},
        {"x": {"worth": 10**40}},
        {"": {"worth": 1}},
        {f"k{n}": {"worth": 1} for n in range(50)},
    ],
)
def test_a_contribution_that_totals_cannot_add_exactly_is_poison(new_views, contribution):
    library, views, park = one_article(1), new_views(), Parked()
    odd = Projection("articles", of=article, row=ArticleRow)
    odd.on(Created)(lambda row, event, meta: ArticleRow(price=event.price, shelf=event.shelf))
    odd.contributes(lambda row: contribution)
    deliver(Projector([odd], library.store, views, park), published(library.commits))
    assert [p["first"] for p in park] == [1]
    assert views.totals(odd, TENANTS[0]) == {}


def test_a_reason_holds_no_data():
    with pytest.raises(ValidationError) as caught:
        ArticleRow.model_validate({"price": "someone@example.org", "shelf": "x"})
    reason = described(caught.value)
    assert "price" in reason
    assert "someone" not in reason
