"""What a team brings, through the package: the graph of a program, and over the wire. See test_package, test_plugin."""

from typing import Any

import pulumi
import pytest
from google.protobuf import json_format

from components import ArgumentError, EventSourcedService, HttpApi, ProjectionPipeline, TenantAuth
from components.package import Package
from tests.graph.plugin import output, running
from tests.graph.support import DOMAIN, deploy
from tests.graph.test_package import described

PREFIX = "arn:aws:dynamodb:eu-west-1:123456789012:table"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/ours"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:theirs"
POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/theirs"


def known(value: Any) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value)


def in_program() -> None:
    operations: Any = {
        "key_arn": known(KEY),
        "log_key_arn": KEY,
        "network": {"subnet_ids": [known("subnet-1"), "subnet-2"], "security_group_ids": ["sg-1"]},
    }
    service = EventSourcedService(
        "orders",
        {
            "domain": DOMAIN,
            "road": "sns",
            "bus": {"name": "theirs", "arn": known(TOPIC), "key_arn": known(KEY)},
            "table": {"name": "c", "arn": known(f"{PREFIX}/c"), "stream_arn": known(f"{PREFIX}/c/stream/1")},
            "functions": {
                "relay": {"memory_mb": 2048, "timeout_seconds": 90, "environment": {"MY_URL": known("https://x")}},
                "effects": {"reserved_concurrency": 5},
            },
            "operations": operations,
        },  # pyright: ignore
    )
    views = ProjectionPipeline(
        "rows",
        {
            "source": service.events,
            "views": ["my_rows", "more"],
            "tables": {"my_rows": {"name": known("r"), "arn": f"{PREFIX}/r"}},
            "operations": operations,
        },
    )
    auth = TenantAuth(
        "people",
        {
            "domain": service.events["domain"],
            "callback_urls": ["https://orders.example.com/"],
            "user_pool": {
                "id": "theirs",
                "arn": known(POOL),
                "endpoint": "host/theirs",
                "sign_in_url": "https://login",
            },
            "table": {"name": "p", "arn": f"{PREFIX}/p"},
            "operations": operations,
        },
    )
    door: Any = {"commands": service.commands, "queries": [views.queries], "authorizer": auth.authorizer}
    HttpApi("door", {**door, "functions": {"router": {"memory_mb": 512}}, "operations": operations})


def as_package() -> None:
    package = Package()

    def construct(kind: str, name: str, inputs: Any) -> Any:
        return package.construct(name, f"foldstack:index:{kind}", inputs, pulumi.ResourceOptions()).state

    operations = {
        "keyArn": known(KEY),
        "logKeyArn": KEY,
        "network": {"subnetIds": [known("subnet-1"), "subnet-2"], "securityGroupIds": ["sg-1"]},
    }
    service = construct(
        "EventSourcedService",
        "orders",
        {
            "domain": DOMAIN,
            "road": "sns",
            "bus": {"name": "theirs", "arn": known(TOPIC), "keyArn": known(KEY)},
            "table": {"name": "c", "arn": known(f"{PREFIX}/c"), "streamArn": known(f"{PREFIX}/c/stream/1")},
            "functions": {
                "relay": {"memoryMb": 2048.0, "timeoutSeconds": 90.0, "environment": {"MY_URL": known("https://x")}},
                "effects": {"reservedConcurrency": 5.0},
            },
            "operations": operations,
        },
    )
    views = construct(
        "ProjectionPipeline",
        "rows",
        {
            "source": service["events"],
            "views": ["my_rows", "more"],
            "tables": {"my_rows": {"name": known("r"), "arn": f"{PREFIX}/r"}},
            "road": "sns",
            "operations": operations,
        },
    )
    auth = construct(
        "TenantAuth",
        "people",
        {
            "domain": service["events"]["domain"],
            "callbackUrls": ["https://orders.example.com/"],
            "userPool": {"id": "theirs", "arn": known(POOL), "endpoint": "host/theirs", "signInUrl": "https://login"},
            "table": {"name": "p", "arn": f"{PREFIX}/p"},
            "operations": operations,
        },
    )
    door = {"commands": service["commands"], "queries": [views["queries"]], "authorizer": auth["authorizer"]}
    construct("HttpApi", "door", {**door, "functions": {"router": {"memoryMb": 512.0}}, "operations": operations})


@pytest.mark.parametrize("preview", [False, True])
def test_a_package_gives_the_graph_of_a_program(preview: bool) -> None:
    program, package = deploy(in_program, preview=preview), deploy(as_package, preview=preview)
    made = {urn: each for urn, each in described(package, preview).items() if "aws:" in urn}
    assert made == {urn: each for urn, each in described(program, preview).items() if "aws:" in urn}
    assert len(made) > 60


def test_faults_are_named_as_the_caller_writes_them() -> None:
    inputs = {
        "domain": DOMAIN,
        "table": {"name": "c", "arn": f"{PREFIX}/c"},
        "functions": {"relay": {"timeoutSeconds": 901.0, "environment": {"AWS_url_x": "x"}}, "re_lay": {}},
        "operations": {"logKeyArn": "alias/x", "network": {"subnetIds": [], "securityGroupIds": ["sg"]}},
    }
    with pytest.raises(ArgumentError) as error:
        deploy(lambda: Package().construct("orders", "foldstack:index:EventSourcedService", inputs))
    assert {fault.path for fault in error.value.faults} == {
        "table.streamArn",
        "functions.relay.timeoutSeconds",
        "functions.relay.environment.AWS_url_x",
        "functions.re_lay",
        "operations.logKeyArn",
        "operations.network.subnetIds",
    }


def test_over_the_wire_outputs_of_others_are_taken(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("somebody-elses-program")) as plugin:
        state = json_format.MessageToDict(
            plugin.construct(
                "EventSourcedService",
                "orders",
                {
                    "domain": DOMAIN,
                    "bus": {"name": "b", "arn": output("arn:aws:events:eu-west-1:1:event-bus/b")},
                    "table": {"name": "c", "arn": output(f"{PREFIX}/c"), "streamArn": output(f"{PREFIX}/c/stream/1")},
                    "functions": {"relay": {"memoryMb": 2048, "environment": {"MY_URL": output("https://x")}}},
                    "operations": {
                        "keyArn": output(KEY),
                        "network": {"subnetIds": [output("subnet-1")], "securityGroupIds": ["sg-1"]},
                    },
                },
            )
        )
        registered = {each.name: each for each in plugin.engine.registered}
    assert state["events"]["commitTableArn"] == f"{PREFIX}/c"
    assert state["events"]["domain"]["keyArn"] == KEY
    assert not {"orders-bus", "orders-commits", "orders-key"} & registered.keys()
    relay = json_format.MessageToDict(registered["orders-relay"].object)
    assert relay["memorySize"] == 2048
    assert relay["vpcConfig"]["subnetIds"] == ["subnet-1"]
    assert relay["environment"]["variables"]["MY_URL"] == "https://x"
