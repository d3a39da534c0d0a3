"""The package as a process of its own, over the wire. Not proven here: how the engine downloads and starts it."""

import json
import re

import grpc
import pytest
from google.protobuf import json_format

from components.package import Package
from local.program import Deployment
from tests.graph.plugin import ORDERS, RecordingEngine, output, running
from tests.graph.support import deploy
from tests.graph.test_package import as_package, described, in_program

STORE = {
    "commitTableName": "commits",
    "commitTableArn": "arn:commits",
    "bodiesBucketName": "bodies",
    "bodiesBucketArn": "arn:bodies",
}
DOMAIN = {
    "service": "orders",
    "entry": "orders:service",
    "code": {"4dabf18193072939515e22adb298388d": "0def7320c3a5731c473e5ecbe6d01bc7", "path": "/tmp/orders.zip"},
    "layerArn": "arn:layer",
    "runtime": "python3.13",
    "architecture": "arm64",
    "storeEpoch": "1",
    "environment": {"OTHER": "x"},
    "silo": "",
    "keyArn": "",
}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    with running(tmp_path_factory.mktemp("somebody-elses-program")) as plugin:
        yield plugin


def test_it_serves_the_schema(plugin):
    assert plugin.schema() == json.loads(Package().schema)


def test_it_constructs_from_the_output_of_another_component(plugin):
    source = output(
        {
            "domain": DOMAIN,
            "road": "eventbridge",
            "busName": "bus",
            "busArn": "arn:bus",
            "failuresBucketArn": "arn:f",
            **STORE,
        }
    )
    state = json_format.MessageToDict(
        plugin.construct("ProjectionPipeline", "rows", {"source": source, "views": ["rows"]})
    )
    assert state["viewTables"] == {"rows": "rows-view-rows"}
    assert state["queries"]["viewTables"] == {"rows": "rows-view-rows"}
    assert state["queries"]["commitTableArn"] == "arn:commits"
    (function,) = [each for each in plugin.engine.registered if each.name == "rows-projector"]
    inputs = json_format.MessageToDict(function.object)
    assert inputs["runtime"] == "python3.13"
    assert inputs["environment"]["variables"]["OTHER"] == "x"
    assert ORDERS in function.dependencies


def test_its_caller_is_told_every_fault(plugin):
    commands = {"domain": DOMAIN, "secrets": {}, **STORE}
    commands |= {"idTableName": "ids", "idTableArn": "arn:ids", "queueUrl": "https://q", "queueArn": "arn:q"}
    with pytest.raises(grpc.RpcError) as error:
        plugin.construct("HttpApi", "door", {"commands": output(commands), "inlineSeconds": 99, "memoryMb": 1})
    told = error.value.details()
    assert "HttpApi 'door': 3 faults in its arguments" in told
    assert "inlineSeconds: given 99; allowed: 0 to 20" in told
    assert not [each for each in plugin.engine.registered if each.name.startswith("door")]


def test_every_component_gives_the_graph_of_a_program(tmp_path_factory):
    """The same URNs, inputs and options, each component being given what the others answered. The same dependencies
    too; but on the wire a handle waits as a whole for all that it is made of."""
    engine, handles = RecordingEngine(), set()
    with running(tmp_path_factory.mktemp("another-program"), engine) as plugin:

        def construct(kind, name, inputs):
            answer = plugin.answer(kind, name, _sent(inputs))
            fields = json_format.MessageToDict(answer.state)
            handles.update(urn for each in answer.stateDependencies.values() for urn in each.urns)
            return {key: Answered(value, answer.stateDependencies[key].urns) for key, value in fields.items()}

        as_package(construct, known=lambda value: output(value, []), secret=secret)
    program = described(deploy(in_program), preview=True)
    plugins = described(Deployment(list(engine.monitor.graph.values()), {}, []), preview=True)
    assert {urn: _made(each) for urn, each in plugins.items()} == {urn: _made(each) for urn, each in program.items()}
    assert len(program) > 150
    for urn, (*_, waits_for) in program.items():
        more = set(plugins[urn][2]) - set(waits_for)
        assert set(waits_for) <= set(plugins[urn][2]), urn
        assert more <= handles, urn
        assert not more or not urn.startswith(("EventSourcedService", "SqlStore"), urn.index("index:") + 6), urn


def _made(resource):
    """Its inputs and options. Packages are really built here: where they lie is left out."""
    inputs, options, _ = resource
    return re.sub(r'"[^"]+\.zip"', '"a package"', inputs), options


class Answered:
    """A field of a component's state, or a part of it."""

    def __init__(self, value, waits_for):
        self.value = value
        self.waits_for = waits_for

    def __getitem__(self, key):
        return Answered(self.value[key], self.waits_for)


def _sent(value):
    if isinstance(value, Answered):
        return output(value.value, value.waits_for)
    if isinstance(value, dict):
        return {key: _sent(each) for key, each in value.items()}
    return [_sent(each) for each in value] if isinstance(value, list) else value


def secret(value):
    """As the engine sends one to whoever takes outputs."""
    return {**output(value, []), "secret": True}
