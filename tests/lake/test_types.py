"""Columns come from models, and what has none is refused with the field's path and a way out."""

import datetime
import enum
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from foldstack import DefinitionError, Event, State
from foldstack.lake.types import columns_of
from pydantic import BaseModel, Field


class Colour(enum.Enum):
    RED = "red"


class Rank(enum.IntEnum):
    FIRST = 1


class Money(State):
    amount: Decimal = Decimal(0)
    currency: str = "EUR"


class Everything(Event):
    text: str
    who: uuid.UUID
    lasts: datetime.timedelta
    colour: Colour
    status: Literal["open", "closed"] | None = None
    rank: Rank
    count: Annotated[int, Field(ge=0)]
    yes: bool | None
    ratio: float
    amount: Decimal
    price: Decimal = Field(max_digits=12, decimal_places=2)
    maybe: Annotated[Decimal, Field(max_digits=5, decimal_places=4)] | None = None
    at: datetime.datetime
    on: datetime.date
    tags: tuple[str, ...]
    sums: dict[str, Decimal]
    money: Money
    lines: list[Money | None]
    anything: Any = Field(default=None, json_schema_extra={"lake": "json"})


def test_each_type_has_its_column():
    assert {column.name: column.athena for column in columns_of(Everything)} == {
        "text": "string",
        "who": "string",
        "lasts": "string",
        "colour": "string",
        "status": "string",
        "rank": "bigint",
        "count": "bigint",
        "yes": "boolean",
        "ratio": "double",
        "amount": "decimal(38,9)",
        "price": "decimal(12,2)",
        "maybe": "decimal(5,4)",
        "at": "timestamp",
        "on": "date",
        "tags": "array<string>",
        "sums": "map<string,decimal(38,9)>",
        "money": "struct<amount:decimal(38,9),currency:string>",
        "lines": "array<struct<amount:decimal(38,9),currency:string>>",
        "anything": "string",
    }


def test_columns_keep_the_order_of_the_fields():
    assert [column.name for column in columns_of(Everything)] == list(Everything.model_fields)


def test_a_field_that_is_called_as_a_shared_column_is_called_otherwise():
    class Typed(Event):
        type: str
        size: int

    assert [(c.name, c.field) for c in columns_of(Typed, frozenset({"type"}))] == [
        ("data_type", "type"),
        ("size", "size"),
    ]


class Node(State):
    children: tuple["Node", ...] = ()


class Empty(State):
    pass


def having(annotation: Any) -> type[BaseModel]:
    return type("Fact", (Event,), {"__annotations__": {"field": annotation}})


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (Any, "no column holds it"),
        (int | str, "a column has one type"),
        (Literal["a", 1], "its values are of several types"),
        (dict[int, str], "the keys of a map are text"),
        (dict, "say what is in it"),
        (list, "say what is in it"),
        (tuple[int, str], "it has no one type"),
        (Mapping[str, int], "it has no one type"),
        (bytes, "no column holds it"),
        (Empty, "a model without fields"),
        (list[Node], "holds itself"),
        (Annotated[Decimal, Field(max_digits=60)], "1 to 38 digits"),
    ],
)
def test_what_has_no_column_is_refused_where_it_stands(annotation, why):
    with pytest.raises(DefinitionError, match=why) as refused:
        columns_of(having(annotation))
    assert str(refused.value).startswith("Fact.field")


def test_a_refusal_names_the_way_out():
    with pytest.raises(DefinitionError, match=r'json_schema_extra=\{"lake": "json"\}'):
        columns_of(having(int | str))


def test_a_name_that_athena_would_change_is_refused():
    class Camel(Event):
        productId: str

    with pytest.raises(DefinitionError, match=r"Camel\.productId: .*rename it"):
        columns_of(Camel)


def test_a_word_that_the_lake_does_not_know_is_refused():
    class Odd(Event):
        field: Any = Field(json_schema_extra={"lake": "jsn"})

    with pytest.raises(DefinitionError, match="it may say"):
        columns_of(Odd)
