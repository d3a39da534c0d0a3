"""Reads from PostgreSQL: filters, orders and pages, in one snapshot with the cursors that a token promises."""

import random
from decimal import Decimal
from typing import Any

import pytest
from foldstack import DefinitionError, Projection
from foldstack.aws.sql.statements import ResultTooLarge
from foldstack.aws.sql.view_store import SqlViewStore
from foldstack.aws.sql.views import SqlViews
from foldstack.aws.views import ViewReader
from foldstack.kernel.errors import InvalidValue, ViewBehind
from foldstack.kernel.token import HEADER, Token

from tests.consumers.domain import (
    POISONED,
    ArticleRow,
    Created,
    Deleted,
    Moved,
    Noted,
    Priced,
    article,
    created,
    deleted,
    moved,
    priced,
    stock,
    trails,
)
from tests.consumers.fakes import Clock, Parked, Watched
from tests.consumers.library import TENANTS, Library, deliver, published, stream

from .support import Database

ACME, ZETA = TENANTS
articles = Projection("articles", of=article, row=ArticleRow, indexed=("shelf", "price"))
for kind, handler in ((Created, created), (Priced, priced), (Moved, moved), (Deleted, deleted)):
    articles.on(kind)(handler)
articles.contributes(stock)
PROJECTIONS = (articles, trails)


