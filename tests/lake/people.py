"""Customers of the tests of erasure, and households: people in lists, maps and models, and an older schema."""

from datetime import date
from typing import Annotated, Any

from foldstack import Aggregate, Command, Event, Personal, Projection, Service, State
from pydantic import BaseModel, Field

from tests.erasure.domain import customer, customers, parcel

Text = Annotated[str, Personal(subject="person")]


class Person(BaseModel):
    person: str
    name: Text
    born: Annotated[date | None, Personal(subject="person")] = None
    nick: Text = "none"
    likes: Any = Field(default=None, json_schema_extra={"lake": "json"})


class Household(State):
    head: Person | None = None


class Gather(Command):
    household_id: str
    head: Person
    others: tuple[Person, ...] = ()
    roles: dict[str, Person] = Field(default_factory=dict)
    guest: Person | None = None


class Gathered(Event, version=2):
    head: Person
    others: tuple[Person, ...]
    roles: dict[str, Person]
    guest: Person | None
    all: list[Person] = Field(json_schema_extra={"lake": "json"})


class Renamed(Event, version=2):
    """Its first schema had one text of both names, which nobody could take apart."""

    person: str
    name: Text
    title: Text = "none"


class HouseholdRow(State):
    head: Person
    others: tuple[Person, ...]
    people: int


household = Aggregate("household", Household)


@household.decides(Gather, by="household_id")
def gather(command, state):
    return Gathered(
        head=command.head,
        others=command.others,
        roles=command.roles,
        guest=command.guest,
        all=[command.head, *command.others],
    )


@household.evolves(Gathered)
def gathered(state, event):
    return Household(head=event.head)


@household.evolves(Renamed)
def renamed(state, event):
    return state


@household.upcasts("Gathered", 1)
def with_guest(data):
    return {**data, "roles": {"first": data["head"]}, "guest": None, "all": []}


@household.upcasts("Renamed", 1)
def titled(data):
    return {"person": data["person"], "name": data["full"], "title": "of old"}


households = Projection("households", of=household, row=HouseholdRow)


@households.on(Gathered)
def row_gathered(row, event, meta):
    return HouseholdRow(head=event.head, others=event.others, people=1 + len(event.others))


service = Service("people", aggregates=[customer, parcel, household], projections=[customers, households])
