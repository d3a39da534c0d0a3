"""The components as a Pulumi package: the same graph as in a program. Not proven here: the generated SDKs."""

import json
from importlib.metadata import version

import pulumi
import pytest

import components
from components import (
    AnalyticsLake,
    DeletionCascade,
    EventSourcedService,
    HttpApi,
    ProjectionPipeline,
    SqlStore,
    TenantAuth,
)
from components.package import Package
from tests.graph.support import DOMAIN, ROOT, deploy

NAMES = [
    "AnalyticsLake",
    "DeletionCascade",
    "EventSourcedService",
    "HttpApi",
    "ProjectionPipeline",
    "SqlStore",
    "TenantAuth",
]
OPERATIONS = {"removal": "destroy", "log_retention_days": 60, "tracing": False, "tenant_metrics": True}
ALARMS = "arn:aws:sns:eu-west-1:123456789012:alarms"


def in_program():
    operations = {**OPERATIONS, "alarm_topic_arn": pulumi.Output.from_input(ALARMS)}
    service = EventSourcedService(
        "orders",
        {  # pyright: ignore
            "domain": DOMAIN,
            "environment": {"OTHER_URL": pulumi.Output.from_input("https://other.example.com")},
            "secrets": ["key"],
            "secret_values": {"key": pulumi.Output.secret("sesame")},
            "effect_delay_seconds": 20,
            "monthly_budget": 30,
            "budget_emails": ["ops@example.com"],
            "operations": operations,
        },
    )
    DeletionCascade(
        "cleanup",
        {
            "source": service.events,
            "commands": service.commands,
            "types": ["OrderDropped"],
            "page": 50,
            "operations": operations,
        },  # pyright: ignore
    )
    store = SqlStore("base", {"minimum_half_acus": 1, "operations": operations})
    views = ProjectionPipeline(
        "rows",
        {"source": service.events, "views": ["rows"], "store": store.connection, "operations": operations},  # pyright: ignore
    )
    auth = TenantAuth(
        "people",
        {
            "domain": service.events["domain"],
            "callback_urls": ["https://orders.example.com/"],
            "machines": ["robot"],
            "session_hours": 8,
            "password": {"minimum_length": 16},
            "operations": operations,
        },  # pyright: ignore
    )
    lake = AnalyticsLake(
        "facts",
        {  # pyright: ignore
            "source": service.events,
            "domain": DOMAIN,
            "questions": "shop/lake",
            "authorizer": auth.authorizer,
            "window_seconds": 30,
            "archive": {"locked_days": 10},
            "operations": operations,
        },
    )
    HttpApi(
        "door",
        {  # pyright: ignore
            "commands": service.commands,
            "queries": [views.queries],
            "tasks": lake.tasks,
            "authorizer": auth.authorizer,
            "requests_per_second": 50,
            "requests_per_minute": 60,
            "operations": operations,
        },
    )
    HttpApi(
        "other-door",
        {  # pyright: ignore
            "commands": service.commands,
            "authorizer": {"issuer": "https://login.example.com", "audience": ["orders"]},
            "requests_per_second": 50,
            "operations": operations,
        },
    )


def as_package(construct=None, known=pulumi.Output.from_input, secret=pulumi.Output.secret):
    """As a program in another language: camel case, numbers as floats, each handle whole, as one output. `construct`
    answers a component's state; without one it is called in this process."""
    package = Package()

    def here(kind, name, inputs):
        options = pulumi.ResourceOptions()
        return package.construct(name, f"foldstack:index:{kind}", inputs, options).state

    construct = construct or here
    operations = {
        "removal": "destroy",
        "logRetentionDays": 60.0,
        "tracing": False,
        "tenantMetrics": True,
        "alarmTopicArn": known(ALARMS),
    }
    service = construct(
        "EventSourcedService",
        "orders",
        {
            "domain": DOMAIN,
            "environment": {"OTHER_URL": known("https://other.example.com")},
            "secrets": ["key"],
            "secretValues": {"key": secret("sesame")},
            "effectDelaySeconds": 20.0,
            "monthlyBudget": 30.0,
            "budgetEmails": ["ops@example.com"],
            "operations": operations,
        },
    )
    construct(
        "DeletionCascade",
        "cleanup",
        {
            "source": service["events"],
            "commands": service["commands"],
            "types": ["OrderDropped"],
            "page": 50.0,
            "operations": operations,
        },
    )
    store = construct("SqlStore", "base", {"minimumHalfAcus": 1.0, "operations": operations})
    views = construct(
        "ProjectionPipeline",
        "rows",
        {"source": service["events"], "views": ["rows"], "store": store["connection"], "operations": operations},
    )
    auth = construct(
        "TenantAuth",
        "people",
        {
            "domain": service["events"]["domain"],
            "callbackUrls": ["https://orders.example.com/"],
            "machines": ["robot"],
            "sessionHours": 8.0,
            "password": {"minimumLength": 16.0},
            "operations": operations,
        },
    )
    lake = construct(
        "AnalyticsLake",
        "facts",
        {
            "source": service["events"],
            "domain": DOMAIN,
            "questions": "shop/lake",
            "authorizer": auth["authorizer"],
            "windowSeconds": 30.0,
            "archive": {"lockedDays": 10.0},
            "operations": operations,
        },
    )
    construct(
        "HttpApi",
        "door",
        {
            "commands": service["commands"],
            "queries": [views["queries"]],
            "tasks": lake["tasks"],
            "authorizer": auth["authorizer"],
            "requestsPerSecond": 50.0,
            "requestsPerMinute": 60.0,
            "operations": operations,
        },
    )
    construct(
        "HttpApi",
        "other-door",
        {
            "commands": service["commands"],
            "authorizer": known({"issuer": "https://login.example.com", "audience": ["orders"]}),
            "requestsPerSecond": 50.0,
            "operations": operations,
        },
    )


