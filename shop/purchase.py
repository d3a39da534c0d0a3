"""A purchase: begun once a reservation is claimed, then paid or declined, and never both."""

from typing import Literal

from foldstack import Aggregate, Command, Event, Rejection, State

from .money import Money

Status = Literal["", "pending", "paid", "declined"]


class Purchase(State):
    status: Status = ""
    product_id: str = ""
    reservation_id: str = ""
    quantity: int = 0
    amount: Money = Money()
    reason: str = ""


class PurchaseBegan(Event):
    purchase_id: str
    product_id: str
    reservation_id: str
    quantity: int
    amount: Money
    token: str


class PurchasePaid(Event):
    product_id: str
    reservation_id: str
    charge_id: str


class PurchaseDeclined(Event):
    product_id: str
    reservation_id: str
    reason: str


class BeginPurchase(Command):
    purchase_id: str
    product_id: str
    reservation_id: str
    quantity: int
    amount: Money
    token: str


class SettlePurchase(Command):
    """`charge_id` is the provider's; `reason` says why it declined."""

    purchase_id: str
    paid: bool
    charge_id: str = ""
    reason: str = ""


purchase = Aggregate("purchase", Purchase)


@purchase.decides(BeginPurchase, by="purchase_id", creates=True)
def begin(command: BeginPurchase, state: Purchase):
    if state.status:
        return None
    return PurchaseBegan(**command.model_dump())


@purchase.decides(SettlePurchase, by="purchase_id")
def settle(command: SettlePurchase, state: Purchase):
    if not state.status:
        return Rejection("purchase-not-found", f"there is no purchase {command.purchase_id}", "not-found")
    outcome = "paid" if command.paid else "declined"
    if state.status == outcome:
        return None
    if state.status != "pending":
        return Rejection("purchase-settled", f"the purchase is {state.status} already")
    if command.paid:
        return PurchasePaid(
            product_id=state.product_id, reservation_id=state.reservation_id, charge_id=command.charge_id
        )
    return PurchaseDeclined(product_id=state.product_id, reservation_id=state.reservation_id, reason=command.reason)


@purchase.evolves(PurchaseBegan)
def began(state: Purchase, event: PurchaseBegan) -> Purchase:
    return Purchase(
        status="pending",
        product_id=event.product_id,
        reservation_id=event.reservation_id,
        quantity=event.quantity,
        amount=event.amount,
    )


@purchase.evolves(PurchasePaid)
def paid(state: Purchase, event: PurchasePaid) -> Purchase:
    return state.model_copy(update={"status": "paid"})


@purchase.evolves(PurchaseDeclined)
def declined(state: Purchase, event: PurchaseDeclined) -> Purchase:
    return state.model_copy(update={"status": "declined", "reason": event.reason})
