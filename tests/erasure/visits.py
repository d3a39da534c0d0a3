"""Visits of patients, a saga: the patient is asked outside, and reminded when it is time."""

from datetime import datetime
from typing import Annotated, Any

from foldstack import Aggregate, Command, Event, Later, Personal, Reactions, Rejection, Saga, Service, State

Name = Annotated[str, Personal(subject="patient")]
Note = Annotated[str, Personal(subject="patient")]


class Visit(State):
    patient: str = ""
    name: Name = ""
    status: str = ""
    reminded: Name = ""


class Plan(Command):
    visit_id: str
    patient: str
    name: Name
    remind_at: datetime
    ends_at: datetime


class Settle(Command):
    visit_id: str
    patient: str
    answer: Note


class Remind(Command):
    visit_id: str
    patient: str
    name: Name = ""
    times: int = 1


class Forget(Command):
    visit_id: str


class Planned(Event):
    patient: str
    name: Name
    remind_at: datetime
    ends_at: datetime


class Reminded(Event):
    patient: str
    name: Name


class Confirmed(Event):
    patient: str
    answer: Note


class Missed(Event):
    pass


visit = Aggregate("visit", Visit)


@visit.decides(Plan, by="visit_id", creates=True)
def plan(command: Plan, state: Visit):
    if state.status:
        return None
    return Planned(patient=command.patient, name=command.name, remind_at=command.remind_at, ends_at=command.ends_at)


@visit.decides(Settle, by="visit_id")
def settle(command: Settle, state: Visit):
    if state.status != "planned":
        return None
    if command.answer == "no":
        return Rejection("unwilling", f"{state.name} does not want to")
    return Confirmed(patient=command.patient, answer=command.answer)


@visit.decides(Remind, by="visit_id")
def remind(command: Remind, state: Visit):
    return Reminded(patient=command.patient, name=command.name)


@visit.decides(Forget, by="visit_id")
def forget(command: Forget, state: Visit):
    return Missed() if state.status == "planned" else None


@visit.evolves(Planned)
def planned(state: Visit, event: Planned):
    return Visit(patient=event.patient, name=event.name, status="planned")


@visit.evolves(Reminded)
def reminded(state: Visit, event: Reminded):
    return state.model_copy(update={"reminded": event.name})


@visit.evolves(Confirmed)
def confirmed(state: Visit, event: Confirmed):
    return state.model_copy(update={"status": "confirmed"})


@visit.evolves(Missed)
def missed(state: Visit, event: Missed):
    return state.model_copy(update={"status": "missed"})


visits = Saga("visits", of=visit, begins=Planned, ends=(Confirmed, Missed))


class Phone:
    """The outside world: `fault` is what it says in the place of an answer."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.fault = ""
        self.answer = "yes"

    def call(self, name: str) -> str:
        self.called.append(name)
        if self.fault:
            raise RuntimeError(self.fault.format(name=name))
        return self.answer


phone = Phone()


@visits.effect(on=Planned, final=True)
def ask(event: Planned, world: Phone, context: Any):
    return Settle(visit_id=context.stream_id, patient=event.patient, answer=world.call(event.name))


@visits.timeout(on=Planned, at="ends_at")
def over(event: Planned, context: Any):
    return Forget(visit_id=context.stream_id)


reactions = Reactions()


@reactions.automation(on=Planned, of=visit)
def remind_later(event: Planned, context: Any):
    return Later(Remind(visit_id=context.stream_id, patient=event.patient, name=event.name), event.remind_at)


service = Service("visits", aggregates=[visit], reactions=reactions, sagas=[visits], world=lambda settings: phone)
