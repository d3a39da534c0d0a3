"""Drives `python components` as the Pulumi engine does: over gRPC, from another directory, no Pulumi CLI."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)
from pulumi.runtime.rpc import _special_output_value_sig, _special_sig_key

from local.graph_provider import GraphProvider
from local.monitor import Monitor
from tests.graph.support import ROOT

PROJECT, STACK = "project", "test"
FEATURES = {"secrets", "resourceReferences", "outputValues", "aliasSpecs"}


ORDERS = f"urn:pulumi:{STACK}::{PROJECT}::foldstack:index:EventSourcedService::orders"


class Engine(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """Answers every registration with its inputs, a name and an ARN, and keeps what was registered."""

    def __init__(self) -> None:
        self.registered: list[Any] = []

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        features = (
            resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
            resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
            resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
            resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
        )
        return resource_pb2.DeploymentInfo(supportedFeatures=features)

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in FEATURES)

    def RegisterResource(self, request: Any, context: Any) -> Any:
        self.registered.append(request)
        made = struct_pb2.Struct()
        made.CopyFrom(request.object)
        if request.custom:
            arn = f"arn:aws:service:eu-west-1:123456789012:{request.name}"
            made.update({"name": request.name, "arn": arn, "url": f"https://{request.name}", "invokeArn": arn})
            made.update({"executionArn": arn, "apiEndpoint": f"https://{request.name}"})
        urn = f"urn:pulumi:{STACK}::{PROJECT}::{request.type}::{request.name}"
        return resource_pb2.RegisterResourceResponse(urn=urn, id=f"{request.name}-id", object=made)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Log(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


class Plugin:
    """A running plugin."""

    def __init__(self, channel: grpc.Channel, engine: Engine, address: str) -> None:
        self.engine = engine
        self._stub = provider_pb2_grpc.ResourceProviderStub(channel)
        self._address = address

    def schema(self) -> dict[str, Any]:
        return json.loads(self._stub.GetSchema(provider_pb2.GetSchemaRequest(version=0), timeout=60).schema)

    def construct(self, kind: str, name: str, inputs: dict[str, Any]) -> Any:
        """The state of a component. Raises grpc.RpcError."""
        return self.answer(kind, name, inputs).state

    def answer(self, kind: str, name: str, inputs: dict[str, Any]) -> Any:
        """Its state, and what each field of that waits for. Raises grpc.RpcError."""
        given = struct_pb2.Struct()
        given.update(inputs)
        request = provider_pb2.ConstructRequest(
            project=PROJECT,
            stack=STACK,
            type=f"foldstack:index:{kind}",
            name=name,
            inputs=given,
            monitorEndpoint=self._address,
            parallel=4,
        )
        return self._stub.Construct(request, timeout=120)


def output(value: Any, waits_for: Sequence[str] = (ORDERS,)) -> dict[str, Any]:
    """A value on the wire as the output of other resources."""
    return {_special_sig_key: _special_output_value_sig, "value": value, "dependencies": list(waits_for)}


class RecordingEngine(Engine):
    """Answers as a program's run does that creates nothing, and keeps the same graph."""

    def __init__(self) -> None:
        super().__init__()
        self.monitor = _OfProgram(GraphProvider(PROJECT, STACK))
        self._lock = threading.Lock()

    def RegisterResource(self, request: Any, context: Any) -> Any:
        with self._lock:  # this process has none of the program's modules loaded, and loads them here
            answer = self.monitor.RegisterResource(request)
        made = struct_pb2.Struct()
        made.CopyFrom(request.object)
        made.update(self.monitor.graph[answer.urn].outputs)
        return resource_pb2.RegisterResourceResponse(urn=answer.urn, id=answer.id, object=made)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        return self.monitor.RegisterResourceOutputs(request)


class _OfProgram(Monitor):
    def make_urn(self, parent: str, type_: str, name: str) -> str:
        chain = f"{parent.split('::')[2]}$" if parent else ""
        return f"urn:pulumi:{STACK}::{PROJECT}::{chain}{type_}::{name}"


@contextmanager
def running(folder: Path, engine: Engine | None = None) -> Iterator[Plugin]:
    """`python components`, started in `folder`, as if that were the program of somebody else."""
    engine = engine or Engine()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(engine, server)
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    command = [sys.executable, str(ROOT / "components"), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Plugin(channel, engine, address)
        finally:
            process.terminate()
            server.stop(None)
