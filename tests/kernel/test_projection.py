"""Rows fed by one stream: which commits apply, what they make, and what a row adds to totals."""

import random
from decimal import Decimal

import pytest
from foldstack import DefinitionError, Projection, State
from foldstack.kernel.commit import Commit
from foldstack.kernel.projection import difference, step
from foldstack.kernel.store import MemoryCommitStore
from hypothesis import given
from hypothesis import strategies as st

from tests.store.domain import (
    CloseShelf,
    NotePosted,
    OpenShelf,
    PostNote,
    ReturnUnits,
    ShelfClosed,
    ShelfOpened,
    TakeUnit,
    UnitsReturned,
    UnitTaken,
    shelf,
)
from tests.store.support import Sandbox, history, stream_id


class Row(State):
    left: int = 0
    takers: tuple[str, ...] = ()
    at: str = ""


@pytest.fixture
def rows():
    projection = Projection("rows", of=shelf, row=Row)
    projection.on(ShelfOpened)(lambda row, event, meta: Row(left=event.units, at=f"{meta.stream_id}@{meta.version}"))
    projection.on(UnitTaken)(
        lambda row, event, meta: row.model_copy(update={"left": row.left - 1, "takers": (*row.takers, event.by)})
    )
    projection.on(UnitsReturned)(lambda row, event, meta: row.model_copy(update={"left": row.left + event.units}))
    projection.on(ShelfClosed)(lambda row, event, meta: None)
    return projection


def written(seed: int, *, close: bool = False) -> list[Commit]:
    """A history with many commits that are none of the projection's business."""
    rng = random.Random(seed)
    store = MemoryCommitStore()
    sandbox = Sandbox(store)
    sandbox.done(OpenShelf(shelf="s", units=99))
    for n in range(30):
        sandbox.done(
            rng.choice([PostNote(shelf="s", text="n"), TakeUnit(shelf="s", by=str(n)), ReturnUnits(shelf="s", units=n)])
        )
    if close:
        sandbox.done(CloseShelf(shelf="s"))
    return history(store, stream_id("s"))


def fold(projection, commits):
    row = None
    for commit in commits:
        row = projection.apply(row, commit.stored, commit.stream.id, commit.time)
    return row


@pytest.mark.parametrize(
    ("cursor", "previous", "next", "what"),
    [
        (None, 1, 2, "apply"),
        (None, 1, 9, "apply"),
        (None, 2, 3, "heal"),
        (5, 1, 5, "duplicate"),
        (5, 4, 4, "duplicate"),
        (5, 5, 6, "apply"),
        (5, 3, 9, "apply"),
        (5, 6, 9, "heal"),
        (5, 9, 5, "duplicate"),
        (1, 1, 2, "apply"),
    ],
)
def test_the_step(cursor, previous, next, what):
    assert step(cursor, previous, next) == what


def deliver(projection, commits, messages):
    """A consumer by the rules: the row and cursor after the messages, and how often it read the store."""
    types = projection.stored_types
    row, cursor, heals = None, None, 0
    for commit in messages:
        match step(cursor, commit.previous(types), commit.next):
            case "apply":
                row, cursor = projection.apply(row, commit.stored, "s", commit.time), commit.next
            case "heal":
                heals += 1
                behind = [c for c in commits if c.first >= (cursor or 1)]
                row = fold_onto(projection, row, behind)
                cursor = behind[-1].next
    return row, heals


def fold_onto(projection, row, commits):
    for commit in commits:
        row = projection.apply(row, commit.stored, "s", commit.time)
    return row


@pytest.mark.parametrize("close", [False, True])
def test_in_order_and_filtered_nothing_is_healed(rows, close):
    """`prev` names the last event of the consumer's own types: what the filter left out is no gap."""
    commits = written(1, close=close)
    wanted = [c for c in commits if rows.stored_types & set(c.types)]
    assert len(wanted) < len(commits)
    assert deliver(rows, commits, wanted) == (fold(rows, commits), 0)
    assert (fold(rows, commits) is None) == close


@pytest.mark.parametrize("seed", range(200))
def test_shuffled_and_repeated_the_row_is_the_fold(rows, seed):
    rng = random.Random(seed)
    commits = written(seed)
    messages = [c for c in commits if rows.stored_types & set(c.types)]
    messages += rng.choices(messages, k=len(messages) // 2)
    rng.shuffle(messages)
    row, _ = deliver(rows, commits, messages)
    assert row == fold(rows, commits)


def test_where_an_event_comes_from(rows):
    assert fold(rows, written(1)).at == "s@1"


def test_a_handler_is_for_events_of_its_aggregate(rows):
    other = Projection("others", of=shelf, row=Row)
    with pytest.raises(DefinitionError, match="is no event of shelf"):
        other.on(type("Foreign", (NotePosted,), {}))(lambda row, event, meta: row)
    with pytest.raises(DefinitionError, match="UnitTaken is handled twice"):
        rows.on(UnitTaken)(lambda row, event, meta: row)


@pytest.mark.parametrize("name", ["", "Products", "my-view", "1st", "a b"])
def test_names_are_identifiers(name):
    with pytest.raises(DefinitionError, match="lower-case identifier"):
        Projection(name, of=shelf, row=Row)


def test_contributions(rows):
    assert not rows.has_totals
    assert rows.contribution(Row(left=3)) == {}
    rows.contributes(lambda row: {"all": {"left": row.left, "shelves": 1}})
    assert rows.has_totals
    assert rows.contribution(Row(left=3)) == {"all": {"left": 3, "shelves": 1}}
    assert rows.contribution(None) == {}
    with pytest.raises(DefinitionError, match="declared twice"):
        rows.contributes(lambda row: {})


numbers = st.integers(-50, 50) | st.decimals(-50, 50, places=2)
contributions = st.dictionaries(
    st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), numbers, max_size=3), max_size=3
)


def added(total, changes):
    result = {key: dict(fields) for key, fields in total.items()}
    for key, fields in changes.items():
        for name, number in fields.items():
            result.setdefault(key, {})[name] = result.get(key, {}).get(name, 0) + number
    return {k: {n: v for n, v in f.items() if v} for k, f in result.items() if any(f.values())}


@given(contributions, contributions)
def test_the_difference_leads_from_one_contribution_to_the_other(before, after):
    changes = difference(before, after)
    assert added(before, changes) == added(after, {})
    assert all(value for fields in changes.values() for value in fields.values()), "nothing that changes nothing"
    assert difference(after, after) == {}
    assert list(changes) == sorted(changes)


def test_a_move_from_one_total_to_another():
    assert difference({"red": {"n": 1, "sum": Decimal("2.50")}}, {"blue": {"n": 1, "sum": Decimal("3")}}) == {
        "blue": {"n": 1, "sum": Decimal("3")},
        "red": {"n": -1, "sum": Decimal("-2.50")},
    }
