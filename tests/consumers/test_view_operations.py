"""The port of views as operators have it: DynamoDB, and the dicts that stand for it in tests, do the same."""

import random
from decimal import Decimal

from foldstack.aws import view_rows
from foldstack.aws.view_operations import _fitting, generation_of
from foldstack.aws.view_rows import LeadRow, Parked
from foldstack.aws.view_store import RowWrite
from foldstack.kernel.generations import Control, Rebuilding

from .domain import ArticleRow, TrailRow, articles, trails
from .library import TENANTS, stream

ACME, ZETA = TENANTS
ROW = view_rows.row_of(ArticleRow(price=Decimal("19.90"), shelf="x"))
GREEN = articles.in_generation(2)
A = stream("a")


def lead(cursor: int = 2, row=ROW, **more) -> LeadRow:
    return LeadRow(cursor, 1, row, more.pop("sums", {}), **more)


def pages(views, generation, **more):
    after, found = None, []
    while True:
        page = views.leads(generation, after, **more)
        found += page.rows
        after = page.after
        if after is None:
            return found


def test_generations_are_kept_apart(views):
    assert views.write(articles, A, None, lead(2), {"x": {"articles": 1}})
    assert views.read(GREEN, A) is None
    assert views.write(GREEN, A, None, lead(3), {"x": {"articles": 5}})
    assert (views.read(articles, A).cursor, views.read(GREEN, A).cursor) == (2, 3)
    assert views.totals(articles, ACME) == {"x": {"articles": 1}}
    assert views.totals(GREEN, ACME) == {"x": {"articles": 5}}
    assert [[id for id, _ in views.rows(each, ACME, None, 9)] for each in (articles, GREEN)] == [["a"], ["a"]]
    assert [row.lead.cursor for row in views.scan(GREEN, 9, None).rows] == [3]


def test_the_state_of_a_view_is_put_by_one_at_a_time(views):
    assert views.control(articles) == Control()
    begun = Control().begin(Rebuilding("me", 1, "code", ({}, None, {"p": {"S": "x"}}), 7, 9), 123.5)
    assert views.keep_control(articles, Control(), begun)
    assert views.control(articles) == begun
    assert views.control(articles, consistent=False) == begun
    assert not views.keep_control(articles, Control(), begun), "there is one by now"
    built = begun.built()
    assert views.keep_control(articles, begun, built)
    assert not views.keep_control(articles, begun, begun.retire(1.0))
    assert views.control(articles) == built
    assert views.control(trails) == Control()


def test_the_state_is_no_row(views):
    views.keep_control(articles, Control(), Control().begin(Rebuilding("me", 1, "code", ({},)), 1.0))
    assert pages(views, articles) == []
    assert views.scan(articles, 9, None).rows == []
    assert views.remove(articles, (), 9)[0] == 0


def test_many_rows_are_read_and_written(views):
    streams = [stream(f"a{n:03}", TENANTS[n % 2]) for n in range(230)]
    writes = [
        RowWrite(each, None, lead(2), {"all": {"articles": 1}, each.id: {"worth": n}}) for n, each in enumerate(streams)
    ]
    assert views.write_many(articles, writes) == [True] * 230
    found = views.read_many(articles, [*streams, stream("other")])
    assert found == dict.fromkeys(streams, lead(2))
    assert views.totals(articles, ACME, consistent=True)["all"] == {"articles": 115}
    assert views.totals(articles, ZETA, "a001", consistent=True) == {"a001": {"worth": 1}}
    assert len(pages(views, articles)) == 230


def test_writes_that_lost_are_left_out_and_the_others_done(views):
    streams = [stream(f"a{n}") for n in range(9)]
    assert views.write(articles, streams[3], None, lead(7), {})
    assert views.write(articles, streams[5], None, lead(2), {})
    writes = [RowWrite(each, None, lead(3), {"all": {"articles": 1}}) for each in streams]
    writes[5] = writes[5]._replace(before=lead(2))
    assert views.write_many(articles, writes) == [n != 3 for n in range(9)]
    assert views.read(articles, streams[3]) == lead(7)
    assert views.totals(articles, ACME, consistent=True) == {"all": {"articles": 8}}


def test_changes_that_cancel_each_other_are_none(views):
    writes = [
        RowWrite(stream("a"), None, lead(), {"x": {"n": 1}}),
        RowWrite(stream("b"), None, lead(), {"x": {"n": -1}}),
    ]
    assert views.write_many(articles, writes) == [True, True]
    assert views.totals(articles, ACME, consistent=True) == {}


def test_parked_rows_are_found_in_their_generation(views):
    for n in range(7):
        parked = Parked(2, "because", "t") if n in (0, 6) else None
        views.write(articles, stream(f"a{n}"), None, lead(parked=parked), {})
        views.write(GREEN, stream(f"b{n}"), None, lead(parked=Parked(9, "x", "t")), {})
    assert [(row.tenant, row.id, row.lead.parked.first) for row in pages(views, articles, parked=True)] == [
        (ACME, "a0", 2),
        (ACME, "a6", 2),
    ]


def test_what_is_removed_is_of_old_generations_alone(views):
    for number in (1, 2, 3, 4):
        for tenant in TENANTS:
            views.write(articles.in_generation(number), stream("a", tenant), None, lead(), {"x": {"n": 1}})
    other = lead(row=view_rows.row_of(TrailRow()))
    views.write(trails, A, None, other, {})
    removed, after = views.remove(articles, keep=(2,), latest=3)
    assert (removed, after) == (2 * 2 * 2, None)
    left = [n for n in (1, 2, 3, 4) if views.read(articles.in_generation(n), A)]
    assert left == [2, 4], "4 was begun after the look"
    assert views.totals(articles.in_generation(1), ACME, consistent=True) == {}
    assert views.totals(GREEN, ZETA, consistent=True) == {"x": {"n": 1}}
    assert views.read(trails, A) == other


def test_a_transaction_holds_at_most_a_hundred_items():
    rng = random.Random(1)
    writes = [
        RowWrite(stream(f"a{n}"), None, lead(), {f"k{rng.randrange(30)}": {"n": 1} for _ in range(rng.randrange(40))})
        for n in range(300)
    ]
    groups = list(_fitting(writes))
    assert [n for group in groups for n in group] == list(range(300))
    for group in groups:
        assert len(group) + len({key for n in group for key in writes[n].changes}) <= 100
    big = lead(row={"text": {"S": "x" * 390_000}})
    assert [len(group) for group in _fitting([RowWrite(stream(f"a{n}"), None, big, {}) for n in range(20)])] == [
        8,
        8,
        4,
    ]


def test_keys_tell_the_generation():
    assert generation_of(articles, view_rows.partition(articles.in_generation(12), ACME)) == 12
    assert generation_of(articles, view_rows.totals_partition(GREEN, ACME)) == 2
    for other in ("#control", "#sweep", view_rows.partition(trails, ACME), "acme#articles#2.1", "acme#articles#1.1#x"):
        assert generation_of(articles, other) is None