class Shop:
    """A store, views of it, and readers of those as the reader's role; `sleep` lets time pass."""

    def __init__(self, database: Database) -> None:
        from foldstack.aws.batch_projector import BatchProjector

        self.library = Library()
        self.views = database.store(PROJECTIONS)
        schema = str(self.views.tables(articles).rows.schema)
        self.sql = Watched(database.reader)
        self.read_only = SqlViewStore(self.sql, schema, PROJECTIONS)
        self.clock = Clock()
        self.during_sleep: list[Any] = []
        self.projector = BatchProjector(PROJECTIONS, self.library.store, self.views, Parked(), sleep=lambda s: None)

    def deliver(self, *commits) -> None:
        deliver(self.projector, published(commits))

    def reader(self, *tips: tuple[str, int], tenant=ACME, of: int = 1, epoch: int = 1) -> SqlViews:
        token = Token(of, {("article", id): tip for id, tip in tips}) if tips else None
        return SqlViews(self.read_only, self.library.store, tenant, token, epoch, clock=self.clock, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        if self.during_sleep:
            self.deliver(self.during_sleep.pop(0))


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def paged(reader: ViewReader, where, order, limit) -> list[ArticleRow]:
    rows, after = [], None
    while True:
        page = reader.find(articles, where, order, limit, after)
        assert len(page.rows) == limit or page.next is None
        rows += page.rows
        after = page.next
        if after is None:
            return rows


@pytest.mark.parametrize("seed", range(8))
def test_any_finding_is_that_of_all_rows(shop, seed):
    rng = random.Random(seed)
    expected = {}
    for n in range(40):
        price, shelf = Decimal(rng.randrange(-3, 4)) / 2, rng.choice(["x", "y", "Z", "ä", "x y"])
        tenant = rng.choice([ACME, ACME, ZETA])
        shop.library.commit(f"a{n:02}", Created(price=price, shelf=shelf), tenant=tenant)
        if tenant == ACME:
            expected[f"a{n:02}"] = ArticleRow(price=price, shelf=shelf)
    shop.deliver(*shop.library.commits)
    for _ in range(25):
        where = rng.choice([{}, {"shelf": rng.choice("xyQ")}, {"price": Decimal(rng.randrange(-3, 4)) / 2}])
        order = rng.choice([None, "price", "-price", "shelf", "-shelf"])
        field = (order or "id").removeprefix("-")
        found = [(id, row) for id, row in expected.items() if all(getattr(row, k) == v for k, v in where.items())]
        if order is None:
            found.sort()
        else:
            found.sort(key=lambda each: (getattr(each[1], field), each[0]), reverse=order.startswith("-"))
        if field == "shelf":
            found.sort(key=lambda each: (each[1].shelf.encode(), each[0]), reverse=(order or "").startswith("-"))
        assert paged(shop.reader(), where, order, rng.choice([1, 3, 100])) == [row for _, row in found]


def test_a_page_is_one_statement(shop):
    shop.deliver(shop.library.commit("a", Created(price=Decimal(1), shelf="x")))
    shop.sql.calls.clear()
    shop.reader(("a", 2)).find(articles, {"shelf": "x"}, "-price", 10, None)
    assert shop.sql.calls == ["run"]


def test_another_finding_cannot_go_on_from_a_page(shop):
    for id in "abc":
        shop.deliver(shop.library.commit(id, Created(price=Decimal(1), shelf="x")))
    after = shop.reader().find(articles, {"shelf": "x"}, "price", 1, None).next
    assert shop.reader().find(articles, {"shelf": "x"}, "price", 1, after).rows
    for where, order in (({"shelf": "x"}, "-price"), ({"shelf": "y"}, "price"), ({}, "price"), ({"shelf": "x"}, None)):
        with pytest.raises(InvalidValue) as caught:
            shop.reader().find(articles, where, order, 1, after)
        assert caught.value.field == "next"


def test_a_field_without_an_index_is_the_domains_fault(shop):
    for where, order in (({"weight": 1}, None), ({}, "-weight"), ({"tags": "a"}, None)):
        with pytest.raises(DefinitionError, match=r"not indexed; rows are found and ordered by shelf, price"):
            shop.reader().find(articles, where, order, 1, None)


def test_values_are_never_part_of_a_statement(shop):
    shop.deliver(shop.library.commit("a", Created(price=Decimal(1), shelf="x")))
    for evil in ("x' or true --", "x'; drop table articles_v1; --", ":shelf", "%(shelf)s", "\\", "x%"):
        assert shop.reader().find(articles, {"shelf": evil}, None, 9, None).rows == []
    assert len(shop.reader().find(articles, {"shelf": "x"}, None, 9, None).rows) == 1


def test_a_view_that_arrives_in_time_is_waited_for(shop):
    first, second = (shop.library.commit("a", Created(price=Decimal(n), shelf="x")) for n in (1, 2))
    shop.deliver(first)
    shop.during_sleep = [second]
    assert [row.price for row in shop.reader(("a", 3)).find(articles, {}, "price", 9, None).rows] == [2]
    assert 0 < shop.clock.now < 2


def test_after_two_seconds_it_is_behind(shop):
    shop.deliver(shop.library.commit("a", Created(price=Decimal(1), shelf="x")))
    shop.library.commit("a", Priced(price=Decimal(2)))
    with pytest.raises(ViewBehind, match="not yet reached") as caught:
        shop.reader(("a", 3)).page(articles, 9, None)
    assert caught.value.retry_after == 1
    assert 2 <= shop.clock.now < 2.5
    assert shop.reader(("a", 3)).get(articles, "a").price == 2, "a row by its id is folded forward"
    assert [row.price for row in shop.reader().page(articles, 9, None).rows] == [1], "without a token, as it is"


def test_commits_of_no_interest_are_not_waited_for(shop):
    shop.deliver(shop.library.commit("a", Created(price=Decimal(1), shelf="x")))
    shop.library.commit("a", Noted(text="n"))
    assert len(shop.reader(("a", 3)).page(articles, 9, None).rows) == 1
    assert shop.clock.now == 0


def test_a_parked_stream_is_503_at_once(shop):
    POISONED.add(("a", 2))
    shop.deliver(shop.library.commit("a", Created(price=Decimal(1), shelf="x")))
    shop.deliver(shop.library.commit("a", Priced(price=Decimal(2))))
    with pytest.raises(ViewBehind, match="parked") as caught:
        shop.reader(("a", 3)).find(articles, {}, None, 9, None)
    assert caught.value.retry_after == 60
    assert shop.clock.now == 0
    assert len(shop.reader(("a", 2)).find(articles, {}, None, 9, None).rows) == 1, "what it has reached is shown"


def test_a_token_beyond_the_tip_is_invalid(shop):
    shop.deliver(shop.library.commit("a", Created(price=Decimal(1), shelf="x")))
    for reader in (shop.reader(("a", 3)), shop.reader(("b", 2)), shop.reader(("a", 2), tenant=ZETA)):
        with pytest.raises(InvalidValue) as caught:
            reader.page(articles, 9, None)
        assert caught.value.field == HEADER
    assert shop.clock.now == 0


def test_a_cursor_of_another_epoch_promises_nothing(shop):
    shop.deliver(shop.library.commit("a", Created(price=Decimal(1), shelf="x")))
    with pytest.raises(ViewBehind):
        shop.reader(("a", 2), of=2, epoch=2).page(articles, 9, None)
    assert len(shop.reader(("a", 99), of=1, epoch=2).page(articles, 9, None).rows) == 1, "a token of another is none"


def test_a_page_too_large_to_be_answered_is_shorter(shop, monkeypatch):
    for id in "abcdefgh":
        shop.deliver(shop.library.commit(id, Created(price=Decimal(1), shelf="x")))
    run = shop.sql.inner.run

    def limited(statement, **values):
        if values.get("limit", 0) > 4:
            raise ResultTooLarge("more than 1 MiB")
        return run(statement, **values)

    monkeypatch.setattr(shop.sql, "inner", type("Limited", (), {"run": staticmethod(limited)}))
    page = shop.reader().page(articles, 8, None)
    assert 0 < len(page.rows) < 8
    assert page.next is not None
    rows = [id for id, _ in shop.read_only.rows(articles, ACME, None, 8)]
    assert rows == list("abcdefgh")


def test_over_dynamodb_another_order_is_refused_and_filters_are_answered(shop):
    from tests.consumers.fakes import MemoryViewStore

    views, library = MemoryViewStore(), Library()
    from tests.consumers.library import projector

    for n in range(9):
        library.commit(f"a{n}", Created(price=Decimal(n), shelf="xyz"[n % 3]))
    deliver(projector(library.store, views), published(library.commits))
    reader = ViewReader(views, library.store, ACME, None, 1)
    with pytest.raises(InvalidValue) as caught:
        reader.find(articles, {}, "price", 9, None)
    assert caught.value.field == "order"
    assert [int(row.price) for row in paged(reader, {"shelf": "y"}, None, 2)] == [1, 4, 7]


def test_over_dynamodb_a_request_reads_so_many_rows_and_no_more(monkeypatch):
    from foldstack.aws import views as reading

    from tests.consumers.fakes import MemoryViewStore
    from tests.consumers.library import projector

    monkeypatch.setattr(reading, "_MOST_EXAMINED", 4)
    views, library = MemoryViewStore(), Library()
    for n in range(10):
        library.commit(f"a{n}", Created(price=Decimal(n), shelf="y" if n == 9 else "x"))
    deliver(projector(library.store, views), published(library.commits))
    reader, found, pages, after = ViewReader(views, library.store, ACME, None, 1), [], 0, None
    while pages == 0 or after:
        page = reader.find(articles, {"shelf": "y"}, None, 5, after)
        found, pages, after = [*found, *page.rows], pages + 1, page.next
    assert ([int(row.price) for row in found], pages) == ([9], 3)


def test_the_stream_of_a_token_is_the_tenants_own(shop):
    shop.deliver(shop.library.commit("a", Created(price=Decimal(1), shelf="x"), tenant=ZETA))
    assert shop.reader(tenant=ZETA).page(articles, 9, None).rows
    assert shop.reader(tenant=ACME).page(articles, 9, None).rows == []
    assert shop.read_only.read(articles, stream("a", ACME)) is None
