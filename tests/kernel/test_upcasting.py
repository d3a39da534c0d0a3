"""From stored schemas to today's: chains, renames, splits, drops, and what is refused when the module loads."""

import pytest
from foldstack import Aggregate, DefinitionError, Event, Projection, State
from foldstack.kernel.errors import UndecodableEvent
from foldstack.kernel.upcasting import StoredEvent


class Moved(Event, version=3):
    to: str
    by: str


class Arrived(Event):
    place: str


class Left(Event):
    place: str


class Where(State):
    place: str = ""
    moves: int = 0


@pytest.fixture
def where():
    """Moved gained `by`, then `place` became `to`; Travelled was split into Left and Arrived; Noise is dropped."""
    aggregate = Aggregate("where", Where)

    @aggregate.evolves(Moved)
    def moved(state, event):
        return state.model_copy(update={"place": event.to, "moves": state.moves + 1})

    @aggregate.evolves(Arrived)
    @aggregate.evolves(Left)
    def travelled(state, event):
        return state.model_copy(update={"place": f"{type(event).__name__} {event.place}"})

    aggregate.upcasts("Moved", 1)(lambda data: {**data, "by": "nobody"})
    aggregate.upcasts("Moved", 2)(lambda data: {"to": data["place"], "by": data["by"]})
    aggregate.upcasts("Travelled", 1, makes=[Left, Arrived])(
        lambda data: [("Left", 1, {"place": data["from"]}), ("Arrived", 1, {"place": data["to"]})]
    )
    aggregate.upcasts("Noise", 1)(lambda data: None)
    aggregate.check()
    return aggregate


def decode(aggregate, *stored):
    return list(aggregate.upcasters.decode(StoredEvent(*stored)))


def test_a_chain_of_two_steps(where):
    assert decode(where, "Moved", 1, 7, {"place": "here"}) == [Moved(to="here", by="nobody")]
    assert decode(where, "Moved", 2, 7, {"place": "here", "by": "me"}) == [Moved(to="here", by="me")]
    assert decode(where, "Moved", 3, 7, {"to": "here", "by": "me"}) == [Moved(to="here", by="me")]


def test_a_split_and_a_drop(where):
    assert decode(where, "Travelled", 1, 7, {"from": "a", "to": "b"}) == [Left(place="a"), Arrived(place="b")]
    assert decode(where, "Noise", 1, 7, {}) == []


def test_an_unknown_type_or_a_newer_schema_is_poison_not_skipped(where):
    with pytest.raises(UndecodableEvent, match="Strange version 1 at 7: unknown to this code"):
        decode(where, "Strange", 1, 7, {})
    with pytest.raises(UndecodableEvent, match="Moved version 4 at 7: this code knows it up to version 3"):
        decode(where, "Moved", 4, 7, {})


def test_data_that_does_not_fit_its_model_is_poison(where):
    with pytest.raises(UndecodableEvent, match="Moved at 7 does not fit"):
        decode(where, "Moved", 3, 7, {"to": "here"})


def test_what_an_upcaster_makes_must_be_named():
    aggregate = Aggregate("where", Where)
    aggregate.evolves(Arrived)(lambda state, event: state)
    aggregate.upcasts("Old", 1)(lambda data: [("Arrived", 1, {"place": "x"})])
    with pytest.raises(UndecodableEvent, match="name it in `makes`"):
        decode(aggregate, "Old", 1, 1, {})


def test_sources_are_all_stored_names_behind_an_event(where):
    assert where.upcasters.sources(frozenset({"Arrived"})) == {"Arrived", "Travelled"}
    assert where.upcasters.sources(frozenset({"Moved"})) == {"Moved"}
    where.upcasters.add(
        "Journey", 1, lambda data: [("Travelled", 1, data)], makes=[type("T", (Event,), {}, name="Travelled")]
    )
    assert where.upcasters.sources(frozenset({"Left"})) == {"Left", "Travelled", "Journey"}
    arrivals = Projection("arrivals", of=where, row=Where)
    arrivals.on(Arrived)(lambda row, event, meta: row)
    assert arrivals.stored_types == {"Arrived", "Travelled", "Journey"}


def test_a_gap_in_the_chain_is_refused():
    aggregate = Aggregate("where", Where)
    aggregate.evolves(Moved)(lambda state, event: state)
    aggregate.upcasts("Moved", 2)(lambda data: data)
    with pytest.raises(DefinitionError, match="Moved is at version 3, but nothing upcasts version 1"):
        aggregate.check()


def test_an_upcaster_that_leads_nowhere_is_refused(where):
    where.upcasts("Moved", 3)(lambda data: data)
    with pytest.raises(DefinitionError, match="an upcaster from 3 leads nowhere"):
        where.check()


def test_a_retired_type_whose_first_version_is_forgotten_is_refused(where):
    where.upcasts("Retired", 2)(lambda data: None)
    with pytest.raises(DefinitionError, match="Retired version 2 is upcast, version 1 is not"):
        where.check()


def test_making_an_event_that_the_aggregate_does_not_have_is_refused(where):
    stranger = type("Stranger", (Event,), {})
    where.upcasts("Old", 1, makes=[stranger])(lambda data: [("Stranger", 1, {})])
    with pytest.raises(DefinitionError, match="the upcaster of Old version 1 makes Stranger"):
        where.check()


def test_one_upcaster_a_version_and_one_event_a_name(where):
    with pytest.raises(DefinitionError, match="Moved version 1 is upcast twice"):
        where.upcasts("Moved", 1)(lambda data: data)
    with pytest.raises(DefinitionError, match="names both"):
        where.evolves(type("Other", (Event,), {}, name="Moved"))(lambda state, event: state)
