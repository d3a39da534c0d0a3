"""The shop's read models: one row a product, one row a purchase."""

from datetime import datetime

from foldstack import EventMeta, Projection, State
from pydantic import Field

from .money import Money
from .product import (
    Hold,
    ProductCreated,
    ProductDiscontinued,
    ProductReserved,
    ReservationClaimed,
    ReservationExpired,
    ReservationReleased,
    ReservationSold,
    product,
    without,
)
from .purchase import PurchaseBegan, PurchaseDeclined, PurchasePaid, Status, purchase


class ProductRow(State):
    product_id: str
    name: str
    price: Money
    stock: int
    holds: dict[str, Hold] = Field(default_factory=dict)

    def available(self, at: datetime) -> int:
        """Of the time the row is read, not of the time it was written: holds expire in between."""
        return self.stock - sum(hold.quantity for hold in self.holds.values() if hold.counts(at))


class PurchaseRow(State):
    purchase_id: str
    status: Status
    product_id: str
    reservation_id: str
    quantity: int
    amount: Money
    reason: str = ""


products = Projection("products", of=product, row=ProductRow)
purchases = Projection("purchases", of=purchase, row=PurchaseRow)


@products.on(ProductCreated)
def product_created(row: ProductRow | None, event: ProductCreated, meta: EventMeta) -> ProductRow:
    return ProductRow(product_id=event.product_id, name=event.name, price=event.price, stock=event.stock)


@products.on(ProductReserved)
def product_reserved(row: ProductRow, event: ProductReserved, meta: EventMeta) -> ProductRow:
    hold = Hold(quantity=event.quantity, price=event.price, expires_at=event.expires_at)
    return row.model_copy(update={"holds": {**row.holds, event.reservation_id: hold}})


@products.on(ReservationClaimed)
def reservation_claimed(row: ProductRow, event: ReservationClaimed, meta: EventMeta) -> ProductRow:
    hold = row.holds[event.reservation_id].model_copy(update={"claimed": True})
    return row.model_copy(update={"holds": {**row.holds, event.reservation_id: hold}})


@products.on(ReservationExpired)
@products.on(ReservationReleased)
def reservation_ended(row: ProductRow, event: ReservationExpired | ReservationReleased, meta: EventMeta) -> ProductRow:
    return row.model_copy(update={"holds": without(row.holds, event.reservation_id)})


@products.on(ReservationSold)
def reservation_sold(row: ProductRow, event: ReservationSold, meta: EventMeta) -> ProductRow:
    quantity = row.holds[event.reservation_id].quantity
    return row.model_copy(update={"stock": row.stock - quantity, "holds": without(row.holds, event.reservation_id)})


@products.on(ProductDiscontinued)
def product_discontinued(row: ProductRow, event: ProductDiscontinued, meta: EventMeta) -> None:
    return None


@purchases.on(PurchaseBegan)
def purchase_began(row: PurchaseRow | None, event: PurchaseBegan, meta: EventMeta) -> PurchaseRow:
    return PurchaseRow(
        purchase_id=event.purchase_id,
        status="pending",
        product_id=event.product_id,
        reservation_id=event.reservation_id,
        quantity=event.quantity,
        amount=event.amount,
    )


@purchases.on(PurchasePaid)
def purchase_paid(row: PurchaseRow, event: PurchasePaid, meta: EventMeta) -> PurchaseRow:
    return row.model_copy(update={"status": "paid"})


@purchases.on(PurchaseDeclined)
def purchase_declined(row: PurchaseRow, event: PurchaseDeclined, meta: EventMeta) -> PurchaseRow:
    return row.model_copy(update={"status": "declined", "reason": event.reason})
