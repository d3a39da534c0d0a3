"""Orders that are charged outside, once, and then noted on a ledger."""

from typing import Any

from foldstack import Aggregate, Command, Event, OutcomePending, ReactionContext, Reactions, Rejection, Service, State


class OrderPlaced(Event):
    order: str
    cents: int


class OrderCharged(Event):
    charge: str


class SaleNoted(Event):
    order: str


class Order(State):
    cents: int = 0
    charge: str = ""


class Ledger(State):
    sales: tuple[str, ...] = ()


class PlaceOrder(Command):
    order: str
    cents: int


class SettleOrder(Command):
    order: str
    charge: str


class NoteSale(Command):
    ledger: str
    order: str


orders = Aggregate("order", Order)
ledgers = Aggregate("ledger", Ledger)


@orders.decides(PlaceOrder, by="order", creates=True)
def place(command: PlaceOrder, state: Order):
    if command.cents <= 0:
        return Rejection("no-price", "an order costs something", kind="invalid", facts={"least": 1})
    if state.cents:
        return Rejection("order-exists", "there is one already")
    return OrderPlaced(order=command.order, cents=command.cents)


@orders.decides(SettleOrder, by="order")
def settle(command: SettleOrder, state: Order):
    return None if state.charge else OrderCharged(charge=command.charge)


@ledgers.decides(NoteSale, by="ledger")
def note(command: NoteSale, state: Ledger):
    return SaleNoted(order=command.order)


@orders.evolves(OrderPlaced)
def placed(state: Order, event: OrderPlaced) -> Order:
    return Order(cents=event.cents)


@orders.evolves(OrderCharged)
def charged(state: Order, event: OrderCharged) -> Order:
    return state.model_copy(update={"charge": event.charge})


@ledgers.evolves(SaleNoted)
def noted(state: Ledger, event: SaleNoted) -> Ledger:
    return Ledger(sales=(*state.sales, event.order))


class Provider:
    """The outside world. `charges` counts real charges by idempotency key; `weather` may raise around each call."""

    def __init__(self) -> None:
        self.charges: dict[str, int] = {}
        self.calls: list[float] = []
        self.faults: list[str] = []
        self.made = 0

    def charge(self, key: str, cents: int, seconds: float) -> str:
        self.calls.append(seconds)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refused":
            raise OutcomePending("no answer")
        self.charges.setdefault(key, cents)
        if fault == "lost":
            raise OutcomePending("the answer was lost")
        return f"charge-{key}"


provider: Any = Provider()
"""What the service's world is: a test sets another."""

reactions = Reactions()


@reactions.effect(on=OrderPlaced, of=orders)
def charge(event: OrderPlaced, world: Any, context: ReactionContext) -> SettleOrder:
    return SettleOrder(order=event.order, charge=world.charge(event.order, event.cents, context.seconds))


@reactions.automation(on=OrderCharged, of=orders)
def tell(event: OrderCharged, context: ReactionContext) -> NoteSale:
    return NoteSale(ledger="all", order=context.stream_id)


def make_world(settings: Any) -> Any:
    provider.made += 1
    return provider


service = Service("checkout", aggregates=[orders, ledgers], reactions=reactions, world=make_world)
