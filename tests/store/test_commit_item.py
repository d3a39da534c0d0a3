"""The item of a commit: its names, its size, and both shapes in which one meets it."""

import base64
import json
import random
import string

import pytest
from foldstack.aws.commit_item import from_item, item_size, to_item
from foldstack.kernel import codec
from foldstack.kernel.commit import Commit, event_id
from foldstack.kernel.idempotency import command_id
from foldstack.kernel.keys import StreamId, Tenant
from hypothesis import given
from hypothesis import strategies as st

from .domain import NotePosted

WRITE_UNIT = 1024


def never(*_):
    raise AssertionError("small enough for the item")


def typical(body: bytes, **fields) -> Commit:
    """Every attribute there is, with ids and traces as long as the handlers make them."""
    stream = StreamId.of(Tenant("a-tenant-with-a-name"), "reservation", command_id("some", "id"))
    about = {
        "types": ("ReservationConfirmed",),
        "prev": {"ReservationBegan": 2, "ReservationConfirmed": 17, "ReservationProlonged": 140},
        "command_id": command_id("x"),
        "request_hash": command_id("y"),
        "time": "2026-01-01T00:00:00.000Z",
        "correlation": "JKJaXmPLvHcESHA=" * 2,
        "causation": event_id(stream, 12345),
        "actor": "reaction:" + "n" * 23,
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "depth": 16,
    }
    return Commit(stream=stream, first=1234, next=1235, body=body, **(about | fields))


def an_event_of(size: int, seed: int = 1) -> NotePosted:
    """Text that deflate gains nothing on beyond its alphabet: 6 bits a letter, denser than any real event."""
    letters = string.ascii_letters + string.digits + "+/"
    text = "".join(random.Random(seed).choices(letters, k=size - len('{"text":""}')))
    event = NotePosted(text=text)
    assert len(event.model_dump_json()) == size
    return event


def test_an_event_of_400_bytes_fits_one_write_unit():
    body = codec.encode([an_event_of(400)], {"id": command_id("z"), "status": "confirmed"})
    item = to_item(typical(body), never)
    assert set(item) == set("psntevihcuadxbr"), "every attribute but snapshot and object key"
    assert item_size(item) <= WRITE_UNIT
    names = dict(zip(item, Commit.__dataclass_fields__, strict=False))
    longer = {names[name]: value for name, value in item.items()}
    assert item_size(longer) - item_size(item) > 80, "what long names would cost"


@pytest.mark.parametrize(
    ("item", "size"),
    [
        # name + UTF-8 bytes
        ({"p": {"S": "abc"}}, 4),
        ({"p": {"S": "ä€"}}, 1 + 5),
        # name + raw bytes
        ({"bb": {"B": b"\x00\xff"}}, 4),
        # name + a byte for two digits + 1
        ({"s": {"N": "1"}}, 3),
        ({"s": {"N": "1234"}}, 4),
        ({"s": {"N": "12345"}}, 5),
        # name + 3, 1 for each element
        ({"t": {"L": []}}, 4),
        ({"t": {"L": [{"S": "ab"}, {"S": "c"}]}}, 4 + 3 + 2),
        ({"v": {"M": {"Ab": {"N": "7"}}}}, 4 + 1 + 2 + 2),
    ],
)
def test_the_size_formula(item, size):
    assert item_size(item) == size


def test_the_formula_agrees_with_the_emulators():
    from ministack.services.dynamodb import _item_size_bytes

    item = to_item(typical(b"x" * 99, snapshot=b"y" * 50), never)
    wire = {name: {"B": base64.b64encode(v["B"]).decode()} if "B" in v else v for name, v in item.items()}
    assert abs(_item_size_bytes(wire) - item_size(item)) <= 4, "numbers may be rounded otherwise"


def test_what_is_empty_is_left_out():
    bare = typical(b"x", prev={}, request_hash="", correlation="", causation="", actor="", traceparent="", depth=0)
    assert set(to_item(bare, never)) == set("psnteidb")


texts = st.text(max_size=20)
commits = st.builds(
    Commit,
    stream=st.builds(
        StreamId,
        st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True).map(Tenant),
        st.from_regex(r"[a-z][a-z0-9-]{3,10}", fullmatch=True),
        st.from_regex(r"[A-Za-z0-9._~-]{1,128}", fullmatch=True),
    ),
    first=st.integers(1, 2**53),
    next=st.integers(2, 2**53),
    body=st.binary(min_size=1, max_size=50),
    types=st.lists(texts, min_size=1, max_size=4).map(tuple),
    prev=st.dictionaries(texts, st.integers(1, 2**53), max_size=4),
    command_id=texts,
    request_hash=texts,
    time=texts,
    epoch=st.integers(1, 99),
    correlation=texts,
    causation=texts,
    actor=texts,
    traceparent=texts,
    depth=st.integers(0, 16),
    snapshot=st.none() | st.binary(min_size=1, max_size=50),
)


@given(commits)
def test_round_trip(commit):
    assert from_item(to_item(commit, never), never) == commit


@given(commits)
def test_round_trip_through_a_streams_record(commit):
    """Lambda is given the record as JSON, with bytes in base64."""
    item = to_item(commit, never)
    record = json.loads(json.dumps(item, default=lambda data: base64.b64encode(data).decode()))
    assert from_item(record, never) == commit
