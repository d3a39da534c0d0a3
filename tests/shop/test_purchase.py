"""A purchase is paid or declined, never both."""

from foldstack import given

from shop.purchase import (
    BeginPurchase,
    PurchaseBegan,
    PurchaseDeclined,
    PurchasePaid,
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
