"""The product view: what can be had now, in a row that does not grow with the number of reservations."""

from datetime import timedelta

from foldstack.kernel.codec import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from shop.product import ClaimReservation, ReleaseReservation, SellReservation, product
from shop.views import products

from .facts import NOON, created, minutes, reserve

steps = st.lists(st.tuples(st.sampled_from(["reserve", "claim", "sell", "release"]), st.integers(0, 9)), max_size=80)


def seen(row, events, at):
    """The row after one commit."""
    stored, _ = decode(encode(events), 1)
    return products.apply(row, stored, "pen", at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


@given(steps)
def test_the_row_says_what_the_decider_would(steps):
    """Whatever happens, at every moment from then on, `available` is what the next command would find."""
    at = NOON
    state, row = product.fold([created(20)]), seen(None, [created(20)], NOON)
    for n, (what, which) in enumerate(steps):
        at += minutes(1.5)
        open_holds = sorted(state.holds)
        id = open_holds[which % len(open_holds)] if open_holds else "none"
        command = {
            "reserve": reserve(f"r{n:03d}", 1 + which % 3, at),
            "claim": ClaimReservation(product_id="pen", reservation_id=id, purchase_id="p", token="t", at=at),
            "sell": SellReservation(product_id="pen", reservation_id=id),
            "release": ReleaseReservation(product_id="pen", reservation_id=id),
        }[what]
        events = product.decide(command, state)
        if isinstance(events, tuple) and events:
            state, row = product.fold(events, state), seen(row, events, at + timedelta(milliseconds=3))
        for later in (0, 1, 14, 16, 60):
            moment = at + minutes(later) + timedelta(milliseconds=5)
            assert row.available(moment) == state.available(moment)
        assert row.stock == state.stock


def test_a_thousand_reservations_that_end_together_are_one_number():
    state, row = product.fold([created(5000)]), seen(None, [created(5000)], NOON)
    for n in range(1000):
        events = product.decide(reserve(f"r{n}", 2), state)
        state, row = product.fold(events, state), seen(row, events, NOON)
    assert row.held == {(NOON + minutes(15)).isoformat(): 2000}
    assert row.available(NOON) == 3000
