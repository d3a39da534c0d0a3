"""What is refused of a saga when its module loads."""

from datetime import datetime

import pytest
from foldstack import Aggregate, Command, DefinitionError, Event, Projection, Reactions, Saga, Service, State


class Began(Event):
    until: datetime | None = None
    note: str = ""


class Went(Event):
    pass


class Undoing(Event):
    pass


class Over(Event):
    pass


class Stray(Event):
    pass


class Trip(State):
    pass


class Go(Command):
    trip: str


class Elsewhere(Command):
    place: str


def trips() -> Aggregate:
    trip = Aggregate("trip", Trip)
    for event in (Began, Went, Undoing, Over):
        trip.evolves(event)(lambda state, event: state)
    trip.decides(Go, by="trip")(lambda command, state: Went())
    return trip


def saga(**changes) -> Saga:
    return Saga(**{"name": "trips", "of": trips(), "begins": Began, "ends": [Over], **changes})


def service(saga: Saga, **more) -> Service:
    return Service("test", aggregates=[saga.of], sagas=[saga], world=lambda settings: None, **more)


def nothing(event, world, context):
    return Go(trip="t")


def undo(event, world, context):
    return Go(trip="t")


def test_its_events_are_its_aggregates():
    with pytest.raises(DefinitionError, match="begins with Stray, no event of trip; there are Began, Over, Undoing"):
        saga(begins=Stray)
    with pytest.raises(DefinitionError, match="ends with Stray"):
        saga(ends=[Over, Stray])
    with pytest.raises(DefinitionError, match="has a step nothing on Stray"):
        saga().effect(on=Stray, final=True)(nothing)


@pytest.mark.parametrize("ends", [[], [Began, Over]])
def test_it_ends_and_not_as_it_begins(ends):
    with pytest.raises(DefinitionError, match="needs events that it ends with, others than Began"):
        saga(ends=ends)


def test_an_aggregate_is_the_state_of_one_saga():
    trip = trips()
    saga(of=trip)
    with pytest.raises(DefinitionError, match="trip has a saga already"):
        saga(of=trip, name="others")


def test_an_effect_is_undone_or_final():
    one = saga()
    one.effect(on=Began)(nothing)
    with pytest.raises(DefinitionError, match=r"nothing undoes the effect nothing.*compensates=nothing.*final=True"):
        service(one)
    one.effect(on=Undoing, compensates=nothing)(undo)
    service(one)
    final = saga()
    final.effect(on=Began, final=True)(nothing)
    service(final)


def test_a_compensation_is_of_a_step_and_comes_later():
    one = saga()
    with pytest.raises(DefinitionError, match=r"undo compensates nothing, no effect.*there are none"):
        one.effect(on=Undoing, compensates=nothing)(undo)
    one.effect(on=Began)(nothing)
    with pytest.raises(DefinitionError, match="undo would undo nothing on the very event"):
        one.effect(on=Began, compensates=nothing)(undo)


def test_two_steps_of_one_name():
    one = saga()
    one.effect(on=Began, final=True)(nothing)
    with pytest.raises(DefinitionError, match="two steps are called nothing"):
        one.automation(on=Went)(nothing)


def test_a_step_and_a_reaction_to_the_same_event_have_different_names():
    """Their commands' ids are made of them."""
    one, reactions = saga(), Reactions()
    one.effect(on=Began, final=True)(nothing)
    reactions.automation(on=Began, of=one.of)(nothing)
    with pytest.raises(DefinitionError, match="two reactions to Began are called nothing"):
        service(one, reactions=reactions)


@pytest.mark.parametrize("field", ["note", "no_such"])
def test_a_timeout_has_a_moment_in_its_event(field):
    with pytest.raises(DefinitionError, match=f"Began has no field '{field}' with a moment"):
        saga().timeout(on=Began, at=field)


@pytest.mark.parametrize("command", [Go(trip="another"), Elsewhere(place="x")])
def test_a_timeout_commands_its_own_stream(command):
    from datetime import UTC

    from foldstack import ReactionContext

    one = saga()
    one.timeout(on=Began, at="until")(lambda event, context: command)
    (step,) = one.steps.values()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    context = ReactionContext(now, 1.0, "k", "t", "acme")
    with pytest.raises(DefinitionError, match="must answer a command to its own stream, trip t"):
        step.function(Began(until=now), context)
    assert step.function(Began(), context) is None


def test_its_view_takes_a_name_of_its_own():
    one = saga()
    rows = Projection("trips", of=one.of, row=Trip)
    with pytest.raises(DefinitionError, match="two projections of one name"):
        service(one, projections=[rows])


def test_two_sagas_in_one_service_have_types_of_their_own():
    one, other = saga(), Aggregate("other", Trip)
    names = [type(each.__name__, (each,), {}) for each in (Began, Over)]
    for event in names:
        event.type_name = f"Other{event.__name__}"
        other.evolves(event)(lambda state, event: state)
    two = Saga("others", of=other, begins=names[0], ends=[names[1]])
    made = Service("test", aggregates=[one.of, other], sagas=[one, two])
    assert made.sagas == {"trip": one, "other": two}
    assert one.types.stuck.type_name == "trip.SagaStuck"
    assert two.types.stuck.type_name == "other.SagaStuck"


def test_the_views_code_changes_with_the_steps(tmp_path, monkeypatch):
    made = []
    for body in ("1", "2"):
        name = f"steps_of_{body}"
        (tmp_path / f"{name}.py").write_text(f"def nothing(event, world, context):\n    return {body}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        one = saga()
        one.effect(on=Began, final=True)(__import__(name).nothing)
        made.append(one.projection.fingerprint)
    assert made[0] != made[1]
