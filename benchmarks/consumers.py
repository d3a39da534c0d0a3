"""Events a second through each consumer to each store, against one statement for each event, in the same run.

A delivery is what Lambda hands to the projector's function: records as a queue that EventBridge feeds has them, one
that SNS feeds, or a Kinesis stream. Ours is the function, from decoding to its answer. The peer (`plain_statements`)
gets the very same records. Both end in the same rows, which is checked.
"""

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from . import consumer_stores
from .consumer_stores import Consumers, Projecting
from .deliveries import SHAPES, Record, batches
from .measure import Table, quartiles, take_turns
from .metered import Meter
from .plain_statements import Plain
from .stage import silence

STORES: dict[str, Callable[[], contextlib.AbstractContextManager[Consumers]]] = {
    "dynamodb": consumer_stores.dynamodb,
    "data_api": consumer_stores.data_api,
    "psycopg": consumer_stores.over_psycopg,
}


class Delivery(NamedTuple):
    """`batch` is how many events a function is given at once, `together` how many of those are of one stream."""

    road: str
    batch: int
    together: int


DELIVERIES = [
    Delivery("eventbridge", 1, 1),
    Delivery("eventbridge", 10, 1),
    Delivery("eventbridge", 10, 10),
    Delivery("sns", 10, 1),
    Delivery("sns", 10, 10),
    Delivery("kinesis", 10, 1),
    Delivery("kinesis", 100, 1),
    Delivery("kinesis", 100, 10),
]
"""Queues give at most 10 and a stream 100, as the components set them; under little load there is one at a time."""

_SIDES = ("ours", "plain")
AWAY = 1000.0
"""Microseconds of a round trip, for a column that is reckoned: here the store is on the same machine."""


def compared(store: str, rounds: int = 3, events: int = 400) -> dict[str, Table]:
    """The rates, and the counts, of one store."""
    with STORES[store]() as consumers:
        runs = [_Run(consumers, delivery, rounds, events) for delivery in DELIVERIES]
    return {
        f"consumers_{store}": Table(
            f"Events a second into {_NAMES[store]}, against a statement for each event",
            [run.rates() for run in runs],
            notes=(
                f"{rounds} rounds of {events} events; ratios are the median round's, quartiles beside them",
                "cpu is processor time of this process: the store's, and the waiting for it, are not in it",
                "1 ms away is reckoned, not measured: a millisecond more for each request of either side; and this "
                "PostgreSQL does not wait for a disk when it commits",
            ),
        ),
        f"consumers_{store}_counts": Table(
            f"What an event costs in {_NAMES[store]}",
            [run.counts(side) for run in runs if run.delivery.road != "sns" for side in _SIDES],
            notes=("counted, not timed: on any machine the same",),
        ),
    }


_NAMES = {
    "dynamodb": "DynamoDB (the emulator's)",
    "data_api": "PostgreSQL over the Data API (the emulator's)",
    "psycopg": "PostgreSQL over psycopg",
}
_tenants = itertools.count(1)


class _Run:
    """One delivery, taken by both sides in turns."""

    def __init__(self, consumers: Consumers, delivery: Delivery, rounds: int, events: int) -> None:
        self.delivery = delivery
        self._consumers = consumers
        self._rounds = [f"t{next(_tenants)}" for _ in range(rounds)]
        self._events = events
        self._cpu: dict[str, list[float]] = {side: [] for side in _SIDES}
        self._used: dict[str, dict[str, float]] = {}
        sides: dict[str, Projecting | Plain] = {"ours": consumers.ours, "plain": consumers.plain}
        for side in sides.values():  # what is loaded, rendered and connected at first is of no event
            self._give(side, f"t{next(_tenants)}", min(events, 2 * delivery.batch))
        self._clock = take_turns({name: self._sample(name, side) for name, side in sides.items()}, rounds)
        for tenant in self._rounds:
            ours, plain = consumers.ours.rows(tenant), consumers.plain.rows(tenant)
            if ours != plain or sum(next - 1 for _, _, next in ours.values()) != events:
                raise AssertionError(f"{delivery}: {ours} is not {plain}, or not {events} events")

    def rates(self) -> dict[str, Any]:
        row: dict[str, Any] = self._labels()
        for side in _SIDES:
            row[f"{side}_per_s"] = round(1e6 / statistics.median(self._clock[side]))
        ratios = [plain / ours for ours, plain in zip(*(self._clock[side] for side in _SIDES), strict=True)]
        low, high = quartiles(ratios)
        row |= {"ratio": statistics.median(ratios), "quartiles": f"{low:.2f} to {high:.2f}"}
        for side in _SIDES:
            row[f"{side}_cpu_us"] = statistics.median(self._cpu[side])
        ours, plain = (statistics.median(self._clock[side]) + self._used[side]["requests"] * AWAY for side in _SIDES)
        return {**row, "ratio_1ms_away": plain / ours}

    def counts(self, side: str) -> dict[str, Any]:
        return {**self._labels(), "side": side, **self._used[side]}

    def _labels(self) -> dict[str, Any]:
        return {"road": self.delivery.road, "batch": self.delivery.batch, "of_one_stream": self.delivery.together}

    def _sample(self, name: str, side: Projecting | Plain) -> Callable[[], float]:
        tenants = iter(self._rounds)

        def sample() -> float:
            before, logged = asdict(side.meter), self._consumers.wal
            wall, cpu = self._give(side, next(tenants), self._events)
            self._used[name] = self._per_event(before, side.meter, logged)
            self._cpu[name].append(cpu / self._events * 1e6)
            return wall / self._events * 1e6

        return sample

    def _give(self, side: Projecting | Plain, tenant: str, events: int) -> tuple[float, float]:
        """Seconds by the clock and of the processor that the whole delivery takes."""
        delivery = self.delivery
        deliveries: list[list[Record]] = [
            [SHAPES[delivery.road](envelope) for envelope in batch]
            for batch in batches(tenant, events, delivery.batch, delivery.together)
        ]
        with silence():
            wall, cpu = time.perf_counter(), time.process_time()
            for records in deliveries:
                side.consume(records)
            return time.perf_counter() - wall, time.process_time() - cpu

    def _per_event(self, before: dict[str, float], meter: Meter, logged: int | None) -> dict[str, float]:
        used = {name: (value - before[name]) / self._events for name, value in asdict(meter).items()}
        if logged is not None and (now := self._consumers.wal) is not None:
            used["wal_bytes"] = (now - logged) / self._events
        return {name: round(value, 3) for name, value in used.items() if value}
