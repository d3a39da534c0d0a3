"""The graph's functions, routes, event sources and schedules as running parts; a new graph changes what differs."""

import json
import shutil
from pathlib import Path
from typing import Any

from .arns import name_of
from .credentials import Credentials
from .event_sources import EventSource, Faults
from .function_host import FunctionHost, FunctionSpec
from .invocation import Invocation
from .jwt_authorizer import JwtAuthorizer, KeySets, Unauthorized
from .opt_folder import opt_folder
from .resources.handler import Request, Site, of_type
from .resources.lambda_functions import function_environment, unpack_code
from .routes import Route, RouteTable
from .schedule_set import ScheduleSet
from .source_set import SourceSet, SourceStatus

_FUNCTION = "aws:lambda/function:Function"
_LAYER = "aws:lambda/layerVersion:LayerVersion"
_AUTHORIZER = "aws:apigatewayv2/authorizer:Authorizer"
_INTEGRATION = "aws:apigatewayv2/integration:Integration"
_INVOCATION = "aws:lambda/invocation:Invocation"
_ROUTE = "aws:apigatewayv2/route:Route"


class InvocationError(Exception):
    """A function that the deployment calls has failed; the message says which, and how."""


class Wiring:
    """`checkpoints`: where the stream sources of an earlier run had come to, by mapping id."""

    def __init__(
        self,
        site: Site,
        host: FunctionHost,
        credentials: Credentials,
        checkpoints: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self._site, self._host = site, host
        self._sources = SourceSet(host, credentials, checkpoints)
        self._schedules = ScheduleSet(host, credentials)
        self._specs: dict[str, FunctionSpec] = {}
        self._layers: set[Path] = set()
        self._tables: dict[str, RouteTable] = {}
        self._invoked: dict[str, str] = {}
        self.logical_names: dict[str, str] = {}

    @property
    def sources(self) -> list[EventSource]:
        return self._sources.sources

    @property
    def functions(self) -> list[FunctionSpec]:
        return list(self._specs.values())

    def status(self) -> list[SourceStatus]:
        """What each source and schedule does for whom, and how far it is behind."""
        return [*self._sources.status(), *self._schedules.status()]

    def wait_idle(self, timeout: float) -> None:
        """Wait until no source has anything left to hand on; TimeoutError names those that have."""
        self._sources.wait_idle(timeout)

    def checkpoints(self) -> dict[str, dict[str, str]]:
        """Where each stream source has come to."""
        return self._sources.checkpoints()

    def apply(self, requests: list[Request], faults: Faults | None = None) -> None:
        """Bring everything that runs in line with the graph."""
        self._apply_functions(requests)
        self._apply_invocations(requests)
        self._apply_routes(requests)
        self._sources.apply(requests, self._specs, faults)
        self._schedules.apply(requests)
        self._sweep_unused_code()

    def stop(self) -> None:
        """Stop reading and firing; the function host is its owner's to stop."""
        self._schedules.stop()
        self._sources.stop()

    def serve(self, api: str, event: bytes) -> Invocation:
        """Give a request of an HTTP API to the function that its routes name."""
        table = self._tables.get(api)
        try:
            chosen = table.choose(event) if table else None
        except Unauthorized as refused:
            return _answer(refused.status, refused.message, refused.headers)
        if chosen is None:
            return _answer(404, "Not Found", {})
        name, event = chosen
        return self._host.invoke(name, event)

    def _apply_functions(self, requests: list[Request]) -> None:
        layers = {
            r.resource.outputs["arn"]: unpack_code(self._site, r.resource.outputs["layerName"], r.inputs["code"])
            for r in of_type(requests, _LAYER)
        }
        self._layers = set(layers.values())
        specs = {}
        self.logical_names.clear()
        for request in of_type(requests, _FUNCTION):
            spec = _spec(self._site, request, layers)
            specs[spec.name] = spec
            self.logical_names[request.resource.name] = spec.name
        for name in self._specs.keys() - specs.keys():
            self._host.remove(name)
        for name, spec in specs.items():
            if self._specs.get(name) != spec:
                self._host.register(spec)
        self._specs = specs

    def _apply_invocations(self, requests: list[Request]) -> None:
        """What has to be done before anything else runs. In a new process each call is made, whatever was before."""
        for request in of_type(requests, _INVOCATION):
            inputs = request.inputs
            key = json.dumps(inputs, sort_keys=True)
            if self._invoked.get(request.resource.id) == key:
                continue
            answer = self._host.invoke(name_of(inputs["functionName"]), inputs["input"].encode())
            if answer.status != "ok":
                raise InvocationError(
                    f"{request.resource}: {name_of(inputs['functionName'])} failed: "
                    f"{answer.error or answer.status}; `foldstack local logs` shows what it printed"
                )
            self._invoked[request.resource.id] = key

    def _apply_routes(self, requests: list[Request]) -> None:
        integrations = {
            r.resource.id: _function_of(r.inputs["integrationUri"]) for r in of_type(requests, _INTEGRATION)
        }
        keys = KeySets(self._site.endpoint)
        guards = {r.resource.id: r.inputs["jwtConfiguration"] for r in of_type(requests, _AUTHORIZER)}
        routes: dict[str, list[Route]] = {}
        for request in of_type(requests, _ROUTE):
            inputs = request.inputs
            guard = None
            if inputs.get("authorizationType", "NONE") != "NONE":
                accepted = guards[inputs["authorizerId"]]
                scopes = inputs.get("authorizationScopes") or []
                guard = JwtAuthorizer(accepted["issuer"], accepted["audiences"], scopes, keys)
            function = integrations[inputs["target"].removeprefix("integrations/")]
            routes.setdefault(inputs["apiId"], []).append(Route(inputs["routeKey"], function, guard))
        self._tables = {api: RouteTable(listed) for api, listed in routes.items()}

    def _sweep_unused_code(self) -> None:
        used = {folder for s in self._specs.values() for folder in (s.task_dir, *s.layer_dirs)} | self._layers
        folder = self._site.home / "functions"
        for unused in set(folder.iterdir()) - used if folder.is_dir() else ():
            shutil.rmtree(unused)


def _spec(site: Site, request: Request, layers: dict[str, Path]) -> FunctionSpec:
    inputs, outputs = request.inputs, request.resource.outputs
    named = inputs.get("layers") or []
    unknown = [arn for arn in named if arn not in layers]
    if unknown:
        raise ValueError(f"{request.resource} names layer {unknown[0]}, which the program does not register")
    reserved = inputs.get("reservedConcurrentExecutions", -1)
    return FunctionSpec(
        name=outputs["name"],
        arn=outputs["arn"],
        handler=inputs["handler"],
        task_dir=unpack_code(site, outputs["name"], inputs["code"]),
        layer_dirs=[opt_folder([layers[arn] for arn in named], site.home / "functions")] if named else [],
        environment=function_environment(inputs),
        role_arn=inputs["role"],
        timeout=inputs.get("timeout", 3),
        memory=inputs.get("memorySize", 128),
        reserved=None if reserved < 0 else reserved,
    )


def _answer(status: int, message: str, headers: dict[str, str]) -> Invocation:
    """What the gateway says itself."""
    body = json.dumps({"message": message}, separators=(",", ":"))
    answer = {"statusCode": status, "headers": {"content-type": "application/json", **headers}, "body": body}
    return Invocation("ok", json.dumps(answer).encode())


def _function_of(integration_uri: str) -> str:
    """The function's name in its ARN, or in the invoke ARN that holds it."""
    return name_of(integration_uri.split("/functions/")[-1].removesuffix("/invocations"))


def as_payload(value: Any) -> bytes:
    """A function's payload: bytes as they are, anything else as JSON."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()
