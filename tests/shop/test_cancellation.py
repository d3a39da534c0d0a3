"""A purchase that is not paid in time: charged and sold, or neither, in whatever order things happen."""

import contextlib
import json
import threading
import urllib.request
from http.server import ThreadingHTTPServer

import pytest
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import OperationRefused
from foldstack.kernel.keys import StreamId
from foldstack.kernel.reaction import OutcomePending
from foldstack.kernel.saga_operations import Order, SagaOperations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shop import payments
from shop.checkout import checkout
from shop.product import product
from shop.purchase import CancelPurchase, purchase
from shop.reservation_id import ReservationId
from shop.service import service
from shop.stand_ins.payment_provider import serve

from .facts import NOON, PRICE, minutes
from .world import ACME, Death, Fate, Shop

LATE = NOON + minutes(31)
TOKENS = ("tok_ok", "tok_declined", "tok_flaky", "tok_lost")


@pytest.fixture(scope="module")
def provider():
    server = serve(0, slow_seconds=0.5)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Store(Shop):
    """A shop with one product, and one reservation that is claimed but not driven any further."""

    def __init__(self, provider: ThreadingHTTPServer, token: str) -> None:
        self.url = f"http://127.0.0.1:{provider.server_address[1]}"
        super().__init__(self.url)
        self.process().create(stock=10)
        self.reservation = self.process().reserve(2).body["reservationId"]
        assert self.process(inline=0.0).buy(self.reservation, token, key="k").status == 202
        self.purchase_id = ReservationId.parse(self.reservation).purchase_id

    def commits(self):
        return [commit for commits in self.store.streams().values() for commit in commits]

    def deliver(self, type_name: str, fate: Fate | None = None, now=NOON) -> None:
        """The messages of a type of event, once; what is still open is delivered again another time."""
        for commit in self.commits():
            if type_name in commit.types:
                reactor = self.process(fate, now=now).reactor
                with contextlib.suppress(OutcomePending, Death):
                    reactor.drive(Envelope.of(commit), reactor._executor.clock() + 30)

    def begin(self) -> None:
        """The purchase begins, and the provider has not heard of it."""
        self.outage(True)
        self.deliver("ReservationClaimed")
        self.outage(False)

    def outage(self, down: bool) -> None:
        body = json.dumps({"down": down}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/outage", body, method="PUT")).close()

    def cancel(self) -> None:
        command = CancelPurchase(purchase_id=self.purchase_id, reason="too late")
        self.process().executor.execute(purchase, ACME, command, CommandContext("cancel"))

    def charges(self) -> list[str]:
        with urllib.request.urlopen(self.url + "/charges") as response:
            items = json.load(response)["items"]
        return [item["status"] for item in items if item["reference"] == self.purchase_id]

    def status(self) -> str:
        return self._state("purchase", self.purchase_id, purchase).status

    def stock(self) -> tuple[int, int]:
        state = self._state("product", "pen", product)
        return state.stock, len(state.holds)

    def _state(self, category, id, aggregate):
        return self.process().executor.load(StreamId(ACME, category, id), aggregate, consistent=True).state

    def row(self):
        row = None
        for commit in self.store.since(StreamId(ACME, "purchase", self.purchase_id), 1).commits:
            about = commit.stream.id, commit.time, commit.causation, commit.reaction
            row = checkout.projection.apply(row, commit.stored, *about)
        return row

    def assert_over(self) -> str:
        """Sold and charged; or free again, and charged nothing."""
        status, charges, stock = self.status(), self.charges(), self.stock()
        allowed = {
            "paid": ([["succeeded"]], (8, 0)),
            "declined": ([["declined"]], (10, 0)),
            "cancelled": ([["refunded"], ["cancelled"], ["declined"]], (10, 0)),
        }
        assert status in allowed, status
        assert charges in allowed[status][0], (status, charges)
        assert stock == allowed[status][1], (status, stock)
        return status


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """One call an attempt: the queue comes again."""
    monkeypatch.setattr(payments, "_LONGEST_TROUBLE", 0.0)


def test_what_is_not_paid_in_time_is_cancelled_and_released(provider):
    shop = Store(provider, "tok_lost")
    shop.deliver("ReservationClaimed")
    shop.deliver("PurchaseBegan")
    assert (shop.status(), shop.charges()) == ("pending", ["succeeded"])
    assert shop.fire(LATE - minutes(2)) == 0
    assert shop.fire(LATE) == 1
    assert shop.status() == "cancelling"
    shop.outage(True)
    shop.deliver("PurchaseCancelling")
    shop.outage(False)
    assert (shop.status(), shop.stock()) == ("cancelling", (10, 1)), "an unknown outcome is never released"
    shop.deliver_all()
    assert shop.assert_over() == "cancelled"
    assert shop.charges() == ["refunded"]
    assert shop.row().status == "cancelled"
    assert not shop.provider.charge(shop.purchase_id, PRICE, "tok_lost", seconds=5).succeeded


def test_what_was_never_charged_cannot_be_charged_any_more(provider):
    shop = Store(provider, "tok_ok")
    shop.begin()
    shop.cancel()
    shop.deliver_all()
    assert shop.assert_over() == "cancelled"
    assert shop.charges() == ["cancelled"]
    answer = shop.provider.charge(shop.purchase_id, PRICE, "tok_ok", seconds=5)
    assert (answer.succeeded, answer.reason) == (False, "cancelled before it was charged")
    assert shop.charges() == ["cancelled"]


def test_a_charge_that_is_under_way_is_refused_by_the_cancellation(provider):
    """The provider is asked to cancel while it is charging."""
    shop = Store(provider, "tok_slow")
    shop.begin()
    charging = threading.Thread(target=shop.deliver, args=("PurchaseBegan",))
    charging.start()
    while shop.purchase_id not in provider.RequestHandlerClass.charges._attempts:
        assert charging.is_alive()
    shop.cancel()
    shop.deliver("PurchaseCancelling")
    assert shop.status() == "cancelled"
    charging.join()
    shop.deliver_all()
    assert shop.assert_over() == "cancelled"
    assert shop.charges() == ["cancelled"]


def test_a_purchase_that_is_paid_has_no_timeout(provider):
    shop = Store(provider, "tok_ok")
    shop.deliver_all()
    assert shop.status() == "paid"
    shop.timer.waiting.clear()
    shop.deliver("PurchaseBegan")
    assert not shop.timer.waiting
    assert shop.assert_over() == "paid"


def test_a_request_sets_no_timer(provider):
    shop = Store(provider, "tok_ok")
    assert shop.process().buy(shop.reservation, "tok_ok", key="k").status == 201
    assert not shop.timer.waiting
    shop.deliver_all()
    assert [each.command.type_name for each in shop.timer.waiting.values()] == ["ExpireReservation"]


def test_its_client_is_told_that_it_was_cancelled(provider):
    shop = Store(provider, "tok_lost")
    shop.deliver("ReservationClaimed")
    shop.deliver("PurchaseBegan")
    shop.fire(LATE)
    shop.deliver("PurchaseCancelling")
    answer = shop.process(now=LATE).buy(shop.reservation, "tok_lost", key="k")
    assert (answer.status, answer.body["code"]) == (409, "purchase-cancelled")
    assert "it was not paid in time" in answer.body["detail"]
    refused = shop.process(now=LATE).buy(shop.reservation, "tok_ok")
    assert refused.facts == {"purchaseStatus": "cancelled"}


def test_cancelled_by_hand_until_it_is_paid(provider):
    shop = Store(provider, "tok_lost")
    shop.deliver("ReservationClaimed")
    operations = SagaOperations(service, shop.process().executor)
    stream = StreamId(ACME, "purchase", shop.purchase_id)
    operations.cancel(Order(stream, "ann", "the customer called", "k"))
    shop.deliver_all()
    assert shop.assert_over() == "cancelled"
    paid = Store(provider, "tok_ok")
    paid.deliver_all()
    with pytest.raises(OperationRefused, match="the purchase is paid: it is too late to cancel it"):
        SagaOperations(service, paid.process().executor).cancel(
            Order(StreamId(ACME, "purchase", paid.purchase_id), "ann", "why", "k")
        )


MESSAGES = ("ReservationClaimed", "PurchaseBegan", "PurchaseCancelling", "PurchaseCancelled", "PurchasePaid")
moves = st.one_of(
    st.tuples(st.just("deliver"), st.sampled_from(MESSAGES), st.one_of(st.none(), st.integers(1, 14))),
    st.tuples(st.just("fire")),
    st.tuples(st.just("client"), st.one_of(st.none(), st.integers(1, 20))),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.sampled_from(TOKENS), history=st.lists(moves, max_size=8))
def test_in_any_order_it_is_sold_and_charged_or_neither(provider, token, history):
    """Messages, timeouts and clients in any order, repeated, each of which may die at any step."""
    shop = Store(provider, token)
    for move in history:
        match move:
            case ("deliver", type_name, dies):
                shop.deliver(type_name, Fate(dies))
            case ("fire",):
                shop.fire(LATE, twice=True)
            case ("client", dies):
                with contextlib.suppress(Death):
                    shop.process(Fate(dies), inline=5.0).buy(shop.reservation, token, key="k")
    shop.deliver("ReservationClaimed")
    for _ in range(2):
        shop.deliver("PurchaseBegan")
    shop.fire(LATE)
    shop.deliver_all()
    shop.assert_over()
    assert shop.row().status in ("ended", "cancelled")
