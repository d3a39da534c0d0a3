"""The domain of `throughput`, `rebuild` and `consumers`: as little code as decides anything, so that the libraries are
measured, not a domain."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from foldstack import Aggregate, Command, Event, Rejection, State, Tenant
from foldstack.kernel import codec
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.keys import StreamId

EXPIRES = datetime(2030, 1, 1, 12, 15, 0, 123000, UTC)
NAME = "A chair of oak"
AMOUNT = Decimal("19.99")
CURRENCY = "EUR"
ON_HAND = 1000
RESERVATION = "oak.8Y2nXkZr0Qm1Jc5vTtYp2A"
COMMAND_ID = "5rQmBYl0cVd2Kp9sXw7ZtA"
TENANT = Tenant("acme")
TIME = "2026-01-01T00:00:00.000Z"


class Stock(State):
    on_hand: int = 0
    held: int = 0


class StockCreated(Event):
    name: str
    on_hand: int


class StockHeld(Event):
    reservation_id: str
    quantity: int
    amount: Decimal
    currency: str
    expires_at: datetime


class CreateStock(Command):
    stock_id: str
    name: str
    on_hand: int


class HoldStock(Command):
    stock_id: str
    reservation_id: str
    quantity: int
    amount: Decimal
    currency: str
    expires_at: datetime


stock = Aggregate("stock", Stock)


@stock.decides(CreateStock, by="stock_id", creates=True)
def create(command: CreateStock, state: Stock) -> StockCreated | Rejection:
    if state.on_hand:
        return Rejection("exists", "it exists")
    return StockCreated(name=command.name, on_hand=command.on_hand)


@stock.decides(HoldStock, by="stock_id")
def hold(command: HoldStock, state: Stock) -> StockHeld | Rejection:
    if state.held + command.quantity > state.on_hand:
        return Rejection("out-of-stock", "there is not enough")
    return StockHeld(
        reservation_id=command.reservation_id,
        quantity=command.quantity,
        amount=command.amount,
        currency=command.currency,
        expires_at=command.expires_at,
    )


@stock.evolves(StockCreated)
def created(state: Stock, event: StockCreated) -> Stock:
    return Stock(on_hand=event.on_hand)


@stock.evolves(StockHeld)
def held(state: Stock, event: StockHeld) -> Stock:
    return Stock(on_hand=state.on_hand, held=state.held + event.quantity)


def fill(executor: Executor, ids: Sequence[str], events: int) -> None:
    """Brings every stream to `events` events, a commit each."""
    for id in ids:
        run(executor, CreateStock(stock_id=id, name=NAME, on_hand=ON_HAND), f"create.{id}")
        for n in range(events - 1):
            run(executor, hold_one(id, f"hold.{n:021}"), f"{n:022}")


def history(stream: StreamId, version: int, command_id: str = COMMAND_ID) -> Commit:
    """The commit of one event that a stream has at a version: it is created, then a unit is held each time."""
    event: Event = StockCreated(name=NAME, on_hand=ON_HAND)
    if version > 1:
        event = StockHeld(reservation_id=RESERVATION, quantity=1, amount=AMOUNT, currency=CURRENCY, expires_at=EXPIRES)
    before = {1: {}, 2: {"StockCreated": 2}}.get(version, {"StockCreated": 2, "StockHeld": version})
    return Commit(
        stream=stream,
        first=version,
        next=version + 1,
        body=codec.encode([event], None),
        types=(event.type_name,),
        prev=before,
        command_id=command_id,
        request_hash="",
        time=TIME,
    )


def hold_one(id: str, reservation_id: str = RESERVATION) -> HoldStock:
    return HoldStock(
        stock_id=id, reservation_id=reservation_id, quantity=1, amount=AMOUNT, currency=CURRENCY, expires_at=EXPIRES
    )


def run(executor: Executor, command: Command, command_id: str = COMMAND_ID) -> Any:
    done = executor.execute(stock, TENANT, command, CommandContext(command_id))
    assert isinstance(done, Committed)
    return done
