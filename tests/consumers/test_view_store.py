"""The port of views: DynamoDB, and the dicts that stand for it in tests, do the same."""

import random
import threading
from decimal import Decimal

import pytest
from foldstack.aws import view_rows
from foldstack.aws.view_rows import LeadRow, Parked, Skipped
from foldstack.kernel.errors import DefinitionError
from foldstack.kernel.projection import Projection

from .domain import ArticleRow, article, articles, trails
from .library import TENANTS, Library, assert_equals_fold, deliver, projector, published, stream

ROW = view_rows.row_of(ArticleRow(price=Decimal("19.90"), shelf="x", weight=0.25))
A = stream("a")


def lead(cursor: int, epoch: int = 1, row=ROW, sums=None, **more) -> LeadRow:
    return LeadRow(cursor, epoch, row, sums or {}, **more)


def test_keys_are_those_of_the_contract():
    assert view_rows.partition(articles, TENANTS[0]) == "acme#articles#1.1"
    assert view_rows.totals_partition(trails, TENANTS[0]) == "acme#trails#2.1#totals"


def test_a_row_comes_back_as_it_was_written(views):
    written = lead(
        3,
        sums={"x": {"worth": Decimal("19.9"), "articles": 1}},
        parked=Parked(3, "because", "2026-01-01T00:00:00Z"),
        skipped=(Skipped(1, "jo", "broken", "2026-01-01T00:00:00Z"),),
    )
    assert views.read(articles, A) is None
    assert views.write(articles, A, None, written, {})
    assert views.read(articles, A) == written
    model = view_rows.model_of(articles, views.read(articles, A).row)
    assert model == ArticleRow(price=Decimal("19.90"), shelf="x", weight=0.25)
    assert str(model.price) == "19.90", "money keeps its digits"
    assert views.read(trails, A) is None
    assert views.read(articles, stream("a", TENANTS[1])) is None


@pytest.mark.parametrize(
    "read", [None, lead(2), lead(3, epoch=2), lead(3, parked=Parked(3, "other", "t")), lead(3, parked=None)]
)
def test_a_write_fails_on_another_row_than_was_read(views, read):
    there = lead(3, parked=Parked(3, "because", "t"))
    assert views.write(articles, A, None, there, {})
    assert not views.write(articles, A, read, lead(4), {})
    assert not views.write(articles, A, read, lead(4), {"x": {"articles": 1}})
    assert views.read(articles, A) == there
    assert views.totals(articles, TENANTS[0]) == {}
    assert views.write(articles, A, there, lead(4), {})


def test_totals_are_summed_over_shards(views):
    before = None
    for n in range(30):
        after = lead(n + 2)
        assert views.write(articles, A, before, after, {"x": {"worth": Decimal("0.10"), "articles": 1}})
        before = after
    assert views.write(articles, A, before, lead(40), {"x#1": {"articles": 5}, "y": {"articles": 1}})
    assert views.write(articles, A, lead(40), lead(41), {"y": {"articles": -1}})
    expected = {"x": {"articles": 30, "worth": Decimal("3.00")}, "x#1": {"articles": 5}}
    assert views.totals(articles, TENANTS[0], consistent=True) == expected
    assert views.totals(articles, TENANTS[0], "x") == {"x": expected["x"]}
    assert views.totals(articles, TENANTS[0], "y") == {}
    assert views.totals(articles, TENANTS[1]) == {}


def test_rows_come_by_id_without_tombstones(views):
    for n in range(60):
        assert views.write(articles, stream(f"a{n:02}"), None, lead(2, row=None if n % 3 else ROW), {})
    assert views.write(articles, stream("b", TENANTS[1]), None, lead(2), {})
    alive = [f"a{n:02}" for n in range(0, 60, 3)]
    assert [id for id, _ in views.rows(articles, TENANTS[0], None, 2)] == alive
    assert [id for id, _ in views.rows(articles, TENANTS[0], "a29", 2)] == [id for id in alive if id > "a29"]


def test_rows_of_another_epoch_are_found(views):
    views.write(articles, A, None, lead(2, epoch=1), {"x": {"articles": 1}})
    views.write(articles, stream("b", TENANTS[1]), None, lead(2, epoch=2), {})
    views.keep_position("0/1", {"phase": "commits", "after": {"p": {"S": "x"}}})
    found = views.scan(articles, 2, None)
    assert [(row.tenant, row.id, row.lead.cursor) for row in found.rows] == [(TENANTS[0], "a", 2)]
    assert found.after is None
    assert views.position("0/1") == {"phase": "commits", "after": {"p": {"S": "x"}}}
    views.keep_position("0/1", None)
    assert views.position("0/1") is None


@pytest.mark.emulator
def test_a_view_without_a_table_names_those_there_are(tables):
    other = Projection("others", of=article, row=ArticleRow)
    with pytest.raises(DefinitionError, match=r"others.*articles, trails"):
        tables.views().read(other, A)


@pytest.mark.emulator
def test_projectors_on_dynamodb_race_to_the_fold(tables):
    """Real threads on the emulator: conditions, transactions and their conflicts are DynamoDB's."""
    library = Library().grow(random.Random(7), streams=4, commits=12)
    envelopes = published(library.commits, random.Random(8)) * 2
    random.Random(9).shuffle(envelopes)
    faults = []

    def consume(mine: list) -> None:
        to = projector(library.store, tables.views(), seed=len(mine))
        for n in range(0, len(mine), 3):
            try:
                deliver(to, mine[n : n + 3])
            except BaseException as fault:
                faults.append(fault)
                raise

    threads = [threading.Thread(target=consume, args=(envelopes[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert_equals_fold(tables.views(), library.store)
