"""Rows in DynamoDB, many at a time: what a batch of them does is what single writes would do, in fewer requests."""

import random
from decimal import Decimal
from typing import Any

import pytest
from foldstack.aws import view_rows
from foldstack.aws.view_batches import DynamoViewBatches
from foldstack.aws.view_rows import LeadRow, Parked, Skipped
from foldstack.aws.view_store import RowWrite
from foldstack.kernel.errors import StoreThrottled

from .conftest import Tables
from .domain import ArticleRow, articles
from .fakes import MemoryViewStore, Watched
from .library import TENANTS, stream

pytestmark = pytest.mark.emulator
ROW = view_rows.row_of(ArticleRow(price=Decimal("19.90"), shelf="x"))
OTHER = view_rows.row_of(ArticleRow(price=Decimal("0.10"), shelf='"quoted" \'ş?'))
PARKED = Parked(3, "because", "t")


def lead(cursor: int = 2, row: Any = ROW, **more: Any) -> LeadRow:
    return LeadRow(cursor, more.pop("epoch", 1), row, more.pop("sums", {}), **more)


class Batches:
    """`calls` names the requests."""

    def __init__(self, tables: Tables) -> None:
        self.client = Watched(tables.dynamodb)
        self.views = DynamoViewBatches(self.client, tables.of_views)

    @property
    def calls(self) -> list[str]:
        calls = [*self.client.calls]
        self.client.calls.clear()
        return calls


@pytest.fixture
def batches(tables: Tables) -> Batches:
    return Batches(tables)


def test_a_batch_is_read_in_one_request_and_written_in_one_of_25(batches):
    streams = [stream(f"a{n:03}", TENANTS[n % 2]) for n in range(60)]
    assert batches.views.write_many(articles, [RowWrite(each, None, lead(2), {}) for each in streams]) == [True] * 60
    assert batches.calls == ["batch_execute_statement"] * 3
    again = [RowWrite(each, lead(2), lead(3, OTHER), {}) for each in streams]
    assert batches.views.write_many(articles, again) == [True] * 60
    assert batches.calls == ["batch_execute_statement"] * 3
    assert batches.views.read_many(articles, [*streams, stream("none")]) == dict.fromkeys(streams, lead(3, OTHER))
    assert batches.calls == ["batch_get_item"]


def test_one_row_needs_no_batch(batches):
    assert batches.views.read_many(articles, [stream("a")]) == {}
    assert batches.views.write_many(articles, [RowWrite(stream("a"), None, lead(), {})]) == [True]
    assert batches.views.read_many(articles, [stream("a")]) == {stream("a"): lead()}
    assert batches.calls == ["get_item", "put_item", "get_item"]


def test_what_no_statement_can_say_goes_by_itself(batches):
    skipped = lead(3, skipped=(Skipped(2, "jo", "broken", "t"),))
    before = {"a": lead(), "b": lead(parked=PARKED), "c": lead(), "d": skipped, "e": lead(), "f": lead(row=None)}
    after = {"a": lead(3), "b": lead(3), "c": lead(3, None), "d": lead(4), "e": lead(3), "f": lead(3)}
    for id, there in before.items():
        assert batches.views.write(articles, stream(id), None, there, {})
    assert batches.calls == ["put_item"] * 6
    writes = [RowWrite(stream(id), before[id], after[id], {"x": {"articles": 1}} if id == "e" else {}) for id in before]
    assert batches.views.write_many(articles, writes) == [True] * 6
    assert sorted(batches.calls) == [
        "batch_execute_statement",  # of a alone
        "put_item",  # b is parked no more, c is deleted, d has nothing skipped any more, f is there again
        "put_item",
        "put_item",
        "put_item",
        "transact_write_items",  # of e
    ]
    assert batches.views.read_many(articles, [stream(id) for id in after]) == {stream(id): after[id] for id in after}


@pytest.mark.parametrize("read", [None, lead(2), lead(3, epoch=2), lead(3)])
def test_a_statement_fails_on_another_row_than_was_read(batches, read):
    there = lead(3, parked=PARKED)
    assert batches.views.write(articles, stream("a"), None, there, {})
    writes = [RowWrite(stream("a"), read, lead(4), {}), RowWrite(stream("b"), None, lead(), {})]
    assert batches.views.write_many(articles, writes) == [False, True]
    assert batches.views.read(articles, stream("a")) == there


@pytest.mark.parametrize("seed", range(8))
def test_it_does_what_single_writes_would_do(batches, seed):
    rng, memory = random.Random(seed), MemoryViewStore()
    streams = [stream(f"a{n}") for n in range(12)]

    def some() -> LeadRow:
        return lead(
            rng.choice([2, 3]),
            rng.choice([ROW, OTHER, ROW, None]),
            epoch=rng.choice([1, 1, 1, 2]),
            sums=rng.choice([{}, {}, {"x": {"articles": 1}}]),
            parked=rng.choice([None, None, None, PARKED]),
            skipped=rng.choice([(), (), (Skipped(1, "jo", "broken", "t"),)]),
        )

    for _ in range(12):
        writes = []
        for each in rng.sample(streams, 9):
            there = memory.read(articles, each)
            before = there if rng.random() < 0.8 else rng.choice([None, some()])
            writes.append(RowWrite(each, before, some(), rng.choice([{}, {}, {}, {"x": {"articles": 1}}])))
        assert batches.views.write_many(articles, writes) == memory.write_many(articles, writes)
    assert batches.views.read_many(articles, streams) == memory.read_many(articles, streams)
    assert batches.views.totals(articles, TENANTS[0]) == memory.totals(articles, TENANTS[0])


class Answering:
    """Stands for the client: every statement gets its turn of these errors."""

    def __init__(self, *codes: str | None) -> None:
        self._codes = codes

    def batch_execute_statement(self, Statements: list[Any]) -> dict[str, Any]:
        assert len(Statements) == len(self._codes)
        return {"Responses": [{"Error": {"Code": code, "Message": "no"}} if code else {} for code in self._codes]}

    def put_item(self, **_: Any) -> None:
        raise StoreThrottled("not now")


@pytest.mark.parametrize("code", ["ThrottlingError", "InternalServerError", "ProvisionedThroughputExceeded"])
def test_what_was_not_done_now_is_told_of_its_row_alone(code):
    views = DynamoViewBatches(Answering(None, code, None), {"articles": "table"})
    writes = [RowWrite(stream(id), None, lead(), {}) for id in "abc"]
    assert views.write_many(articles, writes) == [True, False, True]
    assert views.write_many(articles, [RowWrite(stream("a"), None, lead(), {})]) == [False]


@pytest.mark.parametrize("code", ["AccessDenied", "ValidationError", "ResourceNotFound"])
def test_what_will_never_be_done_is_an_error(code):
    views = DynamoViewBatches(Answering(None, code), {"articles": "table"})
    with pytest.raises(RuntimeError, match=f"refused a statement: {code}: no"):
        views.write_many(articles, [RowWrite(stream(id), None, lead(), {}) for id in "ab"])
