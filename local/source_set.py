"""The event sources of a graph: started, changed and stopped with it, and awaited together."""

import json
import threading
import time
from dataclasses import dataclass
from functools import partial

from .arns import name_of
from .credentials import Credentials
from .event_sources import EventSource, Faults, QueueOptions, QueueSource, StreamOptions, StreamSource, stop_all
from .function_host import FunctionHost, FunctionSpec
from .invocation import Crash, Invocation
from .resources.handler import Request, of_type
from .timer_source import Graph, TimerSource

_MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
_QUEUE = "aws:sqs/queue:Queue"
_ROLE = "aws:iam/role:Role"
_GROUP = "aws:scheduler/scheduleGroup:ScheduleGroup"
_TIMERS = "timers"


@dataclass(frozen=True)
class SourceStatus:
    """`lag` is "caught up", or that there is more to hand on; `problem` is why it makes no progress."""

    name: str
    reads: str
    function: str
    calls: int
    lag: str
    problem: str | None = None


class SourceSet:
    """`checkpoints`: where the stream sources of an earlier run had come to, by mapping id."""

    def __init__(
        self, host: FunctionHost, credentials: Credentials, checkpoints: dict[str, dict[str, str]] | None = None
    ) -> None:
        self._host, self._credentials = host, credentials
        self._checkpoints = checkpoints or {}
        self._running: dict[str, _Running] = {}
        self._ended = 0
        self._ended_lock = threading.Lock()

    @property
    def sources(self) -> list[EventSource]:
        return [r.source for r in self._running.values()]

    def apply(self, requests: list[Request], functions: dict[str, FunctionSpec], faults: Faults | None) -> None:
        """Run the mappings of the graph; those that did not change run on."""
        queues = {r.resource.outputs["arn"]: r.resource.outputs["url"] for r in of_type(requests, _QUEUE)}
        wanted = {}
        for request in of_type(requests, _MAPPING):
            if request.inputs.get("enabled", True):
                function = functions[name_of(request.inputs["functionName"])]
                wanted[request.resource.id] = _Wanted(request, function, faults)
        self._apply_timers(requests, queues, faults)
        gone = [id_ for id_, r in self._running.items() if id_ not in wanted or wanted[id_].key != r.key]
        self._stop([id_ for id_ in gone if id_ != _TIMERS])
        for id_, want in wanted.items():
            if id_ not in self._running:
                source = self._make(id_, want, queues)
                reads = _short(want.request.inputs["eventSourceArn"])
                self._running[id_] = _Running(want.key, source, reads, want.function.name)
                source.start()

    def _apply_timers(self, requests: list[Request], queues: dict[str, str], faults: Faults | None) -> None:
        """Where there is a group, functions may put schedules into it."""
        groups = [r.resource.outputs["name"] for r in of_type(requests, _GROUP)]
        trust = {r.resource.outputs["arn"]: r.inputs["assumeRolePolicy"] for r in of_type(requests, _ROLE)}
        graph = Graph(queues, trust, requests[0].site.account if requests else "")
        key = json.dumps([groups, queues, trust, id(faults) if faults else None], sort_keys=True)
        if _TIMERS in self._running and (not groups or self._running[_TIMERS].key != key):
            self._stop([_TIMERS])
        if groups and _TIMERS not in self._running:
            client = requests[0].site.client
            source = TimerSource(
                _TIMERS,
                graph=graph,
                scheduler=lambda: client("scheduler"),
                clients_of=self._credentials.clients,
                faults=faults,
            )
            self._running[_TIMERS] = _Running(key, source, f"schedules in {', '.join(groups)}", "their queues")
            source.start()

    def stop(self) -> None:
        self._stop(list(self._running))

    def checkpoints(self) -> dict[str, dict[str, str]]:
        """Where each stream source has come to."""
        running = {k: r.source.checkpoint for k, r in self._running.items() if isinstance(r.source, StreamSource)}
        return {**self._checkpoints, **running}

    def status(self) -> list[SourceStatus]:
        return [r.status() for r in self._running.values()]

    def wait_idle(self, timeout: float) -> None:
        """Wait until no source has anything left to hand on; TimeoutError names those that have."""
        deadline = time.monotonic() + timeout
        while True:
            # One source feeds another when its call ends, so ends are counted as well as beginnings.
            before = self._activity()
            busy = [s for s in self.sources if not s.idle.wait(max(0.0, deadline - time.monotonic()))]
            if not busy and self._activity() == before:
                return
            if busy or time.monotonic() > deadline:
                names = ", ".join(s.name for s in busy) or "sources that feed each other"
                raise TimeoutError(f"after {timeout} s still at work: {names}")

    def _activity(self) -> tuple[int, int]:
        return sum(source.calls for source in self.sources), self._ended

    def _stop(self, ids: list[str]) -> None:
        stopping = {id_: self._running[id_].source for id_ in ids}
        stop_all(stopping.values())
        self._checkpoints = self.checkpoints()
        for id_ in ids:
            del self._running[id_]

    def _make(self, id_: str, want: "_Wanted", queues: dict[str, str]) -> EventSource:
        inputs, function = want.request.inputs, want.function
        invoke = partial(self._invoke, function.name)
        clients = self._credentials.clients(function.role_arn)
        arn, name = inputs["eventSourceArn"], want.request.resource.name
        if arn in queues:
            return QueueSource(
                name,
                queue_url=queues[arn],
                queue_arn=arn,
                clients=clients,
                invoke=invoke,
                # A test of faults cannot wait for a visibility timeout of minutes.
                options=QueueOptions.of(inputs, retry_seconds=want.faults.retry_seconds if want.faults else None),
                faults=want.faults,
            )
        return StreamSource(
            name,
            function_arn=function.arn,
            stream_arn=arn,
            clients=clients,
            invoke=invoke,
            options=StreamOptions.of(inputs),
            checkpoint=self._checkpoints.get(id_),
            mapping_id=id_,
            faults=want.faults,
            role_arn=function.role_arn,
        )

    def _invoke(self, name: str, payload: bytes, *, crash: Crash | None = None) -> Invocation:
        try:
            return self._host.invoke(name, payload, crash=crash)
        finally:
            with self._ended_lock:
                self._ended += 1


@dataclass(frozen=True)
class _Running:
    key: str
    source: EventSource
    reads: str
    function: str

    def status(self) -> SourceStatus:
        problem = self.source.problem
        lag = "unknown" if problem else self.source.lag
        return SourceStatus(self.source.name, self.reads, self.function, self.source.calls, lag, problem)


@dataclass(frozen=True)
class _Wanted:
    request: Request
    function: FunctionSpec
    faults: Faults | None

    @property
    def key(self) -> str:
        """Another key is another source."""
        inputs = {k: v for k, v in self.request.inputs.items() if k != "tags"}
        return json.dumps([inputs, self.function.role_arn, id(self.faults) if self.faults else None], sort_keys=True)


def _short(arn: str) -> str:
    """A source's ARN as a person reads it."""
    service = arn.split(":")[2]
    if service == "dynamodb":
        return f"stream of {arn.split('/')[1]}"
    return f"{'stream' if service == 'kinesis' else 'queue'} {name_of(arn)}"
