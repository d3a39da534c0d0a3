"""How a reservation ends, or becomes a purchase: automations around one effect, the charge."""

from foldstack import Later, ReactionContext, Reactions

from .payments import PaymentProvider
from .product import (
    ExpireReservation,
    ProductReserved,
    ReleaseReservation,
    ReservationClaimed,
    SellReservation,
    product,
)
from .purchase import BeginPurchase, PurchaseBegan, PurchaseDeclined, PurchasePaid, SettlePurchase, purchase

reactions = Reactions()


@reactions.automation(on=ProductReserved, of=product)
def expire(event: ProductReserved, context: ReactionContext) -> Later:
    """The stock is free as soon as the time is over, whoever notices; this makes it an event."""
    command = ExpireReservation(product_id=context.stream_id, reservation_id=event.reservation_id, at=event.expires_at)
    return Later(command, event.expires_at)


@reactions.automation(on=ReservationClaimed, of=product)
def begin_purchase(event: ReservationClaimed, context: ReactionContext) -> BeginPurchase:
    return BeginPurchase(**event.model_dump(exclude={"expires_at"}))


@reactions.effect(on=PurchaseBegan, of=purchase)
def charge(event: PurchaseBegan, payments: PaymentProvider, context: ReactionContext) -> SettlePurchase:
    """Repeats the same call, under the purchase's id, until the provider says yes or no."""
    answer = payments.charge(event.purchase_id, event.amount, event.token, seconds=context.seconds)
    return SettlePurchase(
        purchase_id=event.purchase_id, paid=answer.succeeded, charge_id=answer.charge_id, reason=answer.reason
    )


@reactions.automation(on=PurchasePaid, of=purchase)
def hand_over(event: PurchasePaid, context: ReactionContext) -> SellReservation:
    return SellReservation(product_id=event.product_id, reservation_id=event.reservation_id)


@reactions.automation(on=PurchaseDeclined, of=purchase)
def give_back(event: PurchaseDeclined, context: ReactionContext) -> ReleaseReservation:
    return ReleaseReservation(product_id=event.product_id, reservation_id=event.reservation_id)
