"""Declaring a decider, and the specification of one: given, when, then."""

import pytest
from foldstack import Aggregate, Command, DefinitionError, Event, InvalidValue, Rejection, State, given

from tests.store.domain import (
    CloseShelf,
    OpenShelf,
    ReturnUnits,
    Shelf,
    ShelfClosed,
    ShelfCounted,
    ShelfOpened,
    TakeUnit,
    UnitsReturned,
    UnitTaken,
    shelf,
)


def test_a_specification_of_events():
    given(shelf, ShelfOpened(units=1)).when(TakeUnit(shelf="s", by="me")).then(UnitTaken(by="me")).then_state(left=0)
    given(shelf).when(OpenShelf(shelf="s", units=2)).then(ShelfOpened(units=2))


def test_a_specification_of_several_events_and_of_none():
    opened = given(shelf, ShelfOpened(units=1))
    opened.when(ReturnUnits(shelf="s", units=2)).then(UnitsReturned(units=2), ShelfCounted(left=3))
    given(shelf, ShelfOpened(units=1), ShelfClosed()).when(CloseShelf(shelf="s")).then()


def test_a_specification_of_a_rejection():
    rejection = given(shelf).when(TakeUnit(shelf="s", by="me")).then_rejected("no-shelf")
    assert rejection.kind == "not-found"


def test_a_specification_that_does_not_hold_fails():
    when = given(shelf, ShelfOpened(units=1)).when(TakeUnit(shelf="s", by="me"))
    for wrong in (
        lambda: when.then(),
        lambda: when.then(UnitTaken(by="you")),
        lambda: when.then(UnitTaken(by="me"), UnitTaken(by="me")),
        lambda: when.then_rejected("none-left"),
        lambda: when.then_state(left=5),
        lambda: given(shelf).when(TakeUnit(shelf="s", by="me")).then(UnitTaken(by="me")),
        lambda: given(shelf).when(TakeUnit(shelf="s", by="me")).then_rejected("none-left"),
        lambda: given(shelf).when(TakeUnit(shelf="s", by="me")).then_state(left=0),
    ):
        with pytest.raises(AssertionError, match="expected"):
            wrong()


class Ping(Command):
    id: str


class Ponged(Event):
    pass


class Unheard(Event):
    pass


class Empty(State):
    pass


@pytest.fixture
def table():
    return Aggregate("table", Empty)


def test_what_is_declared_twice_is_refused(table):
    table.decides(Ping, by="id")(lambda command, state: None)
    with pytest.raises(DefinitionError, match="Ping is decided twice"):
        table.decides(Ping, by="id")(lambda command, state: None)
    table.evolves(Ponged)(lambda state, event: state)
    with pytest.raises(DefinitionError, match="Ponged is evolved twice"):
        table.evolves(Ponged)(lambda state, event: state)


def test_a_command_names_its_stream_by_a_field(table):
    with pytest.raises(DefinitionError, match="Ping has no field 'stream'"):
        table.decides(Ping, by="stream")(lambda command, state: None)


def test_an_event_that_nothing_evolves_is_never_stored(table):
    table.decides(Ping, by="id")(lambda command, state: Unheard())
    with pytest.raises(DefinitionError, match="no evolve for Unheard"):
        table.decide(Ping(id="x"), Empty())


def test_a_command_of_another_aggregate_is_refused(table):
    with pytest.raises(DefinitionError, match="table does not decide Ping"):
        table.decide(Ping(id="x"), Empty())


@pytest.mark.parametrize("category", ["", "Table", "1st", "a_b", "a#b", "x" * 33, "cmd", "sys", "cur"])
def test_a_category_keeps_the_grammar(category):
    with pytest.raises(InvalidValue):
        Aggregate(category, Empty)


def test_a_state_has_a_default_for_every_field():
    class NoDefault(State):
        name: str

    with pytest.raises(Exception, match="name"):
        Aggregate("no-default", NoDefault)


@pytest.mark.parametrize("decision", [None, (), []])
def test_every_way_to_decide_nothing(table, decision):
    table.decides(Ping, by="id")(lambda command, state: decision)
    assert table.decide(Ping(id="x"), Empty()) == ()


@pytest.mark.parametrize("decision", [Ponged(), [Ponged()], (Ponged(),), Rejection("no", "no")])
def test_every_way_to_decide_something(table, decision):
    table.evolves(Ponged)(lambda state, event: state)
    table.decides(Ping, by="id")(lambda command, state: decision)
    decided = table.decide(Ping(id="x"), Empty())
    assert decided == (decision if isinstance(decision, Rejection) else (Ponged(),))


def test_the_fold_starts_anywhere():
    events = [ShelfOpened(units=3), UnitTaken(by="a"), UnitTaken(by="b")]
    assert shelf.fold(events[1:], shelf.fold(events[:1])) == shelf.fold(events)
    assert shelf.fold([]) == Shelf()
