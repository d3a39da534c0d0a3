"""A purchase: begun once a reservation is claimed, then paid, declined or cancelled, and only one of them."""

from datetime import datetime
from typing import Literal

from foldstack import Aggregate, Command, Event, Rejection, State

from .money import Money

Status = Literal["", "pending", "paid", "declined", "cancelling", "cancelled"]


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
    deadline: datetime | None = None


class PurchasePaid(Event):
    product_id: str
    reservation_id: str
    charge_id: str


class PurchaseDeclined(Event):
    product_id: str
    reservation_id: str
    reason: str


class PurchaseCancelling(Event):
    """Neither paid nor declined so far, and not to be any more: whatever was charged is to be given back."""

    product_id: str
    reservation_id: str
    reason: str


class PurchaseCancelled(Event):
    """The provider said so: nothing is charged, and nothing will be."""

    product_id: str
    reservation_id: str
    refunded: bool


class BeginPurchase(Command):
    purchase_id: str
    product_id: str
    reservation_id: str
    quantity: int
    amount: Money
    token: str
    deadline: datetime | None = None


class SettlePurchase(Command):
    """`charge_id` is the provider's; `reason` says why it declined."""

    purchase_id: str
    paid: bool
    charge_id: str = ""
    reason: str = ""


class CancelPurchase(Command):
    purchase_id: str
    reason: str


class SettleCancellation(Command):
    """`refunded`: it had been charged."""

    purchase_id: str
    refunded: bool


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
    if state.status in (outcome, "cancelling", "cancelled"):
        return None  # too late: what was charged is given back by the cancellation
    if state.status != "pending":
        return Rejection("purchase-settled", f"the purchase is {state.status} already")
    if command.paid:
        return PurchasePaid(
            product_id=state.product_id, reservation_id=state.reservation_id, charge_id=command.charge_id
        )
    return PurchaseDeclined(product_id=state.product_id, reservation_id=state.reservation_id, reason=command.reason)


@purchase.decides(CancelPurchase, by="purchase_id")
def cancel(command: CancelPurchase, state: Purchase):
    """Once it is over there is nothing to cancel."""
    return cancelling(command.reason, state) if state.status == "pending" else None


@purchase.decides(SettleCancellation, by="purchase_id")
def settle_cancellation(command: SettleCancellation, state: Purchase):
    if state.status == "cancelled":
        return None
    if state.status != "cancelling":
        return Rejection("purchase-not-cancelling", f"the purchase is {state.status or 'not there'}")
    return PurchaseCancelled(
        product_id=state.product_id, reservation_id=state.reservation_id, refunded=command.refunded
    )


def cancelling(reason: str, state: Purchase) -> PurchaseCancelling:
    return PurchaseCancelling(product_id=state.product_id, reservation_id=state.reservation_id, reason=reason)


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


@purchase.evolves(PurchaseCancelling)
def is_cancelling(state: Purchase, event: PurchaseCancelling) -> Purchase:
    return state.model_copy(update={"status": "cancelling", "reason": event.reason})


@purchase.evolves(PurchaseCancelled)
def cancelled(state: Purchase, event: PurchaseCancelled) -> Purchase:
    return state.model_copy(update={"status": "cancelled"})
