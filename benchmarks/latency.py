"""From the answer of a command to its row in a view, on every road and into both kinds of store, on the laptop cloud.

A client creates a product and asks for it without a token, again and again, until it is there. How long each station
had the commit is read off the event sources, which call the functions from this process. Beside it stands the least
that the same services need on the same emulator (`bare_hop`), and the `GET` that need not wait: the one with a token.
"""

import http.client
import json
import random
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from foldstack.handlers.delivered import envelope_of

from local.cloud import LaptopCloud
from local.event_sources import EventSource
from local.invocation import Crash, Invocation, Invoke
from local.operations.connection import Connection
from local.tokens import Tokens

from .bare_hop import BareHop
from .measure import Table, percentile
from .unpacked import ROOT

READ_MODELS = ("dynamodb", "postgres")
STATIONS = ("relay", "projector")
PARTS = ("answer to relay", "relay", "road", "projector to client", "of it the projector", "of it the GET")
_TENANT = "acme"
_ASK_AGAIN = 0.005
_LONGEST_PAUSE = 0.1
_DEADLINE = 30.0
_WARM = 10
_NOTES = (
    "milliseconds; commands come one by one, 0 to 100 ms apart; seen: from the command's answer to that of the first "
    "GET that has the row, asked for every 5 ms; with token: one GET, at once after another command",
    "bare: put, stream record and one hop of the road, by one thread that never rests, without functions; commands and "
    "bare chains take turns",
)
_LAPTOP = (
    "on the laptop the pollers' rest is in the first part and in the road: a source that found nothing sleeps 10 ms, "
    "then longer, up to 100; all else is processor time of one machine, the emulator's the most",
    "on AWS Lambda's pollers ask a DynamoDB stream 4 times a second, a Kinesis shard once a second, and keep a long "
    "poll open on a queue; EventBridge and SNS add their own tens of milliseconds; a cold start comes on top",
    "batching windows are ours to set, and none adds to it: MaximumBatchingWindowInSeconds is 0 for queues "
    "(components/consumer_queue.py) and left at its default of 0 for the relay and for Kinesis",
)


class Call(NamedTuple):
    """One call of a function by an event source, on this process's clock."""

    began: float
    ended: float


@dataclass
class Timeline:
    """When which function was called for which stream."""

    counted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATIONS, 0))
    _calls: dict[tuple[str, str], Call] = field(default_factory=dict)
    _more: threading.Condition = field(default_factory=threading.Condition)

    def of(self, station: str, stream: str) -> Call:
        """The call that had a stream's first commit; it may be under way."""
        with self._more:
            assert self._more.wait_for(lambda: (station, stream) in self._calls, _DEADLINE), f"{station}: {stream}"
            return self._calls[station, stream]

    def watch(self, source: EventSource) -> None:
        for station in STATIONS:
            if f"-{station}-" in source.name:
                source._invoke = self._timed(station, source._invoke)

    def _timed(self, station: str, invoke: Invoke) -> Invoke:
        def call(payload: bytes, *, crash: Crash | None = None) -> Invocation:
            began = time.perf_counter()
            answer = invoke(payload, crash=crash)
            took = Call(began, time.perf_counter())
            with self._more:
                self.counted[station] += 1
                for record in json.loads(payload)["Records"]:
                    self._calls.setdefault((station, _stream(record)), took)
                self._more.notify_all()
            return answer

        return call


def measured(road: str, commands: int = 200) -> dict[str, Table]:
    """One road into each kind of store."""
    names = str.maketrans("-", "_")
    runs = [_Run(road, read_model, commands) for read_model in READ_MODELS]
    key = road.translate(names)
    return {
        f"latency_{key}": Table(f"From the answer to the view, by {road}", [run.whole() for run in runs], _NOTES),
        f"latency_{key}_parts": Table(
            f"Where that time goes, by {road}", [part for run in runs for part in run.parts()], _LAPTOP
        ),
    }


