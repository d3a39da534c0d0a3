"""A purchase is paid, declined or cancelled, and only one of them."""

import pytest
from foldstack import given
from foldstack.kernel.upcasting import StoredEvent

from shop.checkout import checkout
from shop.purchase import (
    BeginPurchase,
    CancelPurchase,
    PurchaseBegan,
    PurchaseCancelled,
    PurchaseCancelling,
    PurchaseDeclined,
    PurchasePaid,
    SettleCancellation,
    SettlePurchase,
    purchase,
)

from .facts import PRICE

FIELDS = {
    "purchase_id": "p",
    "product_id": "pen",
    "reservation_id": "a",
    "quantity": 1,
    "amount": PRICE,
    "token": "tok_ok",
}
BEGAN = PurchaseBegan(**FIELDS)
PAID = PurchasePaid(product_id="pen", reservation_id="a", charge_id="ch_1")
DECLINED = PurchaseDeclined(product_id="pen", reservation_id="a", reason="no money")
PAY = SettlePurchase(purchase_id="p", paid=True, charge_id="ch_1")
DECLINE = SettlePurchase(purchase_id="p", paid=False, reason="no money")


def test_it_begins_once():
    given(purchase).when(BeginPurchase(**FIELDS)).then(BEGAN).then_state(status="pending")
    given(purchase, BEGAN).when(BeginPurchase(**FIELDS)).then()


def test_it_is_paid_or_declined():
    given(purchase, BEGAN).when(PAY).then(PAID).then_state(status="paid")
    given(purchase, BEGAN).when(DECLINE).then(DECLINED).then_state(status="declined", reason="no money")


def test_a_settled_purchase_stays_as_it_is():
    given(purchase, BEGAN, PAID).when(PAY).then()
    given(purchase, BEGAN, PAID).when(DECLINE).then_rejected("purchase-settled")
    given(purchase, BEGAN, DECLINED).when(DECLINE).then()
    given(purchase, BEGAN, DECLINED).when(PAY).then_rejected("purchase-settled")


def test_nothing_settles_before_it_begins():
    assert given(purchase).when(PAY).then_rejected("purchase-not-found").kind == "not-found"


CANCELLING = PurchaseCancelling(product_id="pen", reservation_id="a", reason="late")
CANCELLED = PurchaseCancelled(product_id="pen", reservation_id="a", refunded=True)
CANCEL = CancelPurchase(purchase_id="p", reason="late")
SETTLE = SettleCancellation(purchase_id="p", refunded=True)
BY_HAND = checkout.types.cancel(saga_id="p", by="ann", reason="late")


def test_it_is_cancelled_when_the_provider_says_so():
    given(purchase, BEGAN).when(CANCEL).then(CANCELLING).then_state(status="cancelling", reason="late")
    given(purchase, BEGAN, CANCELLING).when(SETTLE).then(CANCELLED).then_state(status="cancelled")
    given(purchase, BEGAN, CANCELLING, CANCELLED).when(SETTLE).then()
    given(purchase, BEGAN).when(SETTLE).then_rejected("purchase-not-cancelling")


@pytest.mark.parametrize("over", [[], [CANCELLED]])
@pytest.mark.parametrize("command", [PAY, DECLINE, CANCEL, BY_HAND])
def test_once_it_is_being_cancelled_nothing_else_comes_of_it(over, command):
    given(purchase, BEGAN, CANCELLING, *over).when(command).then()


@pytest.mark.parametrize("over", [PAID, DECLINED])
def test_what_is_settled_is_not_cancelled(over):
    given(purchase, BEGAN, over).when(CANCEL).then()
    given(purchase, BEGAN, over).when(BY_HAND).then_rejected("purchase-settled")


def test_by_hand_it_says_who_it_was():
    (event,) = given(purchase, BEGAN).when(BY_HAND).decision
    assert event.reason == "ann: late"


def test_purchases_that_were_stored_without_a_deadline_are_read():
    stored = StoredEvent("PurchaseBegan", 1, 1, BEGAN.model_dump(mode="json", exclude={"deadline"}))
    assert purchase.upcasters.decode(stored) == (BEGAN,)
