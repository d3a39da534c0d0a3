"""A view store in memory, and what watches, schedules and kills the calls of a consumer."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from foldstack.aws import view_rows
from foldstack.aws.view_operations import generation_of
from foldstack.aws.view_rows import Item, LeadRow
from foldstack.aws.view_store import RowScan, ScannedRow
from foldstack.kernel.errors import StoreThrottled, StoreTimeout
from foldstack.kernel.generations import Control
from foldstack.kernel.keys import StreamId


class MemoryViewStore:
    """The port of `foldstack.aws.view_store` over dicts of items; the suite of the port holds it to DynamoDB."""

    def __init__(self, seed: int = 0) -> None:
        self.items: dict[str, dict[tuple[str, str], Item]] = {}
        self._rng = random.Random(seed)
        self._controls: dict[tuple[str, int], Control] = {}
        self._positions: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def check(self, projection, lead: LeadRow) -> None:
        view_rows.check_item(lead)

    def read(self, projection, stream, consistent=True) -> LeadRow | None:
        item = self._table(projection).get((view_rows.partition(projection, stream.tenant), stream.id))
        return None if item is None else view_rows.from_item(item)

    def write(self, projection, stream, before: LeadRow | None, after: LeadRow, changes) -> bool:
        table = self._table(projection)
        key = (view_rows.partition(projection, stream.tenant), stream.id)
        with self._lock:
            there = view_rows.from_item(table[key]) if key in table else None
            if _identity(there) != _identity(before):
                return False
            table[key] = view_rows.to_item(*key, after)
            for total, fields in changes.items():
                shard = view_rows.shard_key(total, self._rng.randrange(view_rows.SHARDS))
                at = (view_rows.totals_partition(projection, stream.tenant), shard)
                item = table.setdefault(at, {"p": {"S": at[0]}, "s": {"S": at[1]}})
                for name, change in view_rows.added(fields).items():
                    old = item.get(name, {"N": "0"})["N"]
                    item[name] = {"N": str(view_rows.exact(old) + view_rows.exact(change["N"]))}
        return True

    def rows(self, projection, tenant, after, expected) -> Iterator[tuple[str, LeadRow]]:
        partition = view_rows.partition(projection, tenant)
        for (p, id), item in sorted(self._table(projection).items()):
            if p == partition and (after is None or id > after) and "dead" not in item:
                yield id, view_rows.from_item(item)

    def totals(self, projection, tenant, key=None, consistent=False):
        partition = view_rows.totals_partition(projection, tenant)
        found = view_rows.totals_from(i for (p, _), i in self._table(projection).items() if p == partition)
        return found if key is None else {key: found[key]} if key in found else {}

    def scan(self, projection, other_than, after) -> RowScan:
        suffix = view_rows.suffix(projection)
        rows = [
            ScannedRow(p.removesuffix(suffix), id, view_rows.from_item(item))
            for (p, id), item in sorted(self._table(projection).items())
            if p.endswith(suffix) and int(item["e"]["N"]) != other_than
        ]
        return RowScan(rows, None)

    def control(self, projection, consistent=True) -> Control:
        return self._controls.get((projection.name, projection.version), Control())

    def keep_control(self, projection, before: Control, after: Control) -> bool:
        with self._lock:
            if self.control(projection).revision != before.revision:
                return False
            self._controls[projection.name, projection.version] = Control.from_dict(after.to_dict())
        return True

    def read_many(self, projection, streams) -> dict[StreamId, LeadRow]:
        found = {each: self.read(projection, each) for each in streams}
        return {stream: lead for stream, lead in found.items() if lead is not None}

    def write_many(self, projection, writes) -> list[bool]:
        return [self.write(projection, *each) for each in writes]

    def leads(self, projection, after=None, parked=False) -> RowScan:
        """In pages of a few rows, so that whoever reads them has to go on."""
        suffix = view_rows.suffix(projection)
        keys = sorted(key for key in list(self._table(projection)) if key[0].endswith(suffix))
        start = after or 0
        page = [(key, view_rows.from_item(self._table(projection)[key])) for key in keys[start : start + 3]]
        rows = [ScannedRow(p.removesuffix(suffix), id, lead) for (p, id), lead in page if lead.parked or not parked]
        return RowScan(rows, start + 3 if start + 3 < len(keys) else None)

    def remove(self, projection, keep, latest, after=None):
        numbers = [(key, generation_of(projection, key[0])) for key in list(self._table(projection))]
        doomed = [key for key, number in numbers if number and number <= latest and number not in keep]
        for key in doomed:
            del self._table(projection)[key]
        return len(doomed), None

    def position(self, sweep):
        return self._positions.get(sweep)

    def keep_position(self, sweep, position) -> None:
        self._positions[sweep] = position

    def _table(self, projection) -> dict[tuple[str, str], Item]:
        return self.items.setdefault(projection.name, {})


def _identity(lead: LeadRow | None) -> Any:
    return lead and (lead.cursor, lead.epoch, lead.parked)


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


class Watched:
    """Wraps a port or a client. `calls` names each call; `before` and `after` are told of it, and may raise."""

    def __init__(
        self,
        inner: Any,
        before: Callable[[str], None] = lambda name: None,
        after: Callable[[str], None] = lambda name: None,
        calls: list[str] | None = None,
    ) -> None:
        self.inner = inner
        self.calls = [] if calls is None else calls
        self.before = before
        self.after = after

    def __getattr__(self, name: str) -> Any:
        target = getattr(self.inner, name)
        requests = callable(target) and name != "check"  # which asks nobody
        return self._wrapped(name, target) if requests else target

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrapped("park", self.inner)(*args, **kwargs)

    def _wrapped(self, name: str, target: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            self.before(name)
            answer = target(*args, **kwargs)
            self.after(name)
            return answer

        return call


class Death:
    """Dies before or after one call of several ports, counted together; None lets live, and counts."""

    def __init__(self, before: int | None = None, after: int | None = None) -> None:
        self.begun = self.ended = 0
        self._before, self._after = before, after

    def before(self, name: str) -> None:
        self.begun += 1
        if self.begun - 1 == self._before:
            raise Crash(f"before {name}")

    def after(self, name: str) -> None:
        self.ended += 1
        if self.ended - 1 == self._after:
            raise Crash(f"after {name}")


class Weather:
    """Some calls are refused before they are done, some time out before or after: by seed."""

    def __init__(self, rng: random.Random, rate: float) -> None:
        self._rng, self._rate = rng, rate

    def before(self, name: str) -> None:
        roll = self._rng.random()
        if roll < self._rate / 2:
            raise StoreThrottled(name)
        if roll < self._rate:
            raise StoreTimeout(name)

    def after(self, name: str) -> None:
        if self._rng.random() < self._rate:
            raise StoreTimeout(name)


class Turns:
    """A deterministic scheduler: of several threads one runs at a time, and the seed says which goes on."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._back = threading.Semaphore(0)
        self._go: dict[int, threading.Semaphore] = {}
        self._faults: list[BaseException] = []

    def run(self, tasks: list[Callable[[], None]]) -> None:
        threads = [threading.Thread(target=self._main, args=(task,), daemon=True) for task in tasks]
        alive = []
        for thread in threads:
            thread.start()
            self._back.acquire()
            alive.append(thread)
        by_thread = {thread: self._go[thread.ident or 0] for thread in threads}
        while alive:
            thread = self._rng.choice(alive)
            by_thread[thread].release()
            self._back.acquire()
            if thread.ident not in self._go:
                alive.remove(thread)
                thread.join()
        if self._faults:
            raise self._faults[0]

    def pause(self, name: str = "") -> None:
        """Another thread may go on here."""
        mine = self._go[threading.get_ident()]
        self._back.release()
        mine.acquire()

    def _main(self, task: Callable[[], None]) -> None:
        self._go[threading.get_ident()] = threading.Semaphore(0)
        self.pause()
        try:
            task()
        except BaseException as fault:  # noqa: BLE001 - handed to the test's own thread
            self._faults.append(fault)
        del self._go[threading.get_ident()]
        self._back.release()


class Clock:
    """Time passes only in sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeEvents:
    """EventBridge: keeps what it takes; `verdict(entry)` answers an error code or None."""

    def __init__(self, verdict: Callable[[Mapping[str, str]], str | None] = lambda entry: None) -> None:
        self.taken: list[Mapping[str, str]] = []
        self.requests: list[list[Mapping[str, str]]] = []
        self.verdict = verdict

    def put_events(self, Entries: list[Mapping[str, str]]) -> dict[str, Any]:
        self.requests.append(Entries)
        answers = []
        for entry in Entries:
            code = self.verdict(entry)
            if code is None:
                self.taken.append(entry)
            answers.append({"ErrorCode": code, "ErrorMessage": "no"} if code else {"EventId": "1"})
        return {"Entries": answers, "FailedEntryCount": sum("ErrorCode" in a for a in answers)}


class Parked(list):
    """Stands for the parking queue: a list of what was parked."""

    def __call__(self, kind: str, reason: str, **pointer: Any) -> None:
        self.append({"kind": kind, "reason": reason, **pointer})
