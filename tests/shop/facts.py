"""Events and times that the shop's specifications share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from shop.money import Money
from shop.product import ProductCreated, ProductReserved, ReservationClaimed, ReserveProduct

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
QUARTER_PAST = NOON + timedelta(minutes=15)
PRICE = Money(amount=Decimal("19.90"), currency="EUR")


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


def created(stock: int = 10) -> ProductCreated:
    return ProductCreated(product_id="pen", name="Pen", price=PRICE, stock=stock)


def reserved(id: str, quantity: int = 1, until: datetime = QUARTER_PAST) -> ProductReserved:
    return ProductReserved(reservation_id=id, quantity=quantity, price=PRICE, expires_at=until)


def claimed(id: str, quantity: int = 1) -> ReservationClaimed:
    return ReservationClaimed(
        product_id="pen",
        reservation_id=id,
        purchase_id=f"p-{id}",
        quantity=quantity,
        expires_at=QUARTER_PAST,
        amount=PRICE.times(quantity),
        token="tok_ok",
    )


def reserve(id: str, quantity: int, at: datetime = NOON) -> ReserveProduct:
    return ReserveProduct(product_id="pen", reservation_id=id, quantity=quantity, at=at, expires_at=at + minutes(15))


def ended(id: str, quantity: int = 1, claimed: bool = True) -> dict:
    return {"reservation_id": id, "quantity": quantity, "expires_at": QUARTER_PAST, "claimed": claimed}
