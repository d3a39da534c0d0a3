"""What travels: an envelope of one commit, the same on every road; and the tokens clients carry."""

import base64
import contextlib
import json

import pytest
from foldstack import InvalidValue, Tenant
from foldstack.kernel import codec
from foldstack.kernel.commit import Commit
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import UndecodableEvent
from foldstack.kernel.keys import StreamId
from foldstack.kernel.token import HEADER, Token
from hypothesis import given
from hypothesis import strategies as st

from tests.store.domain import NotePosted, ShelfClosed

STREAM = StreamId.of(Tenant("acme"), "shelf", "s1")


def commit(**fields):
    about = {
        "next": 9,
        "body": codec.encode([NotePosted(text="hëllo"), ShelfClosed()], {"answer": 1}),
        "types": ("NotePosted", "ShelfClosed"),
        "prev": {"ShelfOpened": 2, "NotePosted": 6},
        "command_id": "c",
        "request_hash": "h",
        "time": "2026-01-01T00:00:00.000Z",
        "epoch": 2,
        "correlation": "corr",
        "causation": "cause",
        "traceparent": "00-1-2-01",
    }
    return Commit(stream=STREAM, first=7, **(about | fields))


def test_it_names_the_reaction_that_made_it_and_nobody_else():
    by_reaction = Envelope.of(commit(actor="reaction:charge"))
    assert by_reaction.to_dict("shop")["reaction"] == "charge"
    assert Envelope.parse(by_reaction.to_dict("shop")).reaction == "charge"
    for actor in ("somebody@example.org", "operator:ann", ""):
        assert "reaction" not in Envelope.of(commit(actor=actor)).to_dict("shop")
        assert actor not in str(Envelope.of(commit(actor=actor)).to_dict("shop")) or not actor


def test_the_document_is_the_contract():
    assert Envelope.of(commit()).to_dict("shop") == {
        "specversion": "1.0",
        "id": "acme#shelf#s1@7",
        "source": "shop",
        "type": "foldstack.commit",
        "subject": "acme#shelf#s1",
        "time": "2026-01-01T00:00:00.000Z",
        "datacontenttype": "application/json",
        "tenant": "acme",
        "first": 7,
        "next": 9,
        "prev": {"ShelfOpened": 2, "NotePosted": 6},
        "epoch": 2,
        "types": ["NotePosted", "ShelfClosed"],
        "correlation": "corr",
        "causation": "cause",
        "traceparent": "00-1-2-01",
        "data": [
            {"type": "NotePosted", "schema": 1, "version": 7, "data": {"text": "hëllo"}},
            {"type": "ShelfClosed", "schema": 1, "version": 8, "data": {}},
        ],
    }


@pytest.mark.parametrize("depth", [0, 16])
@pytest.mark.parametrize("with_events", [True, False])
def test_round_trip_through_json(with_events, depth):
    envelope = Envelope.of(commit(depth=depth), with_events=with_events)
    assert envelope.to_dict("shop").get("depth") == (depth or None), "what nothing led to pays nothing for it"
    document = json.loads(json.dumps(envelope.to_dict("shop")))
    assert Envelope.parse(document) == envelope
    assert ("data" in document) == with_events
    assert document.get("dataref") == (None if with_events else "acme#shelf#s1@7")


def test_what_was_answered_and_by_which_command_does_not_travel():
    document = json.dumps(Envelope.of(commit(command_id="secret-id", request_hash="secret-hash")).to_dict("shop"))
    assert "secret" not in document
    assert "answer" not in document


def test_previous_is_by_the_consumers_types():
    envelope = Envelope.of(commit())
    for types, previous in (
        ({"NotePosted"}, 6),
        ({"ShelfOpened"}, 2),
        ({"ShelfOpened", "NotePosted"}, 6),
        ({"Other"}, 1),
        (set(), 1),
    ):
        assert envelope.previous(frozenset(types)) == commit().previous(frozenset(types)) == previous


def broken(**changes):
    document = Envelope.of(commit()).to_dict("shop")
    for name, value in changes.items():
        if value is None:
            del document[name]
        else:
            document[name] = value
    return document


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        broken(type="other"),
        broken(specversion="0.3"),
        broken(subject="no key"),
        broken(subject="ACME#shelf#x"),
        broken(subject=5),
        broken(first="x"),
        broken(first=float("inf")),
        broken(next=None),
        broken(prev=[]),
        broken(prev={"A": "x"}),
        broken(types=None),
        broken(data=None),
        broken(data=[{"type": "A"}]),
        broken(data=5),
        broken(epoch=[]),
        broken(depth="x"),
    ],
)
def test_what_is_no_envelope(document):
    with pytest.raises(UndecodableEvent, match=r"not a foldstack\.commit envelope"):
        Envelope.parse(document)


# Tokens

tips = st.dictionaries(
    st.tuples(
        st.from_regex(r"[a-z][a-z0-9-]{3,31}", fullmatch=True), st.from_regex(r"[A-Za-z0-9._~-]{1,128}", fullmatch=True)
    ),
    st.integers(1, 2**53 - 1),
    max_size=16,
)


@given(st.integers(1, 1000), tips)
def test_a_token_round_trips_and_fits_a_header(epoch, tips):
    token = Token.of(epoch, tips.items())
    text = token.encode()
    assert text.isascii()
    assert text.replace("-", "a").replace("_", "a").isalnum()
    assert Token.decode(text) == token


def test_the_highest_tip_of_a_stream_counts():
    token = Token.of(1, [(("shelf", "a"), 3), (("shelf", "b"), 9), (("shelf", "a"), 2), (("shelf", "a"), 5)])
    assert token.tips == {("shelf", "a"): 5, ("shelf", "b"): 9}


def test_a_token_of_very_many_streams_is_taken_back():
    longest = [(("c" * 32, f"{n:x>128}"), 2**53 - 1) for n in range(40)]
    token = Token.decode(Token.of(1, longest).encode())
    assert list(token.tips) == [stream for stream, _ in longest[:16]], "those of the command itself come first"


def test_a_token_names_no_tenant():
    text = Token.of(1, [((STREAM.category, STREAM.id), 3)]).encode()
    assert b"acme" not in base64.urlsafe_b64decode(text + "==")


def forged(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "a" * 5000,
        "!!!!",
        forged([]),
        forged({}),
        forged({"a": 1, "b": 2}),
        forged([1]),
        forged([1, 5]),
        forged([1, [5]]),
        forged([1, [["shelf", "a"]]]),
        forged([1, [["shelf", "a", "3"]]]),
        forged([1, [["shelf", "a", 3.0]]]),
        forged([1, [["shelf", "a", True]]]),
        forged([1, [["shelf", "a", 0]]]),
        forged([1, [["shelf", "a", 2**53]]]),
        forged([0, [["shelf", "a", 1]]]),
        forged(["1", [["shelf", "a", 1]]]),
        forged([None, []]),
        forged([1, [["cmd", "a", 1]]]),
        forged([1, [["Shelf", "a", 1]]]),
        forged([1, [["shelf", "a/b", 1]]]),
        forged([1, [[5, "a", 1]]]),
        forged([1, [["shelf", 5, 1]]]),
        forged([1, [["shelf", f"a{n}", 1] for n in range(17)]]),
    ],
)
def test_what_is_no_token_names_the_header(text):
    with pytest.raises(InvalidValue, match=HEADER):
        Token.decode(text)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
def test_no_text_is_worse_than_an_invalid_value(text):
    with contextlib.suppress(InvalidValue):
        Token.decode(text)
