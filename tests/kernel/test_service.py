"""What is refused when a domain's module loads."""

import pytest
from foldstack import Aggregate, Api, Command, DefinitionError, Event, Projection, Reactions, Schedules, Service, State

from tests.store.domain import ShelfOpened, TakeUnit, shelf


class Empty(State):
    pass


class Ping(Command):
    id: str


class Pinged(Event):
    pass


def pings(category="pings"):
    aggregate = Aggregate(category, Empty)
    aggregate.decides(Ping, by="id")(lambda command, state: Pinged())
    aggregate.evolves(Pinged)(lambda state, event: state)
    return aggregate


def test_a_service_knows_who_decides_what():
    ping = pings()
    service = Service("test", aggregates=iter([shelf, ping]), projections=iter([Projection("p", of=ping, row=Empty)]))
    assert service.aggregate_of(TakeUnit) is shelf
    assert service.aggregate_of(Ping) is ping
    assert service.commands["Ping"] is Ping
    assert list(service.projections) == ["p"]
    with pytest.raises(DefinitionError, match="no aggregate of test decides Other"):
        service.aggregate_of(type("Other", (Command,), {}))


def refused(match, **declared):
    with pytest.raises(DefinitionError, match=match):
        Service("test", **declared)


def test_two_of_one_name():
    refused("two aggregates of one category", aggregates=[pings(), pings()])
    ping = pings()
    twice = [Projection("p", of=ping, row=Empty), Projection("p", of=ping, row=Empty)]
    refused("two projections of one name", aggregates=[ping], projections=twice)
    refused("Ping is decided by two aggregates", aggregates=[pings("one"), pings("two")])


def test_two_functions_of_one_schedule():
    schedules = Schedules()
    schedules.on("nightly")(lambda tick: None)
    with pytest.raises(DefinitionError, match="two functions answer the schedule nightly"):
        schedules.on("nightly")(lambda tick: None)
    assert list(Service("test", aggregates=[], schedules=schedules).schedules.all) == ["nightly"]


def test_two_commands_or_events_called_alike():
    other = Aggregate("other", Empty)
    other.decides(type("Ping", (Ping,), {}), by="id")(lambda command, state: None)
    refused("two commands are called Ping", aggregates=[pings(), other])
    other = Aggregate("other", Empty)
    other.evolves(type("Pinged", (Event,), {}))(lambda state, event: state)
    refused("events of two aggregates are called Pinged", aggregates=[pings(), other])


def test_aggregates_are_checked():
    broken = Aggregate("broken", Empty)
    broken.evolves(type("Second", (Event,), {}, version=2))(lambda state, event: state)
    refused("nothing upcasts version 1", aggregates=[broken])


def test_a_projection_of_a_stranger():
    refused(
        "an aggregate that test does not have", aggregates=[pings()], projections=[Projection("p", of=shelf, row=Empty)]
    )


def test_reactions_to_what_cannot_happen():
    for of, on in ((shelf, ShelfOpened), (pings(), ShelfOpened)):
        reactions = Reactions()
        reactions.automation(on=on, of=of)(lambda event, context: None)
        refused("answers ShelfOpened, no event of its aggregate", aggregates=[pings("mine")], reactions=reactions)


def test_an_effect_needs_a_world():
    ping = pings()
    reactions = Reactions()
    reactions.effect(on=Pinged, of=ping)(lambda event, world, context: Ping(id="x"))
    refused("is an effect, and test has no world", aggregates=[ping], reactions=reactions)
    Service("test", aggregates=[ping], reactions=reactions, world=lambda settings: None)


def test_stored_types_of_reactions_count_upcast_names():
    ping = pings()
    ping.upcasts("Old", 1, makes=[Pinged])(lambda data: [("Pinged", 1, {})])
    reactions = Reactions()
    reactions.automation(on=Pinged, of=ping)(lambda event, context: None)
    assert reactions.stored_types() == {"Pinged", "Old"}


def test_routes():
    api = Api()

    @api.post("/pings/{ping_id}/again", problems=(409,))
    def again(request):
        """Ping once more.

        And more words.
        """

    route = api.routes[0]
    assert (route.method, route.is_command, route.parameters) == ("POST", True, ("ping_id",))
    assert (route.summary, route.problems) == ("Ping once more.", (409,))
    api.get("/pings/{ping_id}/again")(again)
    assert not api.routes[1].is_command
    with pytest.raises(DefinitionError, match="routed twice"):
        api.post("/pings/{other}/again")(again)
    for template in ("pings", "/Pings", "/pings/", "/pings/{PingId}", "//", "/pings?x", ""):
        with pytest.raises(DefinitionError, match="in lower case"):
            api.get(template)
