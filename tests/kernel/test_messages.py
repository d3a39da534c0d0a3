from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Literal

import pytest
from foldstack import Aggregate, Command, DefinitionError, Event, State
from foldstack.kernel import codec, snapshot
from foldstack.kernel.commit import type_names
from foldstack.kernel.snapshot import KnownCommand
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Part(State):
    size: Decimal = Decimal(0)
    tags: tuple[str, ...] = ()


class Everything(Event, version=3):
    """A field of each kind that a domain may use."""

    text: str
    number: int
    real: float
    flag: bool
    money: Decimal
    at: datetime
    day: date
    span: timedelta
    colour: Colour
    kind: Literal["a", "b"]
    maybe: int | None
    names: tuple[str, ...]
    sets: frozenset[int]
    by_name: dict[str, int]
    part: Part


class Renamed(Event, name="old.name"):
    text: str = ""


class Sum(State):
    text: str = ""
    seen: tuple[Everything, ...] = ()


texts = st.text(max_size=20)
everything = st.builds(
    Everything,
    text=texts,
    number=st.integers(-(10**40), 10**40),
    real=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    money=st.decimals(allow_nan=False, allow_infinity=False, places=4),
    at=st.datetimes(timezones=st.just(UTC)),
    day=st.dates(),
    span=st.timedeltas(min_value=timedelta(days=-1000), max_value=timedelta(days=1000)),
    colour=st.sampled_from(Colour),
    kind=st.sampled_from(["a", "b"]),
    maybe=st.none() | st.integers(-5, 5),
    names=st.lists(texts, max_size=3).map(tuple),
    sets=st.frozensets(st.integers(0, 9), max_size=3),
    by_name=st.dictionaries(texts, st.integers(), max_size=3),
    part=st.builds(Part, size=st.decimals(allow_nan=False, allow_infinity=False), tags=st.just(("x",))),
)
results = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

sums = Aggregate("sum", Sum)


@sums.evolves(Everything)
@sums.evolves(Renamed)
def summed(state, event):
    return state


for _version in (1, 2):
    sums.upcasts("Everything", _version)(lambda data: data)


def test_names_and_versions():
    assert (Everything.type_name, Everything.schema_version) == ("Everything", 3)
    assert (Renamed.type_name, Renamed.schema_version) == ("old.name", 1)


def test_messages_are_frozen_and_closed():
    event = Renamed(text="a")
    with pytest.raises(ValidationError):
        event.text = "b"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Renamed(text="a", more=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["a b", "a#b", "a@b", "a|b", 'a"b', "a\\b", "a\nb", "a\x00b"])
def test_a_name_that_keys_or_bytes_could_not_hold_is_refused(name):
    with pytest.raises(DefinitionError, match="a name without"):
        type("Bad", (Event,), {}, name=name)


def test_versions_start_at_one():
    with pytest.raises(DefinitionError):
        type("Bad", (Event,), {}, version=0)


@pytest.mark.parametrize("kind", [Event, Command, State])
def test_a_number_that_json_does_not_have_is_refused_before_it_is_stored(kind):
    measured = type("Measured", (kind,), {"__annotations__": {"value": float}, "value": 0.0})
    for value in (float("inf"), float("nan")):
        with pytest.raises(ValidationError):
            measured(value=value)


@given(st.lists(everything | st.builds(Renamed, text=texts), min_size=1, max_size=4), results, st.integers(1, 2**40))
def test_the_codec_round_trips_events_and_result(events, result, first):
    stored, back = codec.decode(codec.encode(events, result), first)
    assert back == result
    assert [s.version for s in stored] == list(range(first, first + len(events)))
    assert [(s.type, s.schema) for s in stored] == [(e.type_name, e.schema_version) for e in events]
    assert [event for s in stored for event in sums.upcasters.decode(s)] == events


def test_a_type_is_named_once_for_many_events():
    one, many = codec.encode([Renamed()]), codec.encode([Renamed()] * 50)
    assert codec.inflate(many).count(b"old.name") == 1
    assert len(many) < len(one) + 60


def test_bodies_are_compressed():
    assert len(codec.encode([Renamed(text="again and " * 100)])) < 100


def test_type_names_are_each_once_in_order():
    everything_like = Renamed()
    assert type_names([everything_like, everything_like]) == ("old.name",)


rings = st.dictionaries(texts, st.builds(KnownCommand, texts, st.integers(1, 2**53)), max_size=5)


@given(st.lists(everything, max_size=2).map(tuple), texts, rings, st.booleans())
def test_a_snapshot_round_trips(seen, text, ring, over):
    state = Sum(text=text, seen=seen)
    taken = snapshot.decode(snapshot.encode("f" * 16, state, ring, over))
    assert (taken.fingerprint, taken.over) == ("f" * 16, over)
    assert list(taken.ring.items()) == list(ring.items()), "the order is what evicts"
    assert Sum.__pydantic_validator__.validate_python(taken.state, strict=False) == state
