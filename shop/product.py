"""A product, its stock, and who holds some of it. Stock never goes below zero: one stream decides it all."""

from datetime import datetime
from typing import Any

from foldstack import Aggregate, Command, Event, Rejection, State
from pydantic import Field

from .money import Money

MOST_EXPIRED_AT_ONCE = 100
MOST_HOLDS = 5_000


class Hold(State):
    """Units set aside. One that is claimed belongs to a purchase under way, and no longer expires."""

    quantity: int
    price: Money
    expires_at: datetime
    claimed: bool = False

    def counts(self, at: datetime) -> bool:
        return self.claimed or self.expires_at > at


class Product(State):
    name: str = ""
    price: Money = Money()
    stock: int = 0
    created: bool = False
    discontinued: bool = False
    holds: dict[str, Hold] = Field(default_factory=dict)

    @property
    def on_sale(self) -> bool:
        return self.created and not self.discontinued

    def available(self, at: datetime) -> int:
        """Units that nobody holds; an expired hold counts as free."""
        return self.stock - sum(hold.quantity for hold in self.holds.values() if hold.counts(at))


class ProductCreated(Event):
    product_id: str
    name: str
    price: Money
    stock: int


class ProductReserved(Event):
    reservation_id: str
    quantity: int
    price: Money
    expires_at: datetime


class HoldEnded(Event):
    """What was held until when, so that a view need not remember every hold."""

    reservation_id: str
    quantity: int
    expires_at: datetime
    claimed: bool


class ReservationExpired(HoldEnded):
    pass


class ReservationClaimed(Event):
    """A purchase has begun: from here on it is paid for, declined or cancelled, and does not expire. `deadline` is
    until when it may be pending; those that began without one may be so for ever."""

    product_id: str
    reservation_id: str
    purchase_id: str
    quantity: int
    expires_at: datetime
    amount: Money
    token: str
    deadline: datetime | None = None


class ReservationReleased(HoldEnded):
    pass


class ReservationSold(HoldEnded):
    pass


class ProductDiscontinued(Event):
    pass


class CreateProduct(Command):
    product_id: str
    name: str
    price: Money
    stock: int


class ReserveProduct(Command):
    product_id: str
    reservation_id: str
    quantity: int
    at: datetime
    expires_at: datetime


class ClaimReservation(Command):
    product_id: str
    reservation_id: str
    purchase_id: str
    token: str
    at: datetime
    deadline: datetime | None = None


class ReleaseReservation(Command):
    product_id: str
    reservation_id: str


class ExpireReservation(Command):
    """`at` is when the reservation was to end, whenever this is decided."""

    product_id: str
    reservation_id: str
    at: datetime


class SellReservation(Command):
    product_id: str
    reservation_id: str


class DiscontinueProduct(Command):
    product_id: str
    at: datetime


product = Aggregate("product", Product)


def no_product(product_id: str) -> Rejection:
    return Rejection("product-not-found", f"there is no product {product_id}", "not-found")


@product.decides(CreateProduct, by="product_id", creates=True)
def create(command: CreateProduct, state: Product):
    if state.created:
        return Rejection("product-exists", f"a product {command.product_id} exists, or existed, already")
    return ProductCreated(product_id=command.product_id, name=command.name, price=command.price, stock=command.stock)


@product.decides(ReserveProduct, by="product_id")
def reserve(command: ReserveProduct, state: Product):
    if not state.on_sale:
        return no_product(command.product_id)
    available = state.available(command.at)
    if command.quantity > available:
        return Rejection(
            "out-of-stock",
            f"{command.quantity} wanted, {available} available",
            facts={"available": available},
        )
    expired = [id for id, hold in state.holds.items() if not hold.counts(command.at)][:MOST_EXPIRED_AT_ONCE]
    if len(state.holds) - len(expired) >= MOST_HOLDS:
        return Rejection(
            "too-many-reservations", f"{MOST_HOLDS} reservations of this product are open; try again later"
        )
    return [
        *(ReservationExpired(**ended(id, state)) for id in expired),
        ProductReserved(
            reservation_id=command.reservation_id,
            quantity=command.quantity,
            price=state.price,
            expires_at=command.expires_at,
        ),
    ]