@pytest.mark.parametrize("preview", [False, True])
def test_a_package_gives_the_graph_of_a_program(preview):
    program, package = deploy(in_program, preview=preview), deploy(as_package, preview=preview)
    assert described(package, preview) == described(program, preview)
    assert len(program.resources) > 80


def described(graph, preview):
    """Each resource with its inputs, options and what it waits for; assets by their path.

    A handle that a preview knows in part is recorded whole or by field: only AWS's resources are compared there.
    """
    return {
        each.urn: (
            json.dumps(each.inputs, sort_keys=True, default=lambda value: getattr(value, "path", type(value).__name__)),
            each.options,
            sorted(each.dependencies),
        )
        for each in graph.resources
        if each.custom or not preview
    }


def test_components_hand_out_what_they_declare():
    """An output that is annotated and not assigned would silently be missing in a package."""
    graph = deploy(in_program)
    schema = json.loads(Package().schema)["resources"]
    for kind in NAMES:
        declared = set(schema[f"foldstack:index:{kind}"]["required"])
        made = graph.of(f"foldstack:index:{kind}")[0]
        snake = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name) for name in declared}
        assert made.outputs.keys() == snake


def test_the_schema_describes_every_component_argument_and_output():
    schema = json.loads(Package().schema)
    assert schema["resources"].keys() == {f"foldstack:index:{name}" for name in NAMES}
    assert schema["version"] == version("foldstack")
    for token, resource in schema["resources"].items():
        assert resource["description"], token
        for kind in ("inputProperties", "properties"):
            for name, described in resource[kind].items():
                assert described.get("description"), f"{token} {kind} {name}"
    for token, kind in schema["types"].items():
        for name, described in kind["properties"].items():
            assert described.get("description"), f"{token} {name}"


def test_what_callers_must_give_is_required_and_nothing_else():
    schema = json.loads(Package().schema)["resources"]
    required = {name: set(schema[f"foldstack:index:{name}"]["requiredInputs"]) for name in NAMES}
    assert required == {
        "AnalyticsLake": {"source", "domain"},
        "DeletionCascade": {"source", "commands"},
        "EventSourcedService": {"domain"},
        "HttpApi": {"commands"},
        "ProjectionPipeline": {"source", "views"},
        "SqlStore": set(),
        "TenantAuth": {"domain", "callbackUrls"},
    }


def test_the_package_exports_what_programs_import():
    assert components.__all__ == sorted(components.__all__)
    assert all(hasattr(components, name) for name in components.__all__)
    public = {name for name, value in vars(components).items() if isinstance(value, type)}
    assert public == set(components.__all__)
    assert set(NAMES) < public


def test_components_do_not_record_the_path_of_the_machine():
    for each in deploy(in_program).resources:
        if not each.custom:
            assert str(ROOT) not in json.dumps(each.inputs, default=lambda value: "asset"), each


def test_faults_are_named_as_the_caller_writes_arguments():
    inputs = {"domain": {"path": "x", "entry": "a:b"}, "operations": {"logRetentionDays": 2.0}, "storeEpoch": 0.0}
    inputs |= {"secretValues": {"a_b": "hidden"}}
    with pytest.raises(components.ArgumentError) as error:
        deploy(lambda: Package().construct("orders", "foldstack:index:EventSourcedService", inputs))
    paths = {fault.path for fault in error.value.faults}
    assert paths == {"domain.path", "operations.logRetentionDays", "storeEpoch", "secretValues.a_b"}
