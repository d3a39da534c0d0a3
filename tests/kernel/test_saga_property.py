"""Any order of deliveries, failures, deaths, timeouts and orders: every saga ends, or is shown as stuck."""

import contextlib
from datetime import timedelta

from foldstack.kernel.errors import InvalidValue, OperationRefused
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.faults import Crash, FaultyStore

from .travel import TRACE, Travel
from .trips import HOUR, KINDS, NOW

TRIPS = ("a", "b")

steps = st.one_of(
    st.tuples(st.just("deliver"), st.integers(0, 5), st.sampled_from([None, None, 0, 1, 2, 4])),
    st.tuples(st.just("faults"), st.lists(st.sampled_from(["refused", "lost", "broken", ""]), max_size=4)),
    st.tuples(st.just("fire"), st.integers(1, 90)),
    st.tuples(st.just("again"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["retry", "skip", "cancel"]), st.sampled_from(TRIPS)),
    st.tuples(st.just("refuse"), st.sampled_from(KINDS)),
)


def take(travel: Travel, step: tuple) -> None:
    match step:
        case ("deliver", which, dies):
            travel.publish()
            waiting = list(travel.messages)
            if waiting:
                store = FaultyStore(travel.memory)
                store.die_after = dies
                travel.store = store
                with contextlib.suppress(Crash):
                    travel.deliver(waiting[which % len(waiting)])
                travel.store = travel.memory
        case ("faults", faults):
            travel.agency.faults = list(faults)
        case ("fire", minutes):
            travel.fire(travel.now + timedelta(minutes=minutes))
        case ("again", which):
            published = sorted(travel._seen)
            if published:
                travel.messages.setdefault(published[which % len(published)], 0)
        case ("refuse", kind):
            travel.agency.refuses ^= {kind}
        case (order, trip):
            with contextlib.suppress(OperationRefused, InvalidValue):
                travel.order(order, trip, step=next(iter(each.step for each in _stuck(travel, trip)), ""))


def _stuck(travel: Travel, trip: str):
    row = travel.row(trip)
    return row.stuck if row else ()


@settings(max_examples=150, deadline=None)
@given(history=st.lists(steps, max_size=30), limited=st.booleans())
def test_every_saga_ends_or_is_shown_as_stuck(history, limited):
    travel = Travel(limit=1 if limited else 1000)
    for trip in TRIPS:
        travel.begin(trip, deadline=NOW + HOUR)
    for step in history:
        take(travel, step)
    rest(travel)
    assert travel.dead == []
    for trip in TRIPS:
        row = travel.row(trip)
        assert row.status in ("ended", "cancelled", "stuck") or "skipped" in travel.steps(trip).values(), row
        for kind in KINDS:
            assert travel.agency.made[kind, trip] <= 1
            assert travel.agency.undone[kind, trip] <= travel.agency.made[kind, trip]
    # Somebody looks after those that are stuck, and the outside world is well again.
    travel.agency.faults = []
    for trip in TRIPS:
        for each in _stuck(travel, trip):
            travel.order("skip" if each.error.startswith("rejected") else "retry", trip, step=each.step)
    rest(travel)
    for trip in TRIPS:
        over(travel, trip)


def rest(travel: Travel) -> None:
    """Nothing is under way any more, and every timeout is over."""
    travel.drain()
    while travel.timer.waiting:
        travel.fire(max(each.at for each in travel.timer.waiting.values()))
        travel.drain()
    travel.drain()


def over(travel: Travel, trip: str) -> None:
    row, shown = travel.row(trip), travel.steps(trip)
    assert row.stuck == (), row
    booked = {kind for kind in KINDS if travel.agency.there.get((kind, trip)) == "booked"}
    if row.phase == "ended":
        assert travel.types(trip).count("TripBooked") == 1
        assert booked == set(KINDS) or "skipped" in shown.values()
        assert not any(travel.agency.undone[kind, trip] for kind in KINDS)
    else:
        for kind in KINDS:
            if shown.get(f"return_{kind}") == "done":
                assert kind not in booked
                assert travel.agency.undone[kind, trip] == travel.agency.made[kind, trip]
        assert row.phase == "cancelled" or "skipped" in shown.values(), (row, shown)
    for commit in travel.commits(trip):
        assert (commit.correlation, commit.traceparent) == (f"corr-{trip}", TRACE)
    types = travel.types(trip)
    for kind in ("TripBooked", "TripCancelled"):
        assert types.count(kind) <= 1
