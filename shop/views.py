"""The shop's read models: one row a product, one row a purchase."""

from datetime import datetime

from foldstack import EventMeta, Projection, State
from pydantic import Field

from .money import Money
from .product import (
    HoldEnded,
    ProductCreated,
    ProductDiscontinued,
    ProductReserved,
    ReservationClaimed,
    ReservationExpired,
    ReservationReleased,
    ReservationSold,
    product,
)
from .purchase import (
    PurchaseBegan,
    PurchaseCancelled,
    PurchaseCancelling,
    PurchaseDeclined,
    PurchasePaid,
    Status,
    purchase,
)


class ProductRow(State):
    """`held` is what is set aside, by the moment it becomes free (RFC 3339); `claimed` what is being paid for. Both
    are sums: a row must not grow with the number of reservations."""

    product_id: str
    name: str
    price: Money
    stock: int
    held: dict[str, int] = Field(default_factory=dict)
    claimed: int = 0

    def available(self, at: datetime) -> int:
        """Of the time the row is read, not of the time it was written: holds expire in between."""
        held = sum(quantity for until, quantity in self.held.items() if datetime.fromisoformat(until) > at)
        return self.stock - self.claimed - held

    def holding(self, change: int, until: datetime, claimed: int, time: str) -> "ProductRow":
        """`change` more held until then, `claimed` more being paid for; what has expired by `time` is forgotten."""
        now, key = datetime.fromisoformat(time), until.isoformat()
        held = {each: n for each, n in self.held.items() if datetime.fromisoformat(each) > now or each == key}
        left = held.pop(key, 0) + change
        if left > 0:
            held[key] = left
        return self.model_copy(update={"held": held, "claimed": self.claimed + claimed})

    def ended(self, quantity: int, until: datetime, claimed: bool, time: str) -> "ProductRow":
        """A hold is over, however it ended."""
        return self.holding(0 if claimed else -quantity, until, -quantity if claimed else 0, time)


class PurchaseRow(State):
    purchase_id: str
    status: Status
    product_id: str
    reservation_id: str
    quantity: int
    amount: Money
    began_at: datetime
    reason: str = ""


products = Projection("products", of=product, row=ProductRow)
purchases = Projection(
    "purchases", of=purchase, row=PurchaseRow, indexed=("status", "product_id", "began_at", "amount.amount")
)


@products.on(ProductCreated)
def product_created(row: ProductRow | None, event: ProductCreated, meta: EventMeta) -> ProductRow:
    return ProductRow(product_id=event.product_id, name=event.name, price=event.price, stock=event.stock)


@products.on(ProductReserved)
def product_reserved(row: ProductRow, event: ProductReserved, meta: EventMeta) -> ProductRow:
    return row.holding(event.quantity, event.expires_at, 0, meta.time)


@products.on(ReservationClaimed)
def reservation_claimed(row: ProductRow, event: ReservationClaimed, meta: EventMeta) -> ProductRow:
    return row.holding(-event.quantity, event.expires_at, event.quantity, meta.time)


@products.on(ReservationExpired)
@products.on(ReservationReleased)
def hold_ended(row: ProductRow, event: HoldEnded, meta: EventMeta) -> ProductRow:
    return row.ended(event.quantity, event.expires_at, event.claimed, meta.time)


@products.on(ReservationSold)
def reservation_sold(row: ProductRow, event: ReservationSold, meta: EventMeta) -> ProductRow:
    freed = row.ended(event.quantity, event.expires_at, event.claimed, meta.time)
    return freed.model_copy(update={"stock": row.stock - event.quantity})


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
        began_at=datetime.fromisoformat(meta.time),
    )


@purchases.on(PurchasePaid)
def purchase_paid(row: PurchaseRow, event: PurchasePaid, meta: EventMeta) -> PurchaseRow:
    return row.model_copy(update={"status": "paid"})


@purchases.on(PurchaseDeclined)
def purchase_declined(row: PurchaseRow, event: PurchaseDeclined, meta: EventMeta) -> PurchaseRow:
    return row.model_copy(update={"status": "declined", "reason": event.reason})


@purchases.on(PurchaseCancelling)
def purchase_cancelling(row: PurchaseRow, event: PurchaseCancelling, meta: EventMeta) -> PurchaseRow:
    return row.model_copy(update={"status": "cancelling", "reason": event.reason})


@purchases.on(PurchaseCancelled)
def purchase_cancelled(row: PurchaseRow, event: PurchaseCancelled, meta: EventMeta) -> PurchaseRow:
    return row.model_copy(update={"status": "cancelled"})
