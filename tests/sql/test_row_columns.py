"""A row model as columns, and back: nothing is lost, and what no column can hold is told before it is sent."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import pytest
from foldstack import DefinitionError, Projection, State
from foldstack.aws import view_rows
from foldstack.aws.sql.row_columns import MOST_BYTES, RowColumns
from foldstack.aws.view_rows import LeadRow
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consumers.domain import article
from tests.consumers.library import stream

from .support import Database


class Colour(StrEnum):
    RED = "red"


class Money(State):
    amount: Decimal = Decimal(0)
    currency: str = "EUR"


class Wide(State):
    id: str
    tenant: str | None
    kind: Literal["a", "b"]
    colour: Colour
    count: int
    maybe: int | None
    flag: bool
    price: Decimal
    ratio: float
    at: datetime
    later: datetime | None
    cost: Money
    rebate: Money | None
    tags: tuple[str, ...]
    holds: dict[str, Money]
    anything: Any


wide = Projection("wide", of=article, row=Wide)


def test_each_field_has_the_column_of_its_kind():
    assert {column.name: (column.kind, column.optional) for column in RowColumns(wide).all} == {
        "row_id": ("text", False),
        "row_tenant": ("text", True),
        "kind": ("text", False),
        "colour": ("text", False),
        "count": ("bigint", False),
        "maybe": ("bigint", True),
        "flag": ("boolean", False),
        "price": ("numeric", False),
        "ratio": ("double", False),
        "at": ("timestamptz", False),
        "later": ("timestamptz", True),
        "cost_amount": ("numeric", False),
        "cost_currency": ("text", False),
        "rebate": ("jsonb", True),
        "tags": ("jsonb", False),
        "holds": ("jsonb", False),
        "anything": ("jsonb", True),
    }


texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40)
moments = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=30))]),
)
amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=4)
money = st.builds(Money, amount=amounts, currency=texts)
rows = st.builds(
    Wide,
    id=texts,
    tenant=st.none() | texts,
    count=st.integers(-(2**63), 2**63 - 1),
    maybe=st.none() | st.integers(-9, 9),
    price=amounts,
    ratio=st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200),
    at=moments,
    later=st.none() | moments,
    cost=money,
    rebate=st.none() | money,
    tags=st.lists(texts, max_size=3).map(tuple),
    holds=st.dictionaries(texts, money, max_size=3),
    anything=st.none() | texts | st.booleans() | st.lists(st.integers(-9, 9), max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(row=rows)
def test_any_row_comes_back_as_it_was_written(database: Database, row: Wide):
    store = database.store([wide])
    plain = view_rows.row_of(row)
    store.check(wide, LeadRow(2, 1, plain, {}))
    assert store.write(wide, stream("a"), None, LeadRow(2, 1, plain, {}), {})
    lead = store.read(wide, stream("a"))
    assert lead is not None
    found = view_rows.model_of(wide, lead.row)
    assert found == row
    assert str(found.price) == str(row.price), "money keeps its digits"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"count": 2**63}, "count must be a whole number of 64 bits"),
        ({"id": "a\0b"}, "id holds the character NUL"),
        ({"tags": ("a\0",)}, "tags holds the character NUL"),
        ({"holds": {"\0": Money()}}, "holds holds the character NUL"),
        ({"at": datetime(2026, 1, 1)}, "at is a time without its zone"),  # noqa: DTZ001 - that is the point
        ({"price": Decimal("1e2000")}, "price has more digits"),
        ({"anything": "x" * MOST_BYTES}, f"the Data API answers {MOST_BYTES}"),
    ],
)
def test_what_no_column_can_hold_is_refused_before_it_is_sent(database: Database, change, told):
    good = Wide.model_construct(
        id="a", tenant=None, kind="a", colour=Colour.RED, count=1, maybe=None, flag=True, price=Decimal(1), ratio=0.5,
        at=datetime(2026, 1, 1, tzinfo=UTC), later=None, cost=Money(), rebate=None, tags=(), holds={}, anything=None,
    )  # fmt: skip
    store = database.store([wide])
    store.check(wide, LeadRow(2, 1, view_rows.row_of(good), {}))
    with pytest.raises(ValueError, match=told):
        store.check(wide, LeadRow(2, 1, view_rows.row_of(good.model_copy(update=change)), {}))


class Clash(State):
    price: Money
    price_amount: int


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(DefinitionError, match="price_amount names two columns"):
        RowColumns(Projection("clash", of=article, row=Clash))


def test_an_index_is_on_a_field_of_a_plain_type():
    with pytest.raises(DefinitionError, match="no field nothing"):
        Projection("wide", of=article, row=Wide, indexed=["nothing"])
    assert RowColumns(wide).of("cost.amount").name == "cost_amount"
    with pytest.raises(DefinitionError, match=r"tags is no column of a plain type; there are id, "):
        RowColumns(wide).of("tags")
