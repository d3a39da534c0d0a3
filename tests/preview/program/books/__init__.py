"""One stream a book: entries until it is closed for the day."""

from foldstack import Aggregate, Command, Event, Schedules, Service, State, Tick


class Book(State):
    closed: int = 0


class DayClosed(Event):
    at: str


class CloseDay(Command):
    book: str
    at: str


book = Aggregate("book", Book)


@book.decides(CloseDay, by="book")
def close(command, state):
    return DayClosed(at=command.at)


@book.evolves(DayClosed)
def closed(state, event):
    return Book(closed=state.closed + 1)


schedules = Schedules()


@schedules.on("close-day")
def close_day(tick: Tick) -> CloseDay:
    return CloseDay(book="all", at=tick.at.isoformat())


service = Service("days", aggregates=[book], schedules=schedules)
