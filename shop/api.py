"""The shop over HTTP."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from foldstack import (
    EVERYTHING,
    ID_PATTERN,
    Answer,
    Api,
    Body,
    CommandRequest,
    QueryParameters,
    QueryRequest,
    Rejection,
    Roles,
    problem,
)
from pydantic import Field

from .money import MoneyBody, PriceBody
from .product import (
    ClaimReservation,
    CreateProduct,
    DiscontinueProduct,
    ReserveProduct,
    no_product,
    reservation_expired,
)
from .purchase import purchase
from .reservation_id import PATTERN, ReservationId
from .views import ProductRow, PurchaseRow, products, purchases

roles = Roles(admin=EVERYTHING, buyer=("read", "reserve", "purchase"), viewer=("read",))
api = Api(roles)

Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
MOST = 1_000_000


class NewProduct(Body):
    product_id: Id | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)]
    price: PriceBody
    stock: Annotated[int, Field(ge=0, le=MOST)]


class NewReservation(Body):
    product_id: Id
    quantity: Annotated[int, Field(ge=1, le=MOST)]


class Payment(Body):
    token: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$")]


class NewPurchase(Body):
    reservation_id: Annotated[str, Field(pattern=PATTERN)]
    payment: Payment


class ProductAnswer(Body):
    product_id: str
    name: str
    price: MoneyBody
    stock: int
    available: int

    @classmethod
    def of(cls, row: ProductRow, at: datetime) -> "ProductAnswer":
        return cls(
            product_id=row.product_id,
            name=row.name,
            price=MoneyBody.of(row.price),
            stock=row.stock,
            available=row.available(at),
        )


class ProductList(Body):
    items: list[ProductAnswer]
    next: str | None


class ReservationAnswer(Body):
    reservation_id: str
    product_id: str
    quantity: int
    expires_at: str


class PurchaseAnswer(Body):
    purchase_id: str
    status: str
    product_id: str
    reservation_id: str
    quantity: int
    amount: MoneyBody


class PurchaseRecord(PurchaseAnswer):
    """A purchase as its history shows it."""

    began_at: str

    @classmethod
    def of(cls, row: PurchaseRow) -> "PurchaseRecord":
        return cls(**dict(purchase_row(row)), began_at=rfc3339(row.began_at))


class PurchaseList(Body):
    items: list[PurchaseRecord]
    next: str | None


class PageOfProducts(QueryParameters):
    limit: Annotated[str, Field(pattern=r"^([1-9][0-9]?|100)$", description="1 to 100")] = "20"
    next: Annotated[str, Field(min_length=1, max_length=1024)] | None = None


Order = Literal["beganAt", "-beganAt", "amount", "-amount"]
ORDERS: dict[Order, str] = {
    "beganAt": "began_at",
    "-beganAt": "-began_at",
    "amount": "amount.amount",
    "-amount": "-amount.amount",
}


class PageOfPurchases(PageOfProducts):
    """Without an order, purchases come by id. DynamoDB has no other order: it answers 400 to one, and a page that is
    short may have a `next` all the same."""

    status: Literal["pending", "paid", "declined", "cancelling", "cancelled"] | None = None
    product_id: Id | None = None
    order: Annotated[Order, Field(description="- is downwards; left out, by id")] | None = None


@api.post(
    "/products",
    permission="manage",
    body=NewProduct,
    answers={201: ProductAnswer},
    problems=(400, 409, 413, 422, 503),
)
def create_product(request: CommandRequest[NewProduct]) -> Answer | Rejection:
    """Put a product on sale."""
    new = request.body
    product_id = new.product_id or request.new_id("product")
    done = request.execute(
        CreateProduct(product_id=product_id, name=new.name, price=new.price.to_money(), stock=new.stock),
        result=lambda events, state: {
            "productId": product_id,
            "name": new.name,
            "price": {"amount": new.price.amount, "currency": new.price.currency},
            "stock": new.stock,
            "available": new.stock,
        },
    )
    if isinstance(done, Rejection):
        return done
    return Answer(201, done.result, {"location": f"{request.url}/products/{done.result['productId']}"})


@api.get("/products", permission="read", query=PageOfProducts, answers={200: ProductList}, problems=(400, 503))
def list_products(request: QueryRequest) -> Answer:
    """The products on sale, in the order of their ids."""
    page = request.views.page(products, int(request.query.limit), request.query.next)
    items = [ProductAnswer.of(row, request.now) for row in page.rows]
    return Answer(200, ProductList(items=items, next=page.next))


@api.get("/products/{product_id}", permission="read", answers={200: ProductAnswer}, problems=(400, 404, 503))
def get_product(request: QueryRequest) -> Answer | Rejection:
    """One product, and how much of it can be reserved now."""
    product_id = request.path["product_id"]
    row = request.views.get(products, product_id)
    return no_product(product_id) if row is None else Answer(200, ProductAnswer.of(row, request.now))


@api.delete("/products/{product_id}", permission="manage", answers={204: None}, problems=(400, 404, 409, 503))
def discontinue_product(request: CommandRequest[None]) -> Answer | Rejection:
    """Take a product off sale for good."""
    done = request.execute(DiscontinueProduct(product_id=request.path["product_id"], at=request.now))
    return done if isinstance(done, Rejection) else Answer(204)


@api.post(
    "/reservations",
    permission="reserve",
    body=NewReservation,
    answers={201: ReservationAnswer},
    problems=(400, 404, 409, 413, 422, 503),
)
def reserve(request: CommandRequest[NewReservation]) -> Answer | Rejection:
    """Hold some units of a product for a while."""
    wish = request.body
    expires_at = until_whole_second(request.now + minutes(request.environment, "RESERVATION_MINUTES", "15"))
    id = ReservationId.make(wish.product_id, expires_at, request.new_id("reservation"))
    done = request.execute(
        ReserveProduct(
            product_id=wish.product_id,
            reservation_id=id.text,
            quantity=wish.quantity,
            at=request.now,
            expires_at=expires_at,
        ),
        result=lambda events, state: {
            "reservationId": id.text,
            "productId": wish.product_id,
            "quantity": wish.quantity,
            "expiresAt": rfc3339(expires_at),
        },
    )
    return done if isinstance(done, Rejection) else Answer(201, done.result)


@api.post(
    "/purchase",
    permission="purchase",
    body=NewPurchase,
    answers={201: PurchaseAnswer, 202: PurchaseAnswer},
    problems=(400, 402, 404, 409, 413, 422, 503),
)
def buy(request: CommandRequest[NewPurchase]) -> Answer | Rejection:
    """Pay for a reservation: charged once, whatever is retried.

    201 is paid, 402 declined, 202 open still: ask again with the same key, or for the purchase. What is neither paid
    nor declined in time is cancelled, and what was charged is given back: 409 with the code `purchase-cancelled`.
    """
    reservation = ReservationId.parse(request.body.reservation_id)
    if reservation is None:
        return no_reservation(request.body.reservation_id)
    purchase_id = reservation.purchase_id
    claimed = request.execute(
        ClaimReservation(
            product_id=reservation.product_id,
            reservation_id=reservation.text,
            purchase_id=purchase_id,
            token=request.body.payment.token,
            at=request.now,
            deadline=request.now + minutes(request.environment, "PURCHASE_MINUTES", "30"),
        )
    )
    if isinstance(claimed, Rejection):
        return refused(request, reservation, claimed)
    settled = request.settle(claimed)
    return purchase_answer(request, purchase_id, reservation, settled)


def purchase_answer(request: CommandRequest, purchase_id: str, reservation: ReservationId, settled: bool) -> Answer:
    """201 paid, 402 declined and given back, 409 cancelled, 202 for everything that is still open."""
    state = request.state(purchase, purchase_id)
    if state.status == "declined" and settled:
        return problem(
            402,
            "payment-declined",
            f"the payment was declined: {state.reason}; the reservation is given back",
            facts={"purchaseId": purchase_id},
        )
    if state.status == "cancelled":
        return problem(
            409,
            "purchase-cancelled",
            f"the purchase was cancelled: {state.reason}; nothing is charged",
            facts={"purchaseId": purchase_id},
        )
    where = {"location": f"{request.url}/purchases/{purchase_id}"}
    if not state.status:
        return Answer(202, {"purchaseId": purchase_id, "status": "pending"}, where)
    body = PurchaseAnswer(
        purchase_id=purchase_id,
        status=state.status if state.status in ("paid", "cancelling") else "pending",
        product_id=state.product_id,
        reservation_id=state.reservation_id,
        quantity=state.quantity,
        amount=MoneyBody.of(state.amount),
    )
    return Answer(201 if state.status == "paid" else 202, body, where)


def refused(request: CommandRequest, reservation: ReservationId, rejection: Rejection) -> Rejection:
    """A hold that is gone was bought, given back, or has expired; only one that never was is not found."""
    if rejection.code != "reservation-not-found":
        return rejection
    status = request.state(purchase, reservation.purchase_id).status
    if status:
        return Rejection(
            "purchase-exists", f"this reservation's purchase is {status}", facts={"purchaseStatus": status}
        )
    if reservation.expires_at <= request.now:
        return reservation_expired(reservation.text)
    return rejection


@api.get("/purchases", permission="read", query=PageOfPurchases, answers={200: PurchaseList}, problems=(400, 503))
def list_purchases(request: QueryRequest) -> Answer:
    """The purchases, all or those of a status or a product; `order` is for views kept in PostgreSQL."""
    wanted: PageOfPurchases = request.query
    where = {"status": wanted.status, "product_id": wanted.product_id}
    page = request.views.find(
        purchases,
        {field: value for field, value in where.items() if value is not None},
        ORDERS[wanted.order] if wanted.order else None,
        int(wanted.limit),
        wanted.next,
    )
    return Answer(200, PurchaseList(items=[PurchaseRecord.of(row) for row in page.rows], next=page.next))


@api.get("/purchases/{purchase_id}", permission="read", answers={200: PurchaseAnswer}, problems=(400, 404, 503))
def get_purchase(request: QueryRequest) -> Answer | Rejection:
    """A purchase, and what became of it."""
    purchase_id = request.path["purchase_id"]
    row = request.views.get(purchases, purchase_id)
    if row is None:
        return Rejection("purchase-not-found", f"there is no purchase {purchase_id}", "not-found")
    return Answer(200, purchase_row(row))


def purchase_row(row: PurchaseRow) -> PurchaseAnswer:
    return PurchaseAnswer(
        purchase_id=row.purchase_id,
        status=row.status,
        product_id=row.product_id,
        reservation_id=row.reservation_id,
        quantity=row.quantity,
        amount=MoneyBody.of(row.amount),
    )


def no_reservation(reservation_id: str) -> Rejection:
    return Rejection("reservation-not-found", f"there is no reservation {reservation_id}", "not-found")


def minutes(environment: Mapping[str, str], variable: str, default: str) -> timedelta:
    """From the function's environment: between a second and a month."""
    text = environment.get(variable, default)
    number = float(text)
    if not 1 / 60 <= number <= 31 * 24 * 60:
        raise ValueError(f"{variable} is {text!r}; it is a number of minutes, from a second to a month")
    return timedelta(minutes=number)


def until_whole_second(moment: datetime) -> datetime:
    """Holds that end together are one number in the view."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
