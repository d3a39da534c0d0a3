"""A reservation that nobody buys ends by itself, as an event, once; one that is being bought does not."""

import pytest
from foldstack import given
from foldstack.kernel.keys import StreamId

from shop.product import ExpireReservation, ReservationExpired, ReservationSold, product

from .facts import QUARTER_PAST, claimed, created, ended, minutes, reserved
from .world import ACME, Death, Fate, Shop


def expire(id: str = "a", at=QUARTER_PAST) -> ExpireReservation:
    return ExpireReservation(product_id="pen", reservation_id=id, at=at)


EXPIRED = ReservationExpired(**ended("a", claimed=False))


def test_a_hold_whose_time_is_over_expires():
    given(product, created(), reserved("a")).when(expire()).then(EXPIRED).then_state(holds={}, stock=10)


@pytest.mark.parametrize(
    "history",
    [
        [reserved("a", until=QUARTER_PAST + minutes(1))],  # not over
        [reserved("a"), claimed("a")],  # being bought
        [reserved("a"), claimed("a"), ReservationSold(**ended("a"))],
        [reserved("a"), EXPIRED],  # found by another reservation before
        [reserved("b")],
    ],
)
def test_otherwise_nothing_happens(history):
    given(product, created(), *history).when(expire()).then()


@pytest.fixture
def shop():
    shop = Shop("http://nowhere.invalid")
    shop.process().create(stock=10)
    return shop


def types(shop):
    return [type for commit in shop.store.since(StreamId(ACME, "product", "pen"), 1).commits for type in commit.types]


@pytest.mark.parametrize("twice", [False, True])
def test_a_reservation_expires_by_itself_once(shop, twice):
    shop.process().reserve(2)
    shop.deliver_all()
    assert shop.fire(QUARTER_PAST - minutes(1)) == 0
    assert shop.fire(QUARTER_PAST, twice) == 1
    shop.deliver_all()
    assert shop.fire(QUARTER_PAST) == 1, "delivered again, the message has set it again"
    assert types(shop) == ["ProductCreated", "ProductReserved", "ReservationExpired"]


def test_a_reservation_whose_message_comes_late_expires_at_once(shop):
    """The queue was stopped for longer than the reservation lived: nothing is kept, and nothing is lost."""
    shop.process().reserve(2)
    (commit,) = [c for c in shop.store.since(StreamId(ACME, "product", "pen"), 2).commits]
    reactor = shop.process(now=QUARTER_PAST + minutes(60)).reactor
    reactor.drive(commit, reactor._executor.clock() + 30)
    assert types(shop)[-1] == "ReservationExpired"
    assert not shop.timer.waiting


def test_a_reservation_waits_for_no_timer(shop):
    """A request is one write: the queue sets the timer."""
    fate = Fate()
    shop.process(fate).reserve(2)
    assert not shop.timer.waiting
    assert fate.steps == 4, "the stream is read, and one commit is put"


def test_death_at_every_step_leaves_one_timer_and_one_event(shop):
    probe = Fate()
    shop.process().reserve(1)
    (commit,) = [c for c in shop.store.since(StreamId(ACME, "product", "pen"), 2).commits]
    reactor = shop.process(probe).reactor
    reactor.drive(commit, reactor._executor.clock() + 30)
    assert probe.steps == 2, "before and after the timer is set"
    for die_at in (1, 2):
        shop = Shop("http://nowhere.invalid")
        shop.process().create(stock=10)
        shop.process().reserve(1)
        (commit,) = [c for c in shop.store.since(StreamId(ACME, "product", "pen"), 2).commits]
        reactor = shop.process(Fate(die_at)).reactor
        with pytest.raises(Death):
            reactor.drive(commit, reactor._executor.clock() + 30)
        shop.deliver_all(seed=die_at)
        assert len(shop.timer.waiting) == 1
        assert shop.fire(QUARTER_PAST, twice=True) == 1
        assert types(shop).count("ReservationExpired") == 1
