"""A view built anew from a store that is full: streams folded by the page, against one delivery after another.

Both sides read and write the same emulator. Its scan looks at the whole table for every page, and it is one process:
parallel segments gain nothing there, and the larger the store, the more of our time is its own.
"""

import contextlib
import itertools
import random
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from foldstack.aws.bodies import Bodies
from foldstack.aws.commit_item import to_item
from foldstack.aws.commit_scan import CommitTableScan
from foldstack.aws.commit_store import DynamoCommitStore
from foldstack.aws.compare import compare as compare_generations
from foldstack.aws.generations import Generations
from foldstack.aws.projector import Projector
from foldstack.aws.rebuild import Rebuild
from foldstack.aws.sweep import CommitTableHeads
from foldstack.aws.view_operations import DynamoViewOperations
from foldstack.kernel.commit import Commit
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.keys import StreamId

from local.emulator import Emulator

from .measure import Comparison, Table, compare
from .stock import TENANT, history
from .stock_view import stocks

EVENTS_A_STREAM = 20
_ONE_BY_ONE = 1500
COMMITS, IDS, VIEW = "stock-commits", "stock-ids", "stock-view"


class Store:
    """An emulator with tables; `fill` puts commits of one event each, twenty to a stream, in no order of streams."""

    def __init__(self, emulator: Emulator) -> None:
        self.client = emulator.client
        self.dynamodb = emulator.client("dynamodb")
        for name, kind in ((COMMITS, "N"), (VIEW, "S")):
            self.dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": "p", "AttributeType": "S"},
                    {"AttributeName": "s", "AttributeType": kind},
                ],
                KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
            )
        self.bodies = Bodies(lambda: emulator.client("s3"), "bodies")
        self.streams: list[StreamId] = []

    def fill(self, events: int) -> None:
        for first in range(len(self.streams), events // EVENTS_A_STREAM, 50):
            new = [StreamId.of(TENANT, "stock", f"oak-{n}") for n in range(first, first + 50)]
            self.streams += new
            commits = [self.commit(stream, n) for stream in new for n in range(1, EVENTS_A_STREAM + 1)]
            random.Random(first).shuffle(commits)
            for begin in range(0, len(commits), 25):
                puts = [{"PutRequest": {"Item": to_item(each, _no_body)}} for each in commits[begin : begin + 25]]
                self.dynamodb.batch_write_item(RequestItems={COMMITS: puts})

    def commit(self, stream: StreamId, version: int) -> Commit:
        return history(stream, version, command_id=f"{stream.id}-{version}")

    def commits(self) -> DynamoCommitStore:
        return DynamoCommitStore(self.dynamodb, COMMITS, IDS, self.bodies)

    def views(self) -> DynamoViewOperations:
        return DynamoViewOperations(self.dynamodb, {stocks.name: VIEW})

    def projector(self, **options: Any) -> Projector:
        return Projector([options.pop("of", stocks)], self.commits(), self.views(), _park, **options)

    def rebuild(self, **options: Any) -> Rebuild:
        scan = CommitTableScan(self.dynamodb, COMMITS, self.bodies)
        quick = {"settled": 0.0, "readers_gone": 0.0, **options}
        return Rebuild(stocks, scan, self.views(), self.projector(), CommitTableHeads(self.dynamodb, COMMITS), **quick)


@contextlib.contextmanager
def opened() -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="foldstack-benchmark-") as home, Emulator(Path(home)) as emulator:
        yield Store(emulator)


def speed(rounds: int = 3, events: int = 100_000) -> Comparison:
    """By the clock: the emulator's time is in it."""
    return _compared(f"a view of {events:,} events built anew", time.perf_counter, rounds, events)


def processor(rounds: int = 3, events: int = 20_000) -> Comparison:
    """Processor time of the process that rebuilds, which a faster store would leave as it is."""
    return _compared("processor time of a view built anew", time.process_time, rounds, events)


def _compared(question: str, clock: Callable[[], float], rounds: int, events: int) -> Comparison:
    with opened() as store:
        store.fill(events)
        generations = itertools.count(1000)

        def ours() -> float:
            mine = store.rebuild(segments=1)
            began = clock()
            mine.build()
            taken = clock() - began
            mine.cancel()
            return taken / events * 1e6

        def one_by_one() -> float:
            projector = store.projector(of=stocks.in_generation(next(generations)))
            some = random.Random(0).sample(store.streams, min(len(store.streams), _ONE_BY_ONE // EVENTS_A_STREAM))
            commits = [store.commit(stream, n) for n in range(1, EVENTS_A_STREAM + 1) for stream in some]
            envelopes = [Envelope.parse(Envelope.of(commit).to_dict("stock")) for commit in commits]
            began = clock()
            for envelope in envelopes:
                projector.project(envelope.stream, [envelope])
            return (clock() - began) / len(envelopes) * 1e6

        return compare(
            question,
            {"rebuild": ours, "one event at a time": one_by_one},
            unit="us an event",
            rounds=rounds,
            faster=True,
            goal=10.0,
            notes=(
                f"{EVENTS_A_STREAM} events to a stream; one at a time is measured on {_ONE_BY_ONE:,} of them",
                "both wait for one emulator, a process of Python whose scan looks at the whole table for each page",
            ),
        )


def memory(most: int = 100_000) -> Table:
    """The most that a rebuild holds at once, as the store grows."""
    rows = []
    with opened() as store:
        for events in (most // 4, most // 2, most):
            store.fill(events)
            mine = store.rebuild(segments=2)
            tracemalloc.start()
            mine.build()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            mine.cancel()
            rows.append({"events": events, "streams": len(store.streams), "peak_mb": round(peak / 1e6, 1)})
    return Table(
        "what a rebuild holds at once",
        rows,
        notes=("of the rebuilding process, Python's own objects; a page of the store has 1 MB, two are read at once",),
    )


def under_load(events: int = 100_000) -> Table:
    """A rebuild while commands keep coming: how many, and that nothing differs afterwards."""
    with opened() as store:
        store.fill(events)
        feeding = store.projector(generations=Generations(store.views, 0.0))
        done, written = threading.Event(), []

        def write() -> None:
            commits, rng = store.commits(), random.Random(1)
            tips = dict.fromkeys(store.streams, EVENTS_A_STREAM + 1)
            while not done.is_set():
                stream = rng.choice(store.streams)
                commit = store.commit(stream, tips[stream])
                assert commits.append(commit) is None
                tips[stream] += 1
                written.append(commit)
                feeding.project(stream, [Envelope.of(commit)])

        store.rebuild().build()
        store.rebuild().switch()
        store.rebuild().finish()
        writer = threading.Thread(target=write)
        writer.start()
        began = time.perf_counter()
        try:
            store.rebuild(segments=2).build()
        finally:
            taken = time.perf_counter() - began
            done.set()
            writer.join()
        found = compare_generations(stocks, store.views())
        row = {
            "events": events,
            "seconds": round(taken, 1),
            "commands_meanwhile": len(written),
            "rows": found.same,
            "differing": found.different + found.only_live + found.only_other + found.behind,
        }
        if not found.equal:
            raise AssertionError(f"the new generation differs: {row}")
        return Table("a rebuild while commands keep coming", [row])


def _park(kind: str, reason: str, **pointer: Any) -> None:
    raise AssertionError(f"nothing should be parked: {reason} {pointer}")


def _no_body(*_: Any) -> str:
    raise AssertionError("these commits are small")
