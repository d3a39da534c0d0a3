"""The package as a process of its own, over the wire. Not proven here: how the engine downloads and starts it."""

import json

import grpc
import pytest
from google.protobuf import json_format

from components.package import Package
from tests.graph.plugin import output, running

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
    assert "urn:pulumi:dev::demo::foldstack:index:EventSourcedService::orders" in function.dependencies


def test_its_caller_is_told_every_fault(plugin):
    commands = {"domain": DOMAIN, "secrets": {}, **STORE}
    commands |= {"idTableName": "ids", "idTableArn": "arn:ids", "queueUrl": "https://q", "queueArn": "arn:q"}
    with pytest.raises(grpc.RpcError) as error:
        plugin.construct("HttpApi", "door", {"commands": output(commands), "inlineSeconds": 99, "memoryMb": 1})
    told = error.value.details()
    assert "HttpApi 'door': 3 faults in its arguments" in told
    assert "inlineSeconds: given 99; allowed: 0 to 20" in told
    assert not [each for each in plugin.engine.registered if each.name.startswith("door")]
