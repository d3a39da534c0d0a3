"""How a reservation ends, or becomes a purchase: automations, and the saga that charges it or gives everything back."""

from foldstack import CancelSaga, Later, ReactionContext, Reactions, Rejection, Saga

from .payments import PaymentProvider
from .product import (
    ExpireReservation,
    ProductReserved,
    ReleaseReservation,
    ReservationClaimed,
    SellReservation,
    product,
)
from .purchase import (
    BeginPurchase,
    CancelPurchase,
    Purchase,
    PurchaseBegan,
    PurchaseCancelled,
    PurchaseCancelling,
    PurchaseDeclined,
    PurchasePaid,
    SettleCancellation,
    SettlePurchase,
    cancelling,
    purchase,
)

reactions = Reactions()
checkout = Saga("checkout", of=purchase, begins=PurchaseBegan, ends=(PurchasePaid, PurchaseDeclined, PurchaseCancelled))


@reactions.automation(on=ProductReserved, of=product)
def expire(event: ProductReserved, context: ReactionContext) -> Later:
    """The stock is free as soon as the time is over, whoever notices; this makes it an event."""
    command = ExpireReservation(product_id=context.stream_id, reservation_id=event.reservation_id, at=event.expires_at)
    return Later(command, event.expires_at)


@reactions.automation(on=ReservationClaimed, of=product)
def begin_purchase(event: ReservationClaimed, context: ReactionContext) -> BeginPurchase:
    return BeginPurchase(**event.model_dump(exclude={"expires_at"}))


@checkout.effect(on=PurchaseBegan)
def charge(event: PurchaseBegan, payments: PaymentProvider, context: ReactionContext) -> SettlePurchase:
    """Repeats the same call, under the purchase's id, until the provider says yes or no."""
    answer = payments.charge(event.purchase_id, event.amount, event.token, seconds=context.seconds)
    return SettlePurchase(
        purchase_id=event.purchase_id, paid=answer.succeeded, charge_id=answer.charge_id, reason=answer.reason
    )


@checkout.timeout(on=PurchaseBegan, at="deadline")
def give_up(event: PurchaseBegan, context: ReactionContext) -> CancelPurchase:
    return CancelPurchase(purchase_id=event.purchase_id, reason="it was not paid in time")


@checkout.effect(on=PurchaseCancelling, compensates=charge)
def refund(event: PurchaseCancelling, payments: PaymentProvider, context: ReactionContext) -> SettleCancellation:
    """What was charged, or may yet be: from the provider's answer on the purchase can't be charged any more."""
    refunded = payments.cancel(context.stream_id, seconds=context.seconds)
    return SettleCancellation(purchase_id=context.stream_id, refunded=refunded)


@checkout.automation(on=PurchasePaid)
def hand_over(event: PurchasePaid, context: ReactionContext) -> SellReservation:
    return SellReservation(product_id=event.product_id, reservation_id=event.reservation_id)


@checkout.automation(on=PurchaseDeclined)
def give_back(event: PurchaseDeclined, context: ReactionContext) -> ReleaseReservation:
    return ReleaseReservation(product_id=event.product_id, reservation_id=event.reservation_id)


@checkout.automation(on=PurchaseCancelled)
def release(event: PurchaseCancelled, context: ReactionContext) -> ReleaseReservation:
    """Only now: as long as a charge may succeed, the units are not anybody else's."""
    return ReleaseReservation(product_id=event.product_id, reservation_id=event.reservation_id)


@checkout.cancel
def cancel_by_hand(command: CancelSaga, state: Purchase):
    if state.status == "pending":
        return cancelling(f"{command.by}: {command.reason}", state)
    if state.status in ("paid", "declined"):
        return Rejection("purchase-settled", f"the purchase is {state.status}: it is too late to cancel it")
    return None
