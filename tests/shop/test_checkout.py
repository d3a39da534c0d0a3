"""A purchase from reservation to charge: once, whatever is retried or dies in between."""

import json
import threading
import urllib.request
from datetime import timedelta

import pytest
from foldstack import Rejection
from foldstack.kernel.keys import StreamId

from shop.product import product
from shop.purchase import purchase
from shop.stand_ins.payment_provider import serve

from .facts import NOON, minutes
from .world import ACME, Death, Fate, Shop


@pytest.fixture
def provider():
    server = serve(0, slow_seconds=0.6)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def shop(provider):
    shop = Shop(provider)
    shop.url = provider
    assert shop.process().create(stock=10).status == 201
    return shop


def charges(shop) -> list[tuple[str, str]]:
    with urllib.request.urlopen(shop.url + "/charges") as response:
        return [(item["amount"], item["status"]) for item in json.load(response)["items"]]


def stock(shop, at=NOON):
    stream = shop.process().executor.load(StreamId(ACME, "product", "pen"), product)
    return stream.state.stock, stream.state.available(at), len(stream.state.holds)


def reservation(shop, quantity=2) -> str:
    return shop.process().reserve(quantity).body["reservationId"]


def test_a_purchase_is_paid(shop):
    answer = shop.process().buy(reservation(shop), "tok_ok")
    assert answer.status == 201
    assert answer.body.status == "paid"
    assert str(answer.body.amount.amount) == "39.80"
    assert charges(shop) == [("39.80", "succeeded")]
    assert stock(shop) == (8, 8, 0)


def test_a_declined_purchase_gives_the_reservation_back_before_it_answers(shop):
    answer = shop.process().buy(reservation(shop), "tok_declined")
    assert (answer.status, answer.body["code"]) == (402, "payment-declined")
    assert charges(shop) == [("39.80", "declined")]
    assert stock(shop) == (10, 10, 0)


def test_a_flaky_provider_is_asked_again(shop):
    assert shop.process().buy(reservation(shop), "tok_flaky").status == 201
    assert charges(shop) == [("39.80", "succeeded")]


def test_a_slow_provider_is_waited_for_in_the_queue(shop):
    answer = shop.process(inline=0.2).buy(reservation(shop), "tok_slow")
    assert answer.status == 202
    assert answer.headers["location"].startswith("http://shop/purchases/")
    assert stock(shop) == (10, 8, 1)
    shop.deliver_all()
    assert charges(shop) == [("39.80", "succeeded")]
    assert stock(shop) == (8, 8, 0)


@pytest.mark.parametrize(("token", "status"), [("tok_ok", 201), ("tok_declined", 402)])
def test_a_retry_with_its_key_is_answered_the_same_and_charges_nothing(shop, token, status):
    id = reservation(shop)
    first = shop.process().buy(id, token, key="k")
    again = shop.process(now=NOON + timedelta(days=2)).buy(id, token, key="k")
    assert (first.status, again.status) == (status, status)
    assert first.body == again.body
    assert len(charges(shop)) == 1


def test_a_second_purchase_of_one_reservation_is_refused(shop):
    id = reservation(shop)
    shop.process().buy(id, "tok_ok")
    refused = shop.process().buy(id, "tok_ok")
    assert isinstance(refused, Rejection)
    assert (refused.code, refused.kind) == ("purchase-exists", "conflict")
    assert len(charges(shop)) == 1


def test_an_expired_reservation_is_refused_before_and_after_its_hold_is_gone(shop):
    id = reservation(shop)
    late = NOON + minutes(16)
    assert shop.process(now=late).buy(id, "tok_ok").code == "reservation-expired"
    shop.process(now=late).reserve(1)
    refused = shop.process(now=late).buy(id, "tok_ok")
    assert (refused.code, refused.kind) == ("reservation-expired", "conflict")
    assert charges(shop) == []


def test_a_purchase_begun_in_time_never_sells_what_another_may_reserve(shop):
    """The counter-example to letting the purchase's stream alone decide: the hold would expire while it is paid."""
    id = reservation(shop, 10)
    pending = shop.process(inline=0.2).buy(id, "tok_slow")
    assert pending.status == 202
    other = shop.process(now=NOON + minutes(20)).reserve(1)
    assert (other.code, other.facts) == ("out-of-stock", {"available": 0})
    shop.deliver_all()
    assert stock(shop) == (0, 0, 0)


def steps_of(shop, token: str) -> int:
    fate = Fate()
    shop.process(fate).buy(reservation(shop), token)
    return fate.steps


@pytest.mark.parametrize(("token", "left"), [("tok_ok", 8), ("tok_flaky", 8), ("tok_declined", 10)])
@pytest.mark.parametrize("who", ["queue", "client"])
def test_death_at_every_step_leaves_one_charge_and_the_right_stock(provider, token, left, who):
    """The process dies before and after every call to the store and to the provider; then the delayed queue alone,
    or the client's retry alone, brings the purchase to the end an undisturbed one has."""
    probe = Shop(provider)
    probe.process().create(stock=10)
    steps = steps_of(probe, token)
    assert steps >= 10
    known = len(json.load(urllib.request.urlopen(provider + "/charges"))["items"])
    for die_at in range(1, steps + 1):
        shop = Shop(provider)
        shop.url = provider
        shop.process().create(stock=10)
        id = reservation(shop)
        with pytest.raises(Death):
            shop.process(Fate(die_at)).buy(id, token, key="k")
        begun = any("ReservationClaimed" in c.types for s in shop.store.streams().values() for c in s)
        if who == "client":
            assert shop.process().buy(id, token, key="k").status == (402 if token == "tok_declined" else 201)
            begun = True
        else:
            shop.deliver_all(seed=die_at)
        new = charges(shop)[known:]
        known += len(new)
        assert len(new) == begun, f"died at step {die_at}: {new}"
        assert stock(shop) == ((left, left, 0) if begun else (10, 8, 1)), f"died at step {die_at}"
        for key, commits in shop.store.streams().items():
            if "#purchase#" in key:
                outcomes = [t for c in commits for t in c.types if t != "PurchaseBegan"]
                assert len(outcomes) == 1


def test_a_hundred_purchases_at_once_sell_what_there_is(shop):
    """Twenty buyers of one unit each race for ten; every winner is charged once."""
    answers = []

    def one():
        process = shop.process()
        held = process.reserve(1)
        if isinstance(held, Rejection):
            answers.append(held.code)
        else:
            answers.append(process.buy(held.body["reservationId"], "tok_ok").status)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, answers)) == ["201"] * 10 + ["out-of-stock"] * 10
    assert charges(shop) == [("19.90", "succeeded")] * 10
    assert stock(shop) == (0, 0, 0)


def test_a_purchase_that_never_began_is_not_found(shop):
    stream = shop.process().executor.load(StreamId(ACME, "purchase", "nobody"), purchase)
    assert stream.state.status == ""
    assert shop.process().buy("pen." + "A" * 22, "tok_ok").code == "reservation-expired"
    assert shop.process().buy("unheard-of", "tok_ok").code == "reservation-not-found"
