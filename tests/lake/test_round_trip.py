"""Whatever the values: one schema in every file of a table, and each value comes back as it was."""

import datetime
import string
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
from foldstack.lake.columnar import read, schema_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json, to_jsonable_python

from tests.lake.domain import Colour, Everything, Money, Rank
from tests.lake.support import ACME, TABLES, Bucket, Parked, envelope, read_view, writer

EVERYTHING = TABLES["event_everything"]
texts = st.text(st.characters(codec="utf-8"))
decimals = st.decimals(-(10**29) + 1, 10**29 - 1, places=9, allow_nan=False, allow_infinity=False)
prices = st.decimals(-(10**10) + 1, 10**10 - 1, places=2, allow_nan=False, allow_infinity=False)
FIRST = datetime.datetime(1, 1, 3)  # noqa: DTZ001 (hypothesis adds the zone)
LAST = datetime.datetime(9999, 12, 29)  # noqa: DTZ001
moments = st.datetimes(FIRST, LAST, timezones=st.just(datetime.UTC))
money = st.builds(Money, amount=decimals, currency=texts)
everything = st.builds(
    Everything,
    text=texts,
    whole=st.integers(-(2**63), 2**63 - 1),
    yes=st.none() | st.booleans(),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    exact=decimals,
    price=prices,
    at=moments,
    on=st.dates(),
    who=st.uuids(),
    lasts=st.timedeltas(),
    colour=st.sampled_from(Colour),
    rank=st.sampled_from(Rank),
    status=st.sampled_from(["open", "closed", None]),
    tags=st.lists(texts, max_size=3),
    amounts=st.lists(st.none() | decimals, max_size=3).map(tuple),
    sums=st.dictionaries(texts, decimals, max_size=3),
    money=money,
    maybe=st.none() | money,
    lines=st.lists(st.none() | money, max_size=3),
    nested=st.dictionaries(texts, st.lists(money, max_size=2), max_size=2),
    anything=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters), inner, max_size=3),
        max_leaves=5,
    ),
    type=texts,
)
PLAIN = Everything(
    text="a",
    whole=1,
    yes=True,
    ratio=1.5,
    exact=Decimal("19.99"),
    price=Decimal("19.99"),
    at=datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC),
    on=datetime.date(2026, 11, 20),
    who="12345678123456781234567812345678",
    lasts=datetime.timedelta(seconds=1),
    colour=Colour.RED,
    rank=Rank.SECOND,
    status="open",
    tags=["x"],
    amounts=(Decimal(1),),
    sums={"a": Decimal(1)},
    money=Money(),
    maybe=None,
    lines=[],
    nested={},
    anything=None,
)
EMPTY: dict[str, Any] = {"yes": None, "status": None, "tags": [], "amounts": (), "sums": {}, "lines": [None]}
EXTREMES: list[dict[str, Any]] = [
    {"whole": 2**53 + 1, "exact": Decimal("19.99"), "ratio": 1e-7, "yes": None},
    {"whole": -(2**63), "exact": Decimal("1E-7"), "ratio": 5e-324, "yes": False},
    {"whole": 2**63 - 1, "exact": Decimal("99999999999999999999999999999.999999999"), "ratio": 1.7976931348623157e308},
    {"exact": Decimal("-1E+28"), "price": Decimal("-9999999999.99")},
    {"at": datetime.datetime.max.replace(tzinfo=datetime.UTC)},
    {"at": datetime.datetime(2026, 11, 20, 1, 2, 3, 456789, tzinfo=datetime.timezone(datetime.timedelta(hours=5.5)))},
    {"text": "👩‍👩‍👧 \x00 \u202e ä", "tags": ["", "🏴‍☠️"], "sums": {"": Decimal(0), "🙂": Decimal("0.000000001")}},
    {"text": "x" * 300_000, "tags": ["y" * 300_000]},
    EMPTY,
    {"maybe": Money(amount=Decimal("1E-7")), "lines": [None, Money(), None], "nested": {"a": [], "b": [Money()]}},
    {"anything": {"deep": [1, {"er": None}], "🙂": 2**60}, "type": "not the event's"},
]  # fmt: skip


def written(events: list[Everything]) -> Bucket:
    bucket, parked = Bucket(), Parked()
    stored = [("Everything", 1, from_json(event.model_dump_json(round_trip=True))) for event in events]
    writer(bucket, parked).write([envelope("a", *stored)])
    assert parked == []
    return bucket


def as_read(value: Any) -> Any:
    """A model's value as its column gives it: text where JSON has text, and pairs for a map."""
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency}
    if isinstance(value, dict):
        return [(key, as_read(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return [as_read(each) for each in value]
    if isinstance(value, Rank):
        return int(value)
    if isinstance(value, str | bool | int | float | Decimal | datetime.date | None):
        return value
    return to_jsonable_python(value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(everything, min_size=1, max_size=4))
@example([PLAIN.model_copy(update=extreme) for extreme in EXTREMES])
@example([PLAIN.model_copy(update=EMPTY)])
def test_every_value_comes_back_as_it_was(events):
    rows = read_view(written(events), EVERYTHING)
    assert len(rows) == len(events)
    for event, row in zip(events, rows, strict=True):
        for column in EVERYTHING.payload:
            given_, found = getattr(event, column.field), row[column.name]
            if column.field == "anything":
                assert (None if found is None else from_json(found)) == given_
            else:
                assert found == as_read(given_), column.name


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(everything, min_size=1, max_size=3))
@example([PLAIN.model_copy(update=EMPTY)])
@example([PLAIN])
def test_every_file_of_a_table_has_one_schema(events):
    for name in ("event_everything", "events"):
        files = written(events).files(TABLES[name])
        assert [read(content).schema for content in files.values()] == [schema_of(TABLES[name])]


def test_the_envelope_keeps_the_data_as_it_was_stored():
    (row,) = read_view(written([PLAIN]), TABLES["events"])
    assert from_json(row["data"]) == from_json(PLAIN.model_dump_json())
    assert (row["stream"], row["version"], row["type"], row["schema"]) == ("account#a", 1, "Everything", 1)
    assert (row["tenant"], row["correlation"], row["causation"]) == (ACME, "correlation", "causation")
    assert row["at"] == datetime.datetime(2026, 11, 20, 15, 0, 0, 123456, datetime.UTC)


def test_a_file_has_statistics_for_every_column_that_can(tmp_path):
    (content,) = written([PLAIN]).files(EVERYTHING).values()
    path = tmp_path / "file.parquet"
    path.write_bytes(content)
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    for name in ("stream", "version", "at", "whole", "exact", "on", "text"):
        assert columns[name].statistics.has_min_max, name


@pytest.mark.parametrize("name", ["event_everything", "events", "accounts"])
def test_the_columns_are_those_that_the_catalogue_is_told(name):
    assert schema_of(TABLES[name]).names == [column for column, _ in TABLES[name].athena_columns]
