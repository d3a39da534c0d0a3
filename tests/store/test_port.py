"""The conformance suite of the store's own methods: one behaviour, whichever store."""

from dataclasses import replace

import pytest
from foldstack.kernel import codec
from foldstack.kernel.commit import Commit
from foldstack.kernel.keys import Tenant
from foldstack.kernel.store import IdRow

from .domain import NotePosted
from .support import new_id, stream_id

BODY = codec.encode([NotePosted(text="hello")], {"answer": 1})


@pytest.fixture
def stream():
    return stream_id(new_id())


def commit(stream, first=1, command_id="c1", **fields):
    about = {
        "next": first + 1,
        "body": BODY,
        "types": ("NotePosted",),
        "prev": {} if first == 1 else {"NotePosted": first},
        "request_hash": "h",
        "time": "2026-01-01T00:00:00.000Z",
    }
    return Commit(stream=stream, first=first, command_id=command_id, **(about | fields))


def fill(store, stream, count):
    made = [commit(stream, n, f"c{n}") for n in range(1, count + 1)]
    for each in made:
        assert store.append(each) is None
    return made


def test_append_keeps_every_field(store, stream):
    full = commit(
        stream,
        epoch=3,
        correlation="corr",
        causation="cause",
        actor="someone",
        traceparent="00-1-2-01",
        snapshot=b"snap\x00\xff",
        prev={"A": 7, "B": 12345678901},
    )
    bare = commit(stream, 2, "c2", request_hash="", prev={})
    assert store.append(full) is None
    assert store.append(bare) is None
    assert store.since(stream, 1).commits == [full, bare]
    assert store.newest(stream, 2).commits == [bare, full]


def test_append_answers_what_is_there(store, stream):
    winner = commit(stream, command_id="first", snapshot=b"s")
    assert store.append(winner) is None
    assert store.append(commit(stream, command_id="second")) == winner
    assert store.append(winner) == winner
    assert store.since(stream, 1).commits == [winner]


def test_an_event_inside_a_commit_is_no_version_of_its_own(store, stream):
    """An item at 1 that covers 1 to 3 does not stop a put at 2: the chain must, in the executor."""
    assert store.append(commit(stream, next=4)) is None
    assert store.append(commit(stream, 2)) is None


def test_newest_goes_down_and_since_goes_up(store, stream):
    made = fill(store, stream, 7)
    page = store.newest(stream, 3)
    assert [c.first for c in page.commits] == [7, 6, 5]
    assert page.more
    page = store.newest(stream, 3, before=5)
    assert [c.first for c in page.commits] == [4, 3, 2]
    assert page.more
    page = store.newest(stream, 3, before=2, consistent=True)
    assert page.commits == made[:1]
    assert not page.more
    page = store.since(stream, 3, limit=2)
    assert [c.first for c in page.commits] == [3, 4]
    assert page.more
    page = store.since(stream, 6, consistent=False)
    assert [c.first for c in page.commits] == [6, 7]
    assert not page.more
    assert store.since(stream, 8).commits == []


def test_versions_are_numbers_not_text(store, stream):
    fill(store, stream, 11)
    assert [c.first for c in store.newest(stream, 2).commits] == [11, 10]


def test_streams_do_not_mix(store, stream):
    store.append(commit(stream))
    assert store.newest(stream_id(stream.id, Tenant("other")), 5).commits == []
    assert store.newest(stream_id(stream.id + "x"), 5).commits == []


def test_strict_uses_an_id_up_in_the_whole_tenant(store, stream):
    other = stream_id(new_id())
    mine = f"cmd-{stream.id}"
    assert store.append_strict(commit(stream, command_id=mine)) is None
    assert store.append_strict(commit(other, command_id=mine)) == IdRow(mine, "h", stream, 1)
    assert store.since(other, 1).commits == []
    elsewhere = stream_id(new_id(), Tenant("other"))
    assert store.append_strict(commit(elsewhere, command_id=mine)) is None


def test_strict_and_a_taken_version(store, stream):
    winner = commit(stream, command_id="a" + stream.id)
    store.append(winner)
    assert store.append_strict(commit(stream, command_id="b" + stream.id)) == winner
    other = stream_id(new_id())
    assert store.append_strict(commit(other, command_id="b" + stream.id)) is None, "a lost commit used its id up"


def test_the_identical_strict_put_again_finds_its_own_commit(store, stream):
    mine = commit(stream, command_id="s" + stream.id)
    assert store.append_strict(mine) is None
    assert store.append_strict(mine) == mine
    moved = replace(mine, first=2, next=3)
    assert store.append_strict(moved) == IdRow(mine.command_id, "h", stream, 1)


def test_id_rows_are_kept_for_their_stream(store, stream):
    other = stream_id(new_id())
    rows = [IdRow(f"k{n}", f"h{n}", stream, n) for n in range(1, 61)]
    store.keep_ids(rows)
    store.keep_ids([IdRow("k7", "other", other, 99)])
    store.keep_ids(rows[:30])
    assert [store.find_id(stream, row.command_id) for row in rows] == rows
    assert store.find_id(other, "k7") == IdRow("k7", "other", other, 99)
    assert store.find_id(other, "k8") is None


def test_a_strict_row_and_a_kept_row_do_not_hide_each_other(store, stream):
    other = stream_id(new_id())
    mine = "both" + stream.id
    store.keep_ids([IdRow(mine, "h", other, 5)])
    assert store.append_strict(commit(stream, command_id=mine)) is None
    assert store.find_id(other, mine) == IdRow(mine, "h", other, 5)
    assert store.find_id(stream, mine) is None
    store.keep_ids([IdRow(mine, "h", stream, 1)])
    assert store.append_strict(commit(other, command_id=mine)) == IdRow(mine, "h", stream, 1)