class _Run:
    """A cloud of its own, `commands` to its API, and as many bare chains beside them."""

    def __init__(self, road: str, read_model: str, commands: int) -> None:
        self._read_model = read_model
        self._commands = commands
        self._timeline = Timeline()
        self._rng = random.Random(0)
        self._times: dict[str, list[float]] = {}
        self._asked = 0
        with (
            tempfile.TemporaryDirectory(prefix="foldstack-benchmark-") as home,
            LaptopCloud(ROOT, stack="local", home=Path(home)) as cloud,
        ):
            cloud.up(config={"road": road, "readModel": read_model, "lake": False})
            for source in cloud.sources:
                self._timeline.watch(source)
            self._api = _Api(cloud.outputs["apiUrl"], Connection(ROOT, None, cloud.home).tokens)
            hop = BareHop(cloud.client, road)
            for n in range(_WARM):
                self._create(f"warm-{n}")
                self._see(f"warm-{n}")
            self._timeline.counted.update(dict.fromkeys(STATIONS, 0))
            for n in range(commands):
                self._one(f"pen-{n}", hop)

    def whole(self) -> dict[str, Any]:
        row: dict[str, Any] = {"views": self._read_model, "commands": self._commands}
        for name in ("seen", "with_token", "bare"):
            for share in (50, 99):
                row[f"{name}_p{share}"] = percentile(self._times[name], share) * 1000
        row["seen_by_bare"] = row["seen_p50"] / row["bare_p50"]
        row["gets"] = self._asked / self._commands
        for station, calls in self._timeline.counted.items():
            row[f"{station}_calls"] = calls / self._commands / 2  # there are the commands whose GET has a token, too
        return row

    def parts(self) -> list[dict[str, Any]]:
        """One row a station."""
        return [
            {
                "views": self._read_model,
                "part": part,
                **{f"p{share}": percentile(self._times[part], share) * 1000 for share in (50, 99)},
                "mean": statistics.fmean(self._times[part]) * 1000,
            }
            for part in PARTS
        ]

    def _one(self, product: str, hop: BareHop) -> None:
        self._rest()
        answered, _ = self._create(product)
        seen, asked = self._see(product)
        self._asked += asked
        stream = f"{_TENANT}#product#{product}"
        relay, projector = (self._timeline.of(station, stream) for station in STATIONS)
        self._keep("seen", seen.ended - answered)
        self._keep("answer to relay", relay.began - answered)
        self._keep("relay", relay.ended - relay.began)
        self._keep("road", projector.began - relay.ended)
        self._keep("projector to client", seen.ended - projector.began)
        self._keep("of it the projector", projector.ended - projector.began)
        self._keep("of it the GET", seen.ended - seen.began)
        self._rest()
        self._keep("bare", hop.measure(json.dumps(_product(product))))
        self._rest()
        began, token = self._create(f"{product}-t")
        status, _, _ = self._api.send("GET", f"/products/{product}-t", token=token)
        assert status == 200, "a row by its id is as new as the token, at once"
        self._keep("with_token", time.perf_counter() - began)
        self._see(f"{product}-t")

    def _create(self, product: str) -> tuple[float, str]:
        """When it was answered, and the token of the answer."""
        status, headers, body = self._api.send("POST", "/products", _product(product))
        assert status == 201, body
        return time.perf_counter(), headers["x-consistency-token"]

    def _see(self, product: str) -> tuple[Call, int]:
        """The GET that had the row, and how many there were."""
        until, asked = time.perf_counter() + _DEADLINE, 0
        while time.perf_counter() < until:
            began, asked = time.perf_counter(), asked + 1
            status, _, body = self._api.send("GET", f"/products/{product}")
            if status == 200:
                return Call(began, time.perf_counter()), asked
            assert status == 404, body
            time.sleep(_ASK_AGAIN)
        raise TimeoutError(f"{product} was not seen within {_DEADLINE} s")

    def _rest(self) -> None:
        time.sleep(self._rng.uniform(0, _LONGEST_PAUSE))

    def _keep(self, name: str, seconds: float) -> None:
        self._times.setdefault(name, []).append(seconds)


class _Api:
    def __init__(self, url: str, tokens: Tokens) -> None:
        where = urlsplit(url)
        self._tokens = tokens
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_DEADLINE)

    def send(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, dict[str, str], bytes]:
        access = self._tokens.of(_TENANT, "admin", "admin")["access_token"]
        headers = {"authorization": f"Bearer {access}", **({"x-consistency-token": token} if token else {})}
        if body is not None:
            headers["content-type"] = "application/json"
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def _product(product: str) -> dict[str, Any]:
    return {"productId": product, "name": "Pen", "price": {"amount": "19.90", "currency": "EUR"}, "stock": 10}


def _stream(record: dict[str, Any]) -> str:
    """The key of the event stream that a record is about: the relay's is of the table, the others hold an envelope."""
    if "dynamodb" in record:
        return record["dynamodb"]["Keys"]["p"]["S"]
    return envelope_of(record).stream.key