@product.decides(ClaimReservation, by="product_id")
def claim(command: ClaimReservation, state: Product):
    if not state.created:
        return no_product(command.product_id)
    hold = state.holds.get(command.reservation_id)
    if hold is None:
        return Rejection("reservation-not-found", f"there is no reservation {command.reservation_id}", "not-found")
    if hold.claimed:
        return Rejection("purchase-exists", "this reservation is being purchased", facts={"purchaseStatus": "pending"})
    if not hold.counts(command.at):
        return reservation_expired(command.reservation_id)
    return ReservationClaimed(
        product_id=command.product_id,
        reservation_id=command.reservation_id,
        purchase_id=command.purchase_id,
        quantity=hold.quantity,
        expires_at=hold.expires_at,
        amount=hold.price.times(hold.quantity),
        token=command.token,
        deadline=command.deadline,
    )


def reservation_expired(reservation_id: str) -> Rejection:
    return Rejection("reservation-expired", f"reservation {reservation_id} has expired; reserve again")


@product.decides(ReleaseReservation, by="product_id")
def release(command: ReleaseReservation, state: Product):
    if command.reservation_id in state.holds:
        return ReservationReleased(**ended(command.reservation_id, state))
    return None


@product.decides(ExpireReservation, by="product_id")
def expire(command: ExpireReservation, state: Product):
    """Nothing where it is bought, being bought, given back, or found expired by another reservation before."""
    hold = state.holds.get(command.reservation_id)
    if hold is None or hold.counts(command.at):
        return None
    return ReservationExpired(**ended(command.reservation_id, state))


@product.decides(SellReservation, by="product_id")
def sell(command: SellReservation, state: Product):
    if command.reservation_id in state.holds:
        return ReservationSold(**ended(command.reservation_id, state))
    return None


@product.decides(DiscontinueProduct, by="product_id")
def discontinue(command: DiscontinueProduct, state: Product):
    if not state.on_sale:
        return no_product(command.product_id)
    if any(hold.counts(command.at) for hold in state.holds.values()):
        return Rejection("open-reservations", "the product has open reservations; wait until they end")
    return ProductDiscontinued()


@product.evolves(ProductCreated)
def created(state: Product, event: ProductCreated) -> Product:
    return Product(name=event.name, price=event.price, stock=event.stock, created=True)


@product.evolves(ProductReserved)
def reserved(state: Product, event: ProductReserved) -> Product:
    hold = Hold(quantity=event.quantity, price=event.price, expires_at=event.expires_at)
    return state.model_copy(update={"holds": {**state.holds, event.reservation_id: hold}})


@product.evolves(ReservationClaimed)
def claimed(state: Product, event: ReservationClaimed) -> Product:
    hold = state.holds[event.reservation_id].model_copy(update={"claimed": True})
    return state.model_copy(update={"holds": {**state.holds, event.reservation_id: hold}})


@product.evolves(ReservationExpired)
@product.evolves(ReservationReleased)
def freed(state: Product, event: ReservationExpired | ReservationReleased) -> Product:
    return state.model_copy(update={"holds": without(state.holds, event.reservation_id)})


@product.evolves(ReservationSold)
def sold(state: Product, event: ReservationSold) -> Product:
    return state.model_copy(
        update={"stock": state.stock - event.quantity, "holds": without(state.holds, event.reservation_id)}
    )


@product.evolves(ProductDiscontinued)
def discontinued(state: Product, event: ProductDiscontinued) -> Product:
    return state.model_copy(update={"discontinued": True})


def ended(reservation_id: str, state: Product) -> dict[str, Any]:
    """The fields of an event that ends a hold."""
    return {"reservation_id": reservation_id, **state.holds[reservation_id].model_dump(exclude={"price"})}


def without(holds: dict[str, Hold], reservation_id: str) -> dict[str, Hold]:
    return {id: hold for id, hold in holds.items() if id != reservation_id}
