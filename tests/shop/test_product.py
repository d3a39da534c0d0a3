"""What may happen to a product's stock."""

from datetime import timedelta
from decimal import Decimal

from foldstack import given
from hypothesis import given as holds_for
from hypothesis import strategies as st

from shop.product import (
    MOST_EXPIRED_AT_ONCE,
    MOST_HOLDS,
    ClaimReservation,
    CreateProduct,
    DiscontinueProduct,
    ProductDiscontinued,
    ReleaseReservation,
    ReservationExpired,
    ReservationReleased,
    ReservationSold,
    SellReservation,
    product,
)

from .facts import NOON, PRICE, claimed, created, ended, minutes, reserve, reserved


def claim(id: str, at=NOON) -> ClaimReservation:
    return ClaimReservation(product_id="pen", reservation_id=id, purchase_id=f"p-{id}", token="tok_ok", at=at)


def test_a_product_is_created_once():
    create = CreateProduct(product_id="pen", name="Pen", price=PRICE, stock=10)
    given(product).when(create).then(created()).then_state(stock=10, on_sale=True)
    given(product, created()).when(create).then_rejected("product-exists")
    given(product, created(), ProductDiscontinued()).when(create).then_rejected("product-exists")


def test_what_is_there_can_be_reserved_and_no_more():
    given(product, created(3)).when(reserve("a", 3)).then(reserved("a", 3))
    rejection = given(product, created(3), reserved("a", 2)).when(reserve("b", 2)).then_rejected("out-of-stock")
    assert rejection.facts == {"available": 1}
    assert rejection.kind == "conflict"


def test_what_is_not_on_sale_cannot_be_reserved():
    assert given(product).when(reserve("a", 1)).then_rejected("product-not-found").kind == "not-found"
    given(product, created(), ProductDiscontinued()).when(reserve("a", 1)).then_rejected("product-not-found")


def test_an_expired_hold_is_free_when_the_next_command_decides():
    history = created(1), reserved("a", 1, until=NOON + minutes(15))
    given(product, *history).when(reserve("b", 1, at=NOON + minutes(14))).then_rejected("out-of-stock")
    given(product, *history).when(reserve("b", 1, at=NOON + minutes(15))).then(
        ReservationExpired(**ended("a", claimed=False)), reserved("b", 1, until=NOON + minutes(30))
    )


def test_a_claim_fixes_the_price_of_the_reservation():
    given(product, created(), reserved("a", 3)).when(claim("a")).then(claimed("a", 3))
    assert claimed("a", 3).amount.amount == Decimal("59.70")


def test_only_a_live_reservation_can_be_claimed_and_only_once():
    given(product).when(claim("a")).then_rejected("product-not-found")
    given(product, created()).when(claim("a")).then_rejected("reservation-not-found")
    given(product, created(), reserved("a")).when(claim("a", NOON + minutes(15))).then_rejected("reservation-expired")
    given(product, created(), reserved("a"), claimed("a")).when(claim("a")).then_rejected("purchase-exists")


def test_a_claimed_hold_never_expires():
    history = created(1), reserved("a", 1), claimed("a", 1)
    given(product, *history).when(reserve("b", 1, at=NOON + timedelta(days=9))).then_rejected("out-of-stock")


def test_a_sale_takes_the_stock_and_a_release_gives_it_back():
    history = created(5), reserved("a", 2), claimed("a", 2)
    sell = SellReservation(product_id="pen", reservation_id="a")
    release = ReleaseReservation(product_id="pen", reservation_id="a")
    given(product, *history).when(sell).then(ReservationSold(**ended("a", 2))).then_state(stock=3, holds={})
    given(product, *history).when(release).then(ReservationReleased(**ended("a", 2))).then_state(stock=5, holds={})
    given(product, *history, ReservationSold(**ended("a", 2))).when(sell).then()
    given(product, *history, ReservationReleased(**ended("a", 2))).when(release).then()


def test_a_product_with_open_reservations_stays():
    stop = DiscontinueProduct(product_id="pen", at=NOON)
    given(product, created()).when(stop).then(ProductDiscontinued()).then_state(on_sale=False)
    given(product, created(), reserved("a")).when(stop).then_rejected("open-reservations")
    late = stop.model_copy(update={"at": NOON + minutes(16)})
    given(product, created(), reserved("a")).when(late).then(ProductDiscontinued())
    given(product, created(), reserved("a"), claimed("a")).when(late).then_rejected("open-reservations")
    given(product, created(), ProductDiscontinued()).when(stop).then_rejected("product-not-found")


def test_a_product_has_only_so_many_open_reservations():
    holds = [reserved(str(n)) for n in range(MOST_HOLDS)]
    history = created(2 * MOST_HOLDS), *holds
    given(product, *history).when(reserve("more", 1)).then_rejected("too-many-reservations")
    later = given(product, *history).when(reserve("more", 1, at=NOON + minutes(16)))
    assert len(later.decision) == MOST_EXPIRED_AT_ONCE + 1


steps = st.lists(
    st.tuples(st.sampled_from(["reserve", "claim", "sell", "release"]), st.integers(0, 7), st.integers(1, 4)),
    max_size=60,
)


@holds_for(steps, st.integers(0, 12))
def test_stock_and_what_is_promised_never_go_below_zero(steps, stock):
    """Whatever is reserved, claimed, sold and released, as time passes: what is claimed or live fits the stock."""
    state = product.fold([created(stock)])
    at, sold = NOON, 0
    for what, n, quantity in steps:
        at += minutes(4)
        id = str(n)
        if what == "reserve":
            command = reserve(f"{n}-{at:%d%H%M}", quantity, at)
        elif what == "claim":
            live = [i for i in state.holds if i.startswith(f"{n}-")]
            command = claim(live[-1] if live else id, at)
        else:
            mine = [i for i, hold in state.holds.items() if hold.claimed]
            kind = SellReservation if what == "sell" else ReleaseReservation
            command = kind(product_id="pen", reservation_id=mine[n % len(mine)] if mine else id)
        decision = product.decide(command, state)
        if isinstance(decision, tuple):
            before = state.stock
            state = product.fold(decision, state)
            sold += before - state.stock
        assert state.stock >= 0
        assert state.available(at) >= 0
        assert sold + state.stock == stock
