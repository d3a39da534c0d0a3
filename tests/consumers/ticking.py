"""Days that are closed by a schedule, and a bell whose ringing sets itself off."""

from foldstack import Aggregate, Command, Event, ReactionContext, Reactions, Rejection, Schedules, Service, State, Tick


class Day(State):
    closed: str = ""


class Bell(State):
    rings: int = 0


class CloseDay(Command):
    day: str
    at: str


class Ring(Command):
    bell: str


class DayClosed(Event):
    at: str


class Rang(Event):
    pass


days, bells = Aggregate("day", Day), Aggregate("bell", Bell)


@days.decides(CloseDay, by="day", creates=True)
def close(command: CloseDay, state: Day):
    if state.closed:
        return Rejection("closed", "the day is closed already")
    return DayClosed(at=command.at)


@days.evolves(DayClosed)
def closed(state: Day, event: DayClosed) -> Day:
    return Day(closed=event.at)


@bells.decides(Ring, by="bell")
def ring(command: Ring, state: Bell):
    return Rang()


@bells.evolves(Rang)
def rang(state: Bell, event: Rang) -> Bell:
    return Bell(rings=state.rings + 1)


reactions = Reactions()


@reactions.automation(on=Rang, of=bells)
def echo(event: Rang, context: ReactionContext) -> Ring | None:
    return Ring(bell=context.stream_id) if context.stream_id == "endless" else None


schedules = Schedules()


@schedules.on("close-day")
def close_day(tick: Tick):
    if tick.tenant == "broken":
        raise ValueError("this tenant's books are in disorder")
    day = tick.at.date().isoformat()
    return [CloseDay(day=day, at=tick.at.isoformat()), Ring(bell="evening")]


@schedules.on("rest")
def rest(tick: Tick):
    return None


service = Service("days", aggregates=[days, bells], reactions=reactions, schedules=schedules)
