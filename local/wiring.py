"""The graph's functions, event sources and routes as running parts; a new graph changes only what differs."""

import json
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .arns import name_of
from .credentials import Credentials
from .event_sources import EventSource, Faults, QueueOptions, QueueSource, StreamOptions, StreamSource, stop_all
from .function_host import FunctionHost, FunctionSpec
from .invocation import Crash, Invocation
from .resources.handler import Request, Site
from .resources.lambda_functions import function_environment, unpack_code
from .routes import Route, RouteTable

_FUNCTION = "aws:lambda/function:Function"
_LAYER = "aws:lambda/layerVersion:LayerVersion"
_MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
_QUEUE = "aws:sqs/queue:Queue"


class Wiring:
    """`checkpoints`: where the stream sources of an earlier run had come to, by mapping id."""

    def __init__(
        self,
        site: Site,
        host: FunctionHost,
        credentials: Credentials,
        checkpoints: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self._site, self._host, self._credentials = site, host, credentials
        self._checkpoints = checkpoints or {}
        self._specs: dict[str, FunctionSpec] = {}
        self._sources: dict[str, _Source] = {}
        self._tables: dict[str, RouteTable] = {}
        self._ended = 0
        self._ended_lock = threading.Lock()
        self.logical_names: dict[str, str] = {}

    @property
    def sources(self) -> list[EventSource]:
        return [s.source for s in self._sources.values()]

    @property
    def functions(self) -> list[FunctionSpec]:
        return list(self._specs.values())

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

    def status(self) -> list["SourceStatus"]:
        """What each source reads for whom, and how far it is behind."""
        return [s.status() for s in self._sources.values()]

    def checkpoints(self) -> dict[str, dict[str, str]]:
        """Where each stream source has come to."""
        running = {k: s.source.checkpoint for k, s in self._sources.items() if isinstance(s.source, StreamSource)}
        return {**self._checkpoints, **running}

    def apply(self, requests: list[Request], faults: Faults | None = None) -> None:
        """Bring everything that runs in line with the graph."""
        self._apply_functions(requests)
        self._apply_routes(requests)
        self._apply_sources(requests, faults)
        self._sweep_unused_code()

    def stop(self) -> None:
        """Stop reading; the function host is its owner's to stop."""
        stop_all(self.sources)
        self._checkpoints = self.checkpoints()
        self._sources.clear()

    def serve(self, api: str, event: bytes) -> Invocation:
        """Give a request of an HTTP API to the function that its routes name."""
        table = self._tables.get(api)
        chosen = table.choose(event) if table else None
        if chosen is None:
            not_found = {"statusCode": 404, "body": '{"message":"Not Found"}'}
            not_found["headers"] = {"content-type": "application/json"}  # type: ignore[assignment]
            return Invocation("ok", json.dumps(not_found).encode())
        name, event = chosen
        return self._host.invoke(name, event)

    def _apply_functions(self, requests: list[Request]) -> None:
        layers = {
            r.resource.outputs["arn"]: unpack_code(self._site, r.resource.outputs["layerName"], r.inputs["code"])
            for r in _of(requests, _LAYER)
        }
        specs = {}
        for request in _of(requests, _FUNCTION):
            spec = _spec(self._site, request, layers)
            specs[spec.name] = spec
            self.logical_names[request.resource.name] = spec.name
        for name in self._specs.keys() - specs.keys():
            self._host.remove(name)
        for name, spec in specs.items():
            if self._specs.get(name) != spec:
                self._host.register(spec)
        self._specs = specs

    def _apply_routes(self, requests: list[Request]) -> None:
        integrations = {
            r.resource.id: _function_of(r.inputs["integrationUri"])
            for r in _of(requests, "aws:apigatewayv2/integration:Integration")
        }
        routes: dict[str, list[Route]] = {}
        for request in _of(requests, "aws:apigatewayv2/route:Route"):
            function = integrations[request.inputs["target"].removeprefix("integrations/")]
            routes.setdefault(request.inputs["apiId"], []).append(Route(request.inputs["routeKey"], function))
        self._tables = {api: RouteTable(listed) for api, listed in routes.items()}

    def _apply_sources(self, requests: list[Request], faults: Faults | None) -> None:
        queues = {r.resource.outputs["arn"]: r.resource.outputs["url"] for r in _of(requests, _QUEUE)}
        wanted = {}
        for request in _of(requests, _MAPPING):
            if request.inputs.get("enabled", True):
                function = self._specs[name_of(request.inputs["functionName"])]
                wanted[request.resource.id] = _Wanted(request, function, queues, faults)
        gone = [k for k, s in self._sources.items() if k not in wanted or wanted[k].key != s.key]
        stop_all(self._sources[k].source for k in gone)
        for key in gone:
            source = self._sources.pop(key).source
            if isinstance(source, StreamSource):
                self._checkpoints[key] = source.checkpoint
        for id_, want in wanted.items():
            if id_ not in self._sources:
                source = self._make(id_, want)
                reads = want.request.inputs["eventSourceArn"]
                self._sources[id_] = _Source(want.key, source, _short(reads), want.function.name)
                source.start()

    def _make(self, id_: str, want: "_Wanted") -> EventSource:
        inputs, function = want.request.inputs, want.function
        invoke = partial(self._invoke, function.name)
        clients = self._credentials.clients(function.role_arn)
        arn, name = inputs["eventSourceArn"], want.request.resource.name
        if arn in want.queues:
            return QueueSource(
                name,
                queue_url=want.queues[arn],
                queue_arn=arn,
                clients=clients,
                invoke=invoke,
                options=QueueOptions.of(inputs),
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
        )

    def _invoke(self, name: str, payload: bytes, *, crash: Crash | None = None) -> Invocation:
        try:
            return self._host.invoke(name, payload, crash=crash)
        finally:
            with self._ended_lock:
                self._ended += 1

    def _activity(self) -> tuple[int, int]:
        return sum(source.calls for source in self.sources), self._ended

    def _sweep_unused_code(self) -> None:
        used = {folder for s in self._specs.values() for folder in (s.task_dir, *s.layer_dirs)}
        folder = self._site.home / "functions"
        for unused in set(folder.iterdir()) - used if folder.is_dir() else ():
            shutil.rmtree(unused)


@dataclass(frozen=True)
class SourceStatus:
    """`lag` is "caught up", or that there is more to hand on; `problem` is why it makes no progress."""

    name: str
    reads: str
    function: str
    calls: int
    lag: str
    problem: str | None


@dataclass(frozen=True)
class _Source:
    key: str
    source: EventSource
    reads: str
    function: str

    def status(self) -> SourceStatus:
        problem = self.source.problem
        lag = "unknown" if problem else "caught up" if self.source.idle.is_set() else "behind"
        return SourceStatus(self.source.name, self.reads, self.function, self.source.calls, lag, problem)


@dataclass(frozen=True)
class _Wanted:
    request: Request
    function: FunctionSpec
    queues: dict[str, str]
    faults: Faults | None

    @property
    def key(self) -> str:
        inputs = {k: v for k, v in self.request.inputs.items() if k != "tags"}
        return json.dumps([inputs, self.function.role_arn, id(self.faults) if self.faults else None], sort_keys=True)


def _short(arn: str) -> str:
    """A source's ARN as a person reads it."""
    return f"stream of {arn.split('/')[1]}" if "/stream/" in arn else f"queue {name_of(arn)}"


def _of(requests: Iterable[Request], type_: str) -> list[Request]:
    return [r for r in requests if r.resource.type == type_]


def _spec(site: Site, request: Request, layers: dict[str, Path]) -> FunctionSpec:
    inputs, outputs = request.inputs, request.resource.outputs
    unknown = [arn for arn in inputs.get("layers", []) if arn not in layers]
    if unknown:
        raise ValueError(f"{request.resource} names layer {unknown[0]}, which the program does not register")
    reserved = inputs.get("reservedConcurrentExecutions", -1)
    return FunctionSpec(
        name=outputs["name"],
        arn=outputs["arn"],
        handler=inputs["handler"],
        task_dir=unpack_code(site, outputs["name"], inputs["code"]),
        layer_dirs=[layers[arn] for arn in inputs.get("layers", [])],
        environment=function_environment(inputs),
        role_arn=inputs["role"],
        timeout=inputs.get("timeout", 3),
        memory=inputs.get("memorySize", 128),
        reserved=None if reserved < 0 else reserved,
    )


def _function_of(integration_uri: str) -> str:
    """The function's name in its ARN, or in the invoke ARN that holds it."""
    return name_of(integration_uri.split("/functions/")[-1].removesuffix("/invocations"))


def as_payload(value: Any) -> bytes:
    """A function's payload: bytes as they are, anything else as JSON."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()
