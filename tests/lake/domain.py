"""Accounts: an event with a field of every type, an older schema, a view whose rows come, change, go and come back."""

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

from foldstack import Aggregate, Event, EventMeta, Projection, Service, State
from pydantic import Field


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Rank(enum.IntEnum):
    FIRST = 1
    SECOND = 2


class Money(State):
    amount: Decimal = Decimal(0)
    currency: str = "EUR"


class Everything(Event):
    """One field of each type that the lake has a column for. `type` is called as a column that every table has."""

    text: str
    whole: int
    yes: bool | None
    ratio: float
    exact: Decimal
    price: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]
    at: datetime.datetime
    on: datetime.date
    who: uuid.UUID
    lasts: datetime.timedelta
    colour: Colour
    rank: Rank
    status: Literal["open", "closed"] | None
    tags: list[str]
    amounts: tuple[Decimal | None, ...]
    sums: dict[str, Decimal]
    money: Money
    maybe: Money | None
    lines: list[Money | None]
    nested: dict[str, list[Money]]
    anything: Any = Field(json_schema_extra={"lake": "json"})
    type: str = ""


class Opened(Event, version=2):
    owner: str
    limit: Decimal = Decimal(0)


class Paid(Event):
    amount: Decimal
    at: datetime.datetime


class Closed(Event):
    reason: str | None = None


class Account(State):
    pass


class AccountRow(State):
    owner: str
    balance: Decimal = Decimal(0)
    payments: int = 0
    last: datetime.datetime | None = None
    by_day: dict[str, Decimal] = Field(default_factory=dict)


account = Aggregate("account", Account)


@account.evolves(Everything)
@account.evolves(Opened)
@account.evolves(Paid)
@account.evolves(Closed)
def unchanged(state: Account, event: Event) -> Account:
    return state


@account.upcasts("Opened", 1)
def with_limit(data: dict) -> dict:
    return {"owner": data["name"], "limit": "0"}


@account.upcasts("OpenedAndPaid", 1, makes=[Opened, Paid])
def split(data: dict) -> list[tuple[str, int, dict]]:
    paid = {"amount": data["amount"], "at": data["at"]}
    return [("Opened", 2, {"owner": data["owner"], "limit": "1.5"}), ("Paid", 1, paid), ("Paid", 1, paid)]


@account.upcasts("Forgotten", 1)
def forgotten(data: dict) -> None:
    return None


accounts = Projection("accounts", of=account, row=AccountRow)


@accounts.on(Opened)
def opened(row: AccountRow | None, event: Opened, meta: EventMeta) -> AccountRow:
    return AccountRow(owner=event.owner)


@accounts.on(Paid)
def paid(row: AccountRow | None, event: Paid, meta: EventMeta) -> AccountRow | None:
    if row is None:
        return None
    days = {**row.by_day, meta.time[:10]: row.by_day.get(meta.time[:10], Decimal(0)) + event.amount}
    changes = {"balance": row.balance + event.amount, "payments": row.payments + 1, "last": event.at, "by_day": days}
    return row.model_copy(update=changes)


@accounts.on(Closed)
def closed(row: AccountRow | None, event: Closed, meta: EventMeta) -> None:
    return None


service = Service("bank", aggregates=[account], projections=[accounts])
