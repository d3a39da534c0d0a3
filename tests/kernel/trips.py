"""A trip: a seat and a room booked outside, both or none, until a deadline; then it is counted."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from foldstack import Aggregate, CancelSaga, Command, Event, OutcomePending, Rejection, Saga, Service, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = ("seat", "room")


class TripBegan(Event):
    trip: str
    deadline: datetime | None = None


class Booked(Event):
    kind: str


class Refused(Event):
    kind: str


class TripCancelling(Event):
    reason: str


class Returned(Event):
    kind: str


class TripBooked(Event):
    pass


class TripCancelled(Event):
    pass


class Counted(Event):
    trip: str


class Begin(Command):
    trip: str
    deadline: datetime | None = None


class Settle(Command):
    trip: str
    kind: str
    booked: bool


class GiveUp(Command):
    trip: str


class SettleReturn(Command):
    trip: str
    kind: str


class Count(Command):
    tally: str
    trip: str


class Trip(State):
    status: str = ""
    booked: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()


class Tally(State):
    trips: tuple[str, ...] = ()


def make(limit: Callable[[], int], world: Any = None) -> tuple[Service, Saga]:
    """A whole service, `world` its outside world. A tally takes `limit()` trips, and rejects the others."""
    trip, tally = Aggregate("trip", Trip), Aggregate("tally", Tally)

    @trip.decides(Begin, by="trip", creates=True)
    def begin(command: Begin, state: Trip):
        return None if state.status else TripBegan(trip=command.trip, deadline=command.deadline)

    @trip.decides(Settle, by="trip")
    def settle(command: Settle, state: Trip):
        if state.status != "pending" or command.kind in state.booked:
            return None
        if not command.booked:
            return [Refused(kind=command.kind), TripCancelling(reason=f"no {command.kind}")]
        made: list[Event] = [Booked(kind=command.kind)]
        return [*made, TripBooked()] if state.booked else made

    @trip.decides(GiveUp, by="trip")
    def give_up(command: GiveUp, state: Trip):
        return TripCancelling(reason="its time is over") if state.status == "pending" else None

    @trip.decides(SettleReturn, by="trip")
    def settle_return(command: SettleReturn, state: Trip):
        if state.status != "cancelling" or command.kind in state.returned:
            return None
        made: list[Event] = [Returned(kind=command.kind)]
        return [*made, TripCancelled()] if state.returned else made

    @tally.decides(Count, by="tally")
    def count_trip(command: Count, state: Tally):
        if command.trip in state.trips:
            return None
        return Rejection("full", "no more trips") if len(state.trips) >= limit() else Counted(trip=command.trip)

    becomes = {TripBegan: "pending", TripCancelling: "cancelling", TripBooked: "booked", TripCancelled: "cancelled"}
    for event, status in becomes.items():
        trip.evolves(event)(lambda state, event, status=status: state.model_copy(update={"status": status}))
    trip.evolves(Refused)(lambda state, event: state)
    trip.evolves(Booked)(lambda state, event: state.model_copy(update={"booked": (*state.booked, event.kind)}))
    trip.evolves(Returned)(lambda state, event: state.model_copy(update={"returned": (*state.returned, event.kind)}))
    tally.evolves(Counted)(lambda state, event: Tally(trips=(*state.trips, event.trip)))

    trips = Saga("trips", of=trip, begins=TripBegan, ends=(TripBooked, TripCancelled))

    @trips.effect(on=TripBegan)
    def book_seat(event, world, context):
        return Settle(trip=event.trip, kind="seat", booked=world.book("seat", event.trip))

    @trips.effect(on=TripBegan)
    def book_room(event, world, context):
        return Settle(trip=event.trip, kind="room", booked=world.book("room", event.trip))

    @trips.timeout(on=TripBegan, at="deadline")
    def time_is_over(event, context):
        return GiveUp(trip=event.trip)

    @trips.effect(on=TripCancelling, compensates=book_seat)
    def return_seat(event, world, context):
        return SettleReturn(trip=context.stream_id, kind=world.give_back("seat", context.stream_id))

    @trips.effect(on=TripCancelling, compensates=book_room)
    def return_room(event, world, context):
        return SettleReturn(trip=context.stream_id, kind=world.give_back("room", context.stream_id))

    @trips.automation(on=TripBooked)
    def count(event, context):
        return Count(tally="all", trip=context.stream_id)

    @trips.cancel
    def cancel(command: CancelSaga, state: Trip):
        if state.status == "booked":
            return Rejection("too-late", "the trip is booked")
        return TripCancelling(reason=command.reason) if state.status == "pending" else None

    return Service("travel", aggregates=[trip, tally], sagas=[trips], world=lambda settings: world), trips


class Agency:
    """The outside world. A booking is there once, or never again after it was given back: `made` and `undone` count
    what really happened. `weather(call)` may raise before a call, or after it, when its answer is lost."""

    def __init__(self) -> None:
        self.there: dict[tuple[str, str], str] = {}
        self.made: Counter[tuple[str, str]] = Counter()
        self.undone: Counter[tuple[str, str]] = Counter()
        self.calls: list[str] = []
        self.faults: list[str] = []
        self.refuses: set[str] = set()

    def book(self, kind: str, trip: str) -> bool:
        def do() -> bool:
            if (kind, trip) not in self.there:
                self.there[kind, trip] = "refused" if kind in self.refuses else "booked"
                self.made[kind, trip] += kind not in self.refuses
            return self.there[kind, trip] == "booked"

        return self._call(f"book {kind}", do)

    def give_back(self, kind: str, trip: str) -> str:
        def do() -> str:
            self.undone[kind, trip] += self.there.get((kind, trip)) == "booked"
            self.there[kind, trip] = "given back"
            return kind

        return self._call(f"return {kind}", do)

    def _call(self, name: str, do: Any) -> Any:
        self.calls.append(name)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refused":
            raise OutcomePending(f"{name}: no answer")
        if fault == "broken":
            raise ValueError(f"{name}: what is this?")
        answer = do()
        if fault == "lost":
            raise OutcomePending(f"{name}: the answer was lost")
        return answer
