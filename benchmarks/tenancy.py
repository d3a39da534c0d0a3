"""What a session for each tenant costs a command: requests, processor time and waiting, beside the same command
without it.

With: the command is signed in a session of the tenant's, and the emulator judges the role's conditions. Without: it is
signed with the function's own credentials, and a role that may do everything. Cold is a tenant's first command in a
sandbox: its session is made, and its stream is read.
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from foldstack.aws import clients
from foldstack.kernel.keys import StreamId, Tenant

from shop.product import product

from .calls import CONTEXT, TENANT, Shop, reserve_event
from .measure import Comparison, Sample, Table, compare
from .stage import COMMITS, Stage

WITH, WITHOUT = "a session a tenant", "the function's own role"
PRIOR = 10
_PROCESSOR = "processor time of this process: the emulator's and the waiting for it are not in it"
_ELAPSED = "the emulator answers over loopback: AWS's STS is farther away"


def costs(commands: int = 30, rounds: int = 11) -> dict[str, Comparison | Table]:
    """`requests`, and `warm_…` and `cold_…` of `processor` and `elapsed`."""
    with Stage() as stage:
        bench = _Bench(stage, commands)
        results: dict[str, Comparison | Table] = {"requests": bench.requests()}
        for state in ("warm", "cold"):
            for what, unit, note in (("processor", "µs a command", _PROCESSOR), ("elapsed", "ms a command", _ELAPSED)):
                sides = {WITH: bench.sample(True, state, what), WITHOUT: bench.sample(False, state, what)}
                results[f"{state}_{what}"] = compare(
                    f"Isolation: {what} time of a {state} command",
                    sides,
                    unit=unit,
                    rounds=rounds,
                    faster=False,
                    notes=(note,),
                )
        return results


class _Bench:
    """`commands` streams of PRIOR commits; what a round adds is taken away before the next."""

    def __init__(self, stage: Stage, commands: int) -> None:
        self._stage = stage
        self._ids = [f"oak-{n}" for n in range(commands)]
        shop = Shop(stage)
        for id in self._ids:
            shop.create(id)
            for _ in range(PRIOR - 1):
                shop.reserve(id)
        self._root = stage.root("dynamodb")
        self._handler = stage.functions["http"].handler
        self._executor = stage.functions["http"].executor
        self._sessions = self._executor.store._sessions
        assert self._sessions is not None
        self._fresh = itertools.count()

    def requests(self) -> Table:
        """Counted where they leave this process."""
        rows = []
        for state, isolated in itertools.product(("warm", "cold"), (True, False)):
            with self._isolation(isolated):
                self._restore(self._ids[:1], state)
                with self._sent() as sent:
                    self._run(self._ids[:1])
            asked = {"sts": sent["sts"], "reads": sent["Query"] + sent["GetItem"], "writes": sent["PutItem"]}
            rows.append({"command": f"{state}, {WITH if isolated else WITHOUT}", **asked})
        return Table(
            "Requests of one command, with isolation and without",
            rows,
            ("a session lives for an hour and is renewed five minutes early: that is its one request to STS",),
        )

    def sample(self, isolated: bool, state: str, what: str) -> Sample:
        clock, scale = (time.process_time, 1e6) if what == "processor" else (time.perf_counter, 1e3)

        def measure() -> float:
            with self._isolation(isolated):
                if state == "warm":
                    self._restore(self._ids, state)
                    return self._timed(self._ids, clock) * scale / len(self._ids)
                taken = 0.0
                for id in self._ids:
                    self._restore([id], state)
                    taken += self._timed([id], clock)
                return taken * scale / len(self._ids)

        return measure

    def _timed(self, ids: list[str], clock: Any) -> float:
        events = [reserve_event(id) for id in ids]
        with self._stage.logs():
            began = clock()
            answers = [self._handler(event, CONTEXT) for event in events]
            taken = clock() - began
        assert {answer["statusCode"] for answer in answers} == {201}, answers[0]
        return taken

    def _run(self, ids: list[str]) -> None:
        self._timed(ids, time.perf_counter)

    @contextmanager
    def _isolation(self, on: bool) -> Iterator[None]:
        self._executor.store._sessions = self._sessions if on else None
        try:
            yield
        finally:
            self._executor.store._sessions = self._sessions

    @contextmanager
    def _sent(self) -> Iterator[Counter[str]]:
        sent: Counter[str] = Counter()
        named: dict[str, Any] = {"sts": clients.client("sts"), "dynamodb": clients.commit_table()}

        def count(event_name: str, **_: Any) -> None:
            service, operation = event_name.split(".")[1:]
            sent["sts" if service == "sts" else operation] += 1

        for service, client in named.items():
            client.meta.events.register(f"before-send.{service}", count)
        try:
            yield sent
        finally:
            for service, client in named.items():
                client.meta.events.unregister(f"before-send.{service}", count)

    def _restore(self, ids: list[str], state: str) -> None:
        self._stage.forget()
        if state == "cold":
            self._sessions._held.clear()
        for id in ids:
            stream = StreamId(Tenant(TENANT), "product", id)
            self._root.delete_item(TableName=COMMITS, Key={"p": {"S": stream.key}, "s": {"N": str(PRIOR + 1)}})
            if state == "warm":
                self._executor.current(stream, product)
