"""Plain arguments: all faults in one error, before anything is registered."""

import pulumi
import pulumi_aws as aws
import pytest

from components import ArgumentError, EventSourcedService, HttpApi, ProjectionPipeline
from tests.graph.support import DOMAIN, FUNCTION, component, deploy, shop


def refused(make, args, name="orders"):
    with pytest.raises(ArgumentError) as error:
        component(make, name, args)
    first, *faults = str(error.value).split("\n  - ")
    return first, {fault.split(":")[0]: fault for fault in faults}


def test_one_error_lists_every_fault():
    first, faults = refused(
        EventSourcedService,
        {
            "domain": {"path": "shop", "entry": "shop", "entri": "shop:service"},
            "environment": {"FOLDSTACK_BUS": "x", "GOOD": "x", "AWS_REGION": "x"},
            "secrets": ["key", "key", "no/slash"],
            "secret_values": {"other": "hunter2"},
            "road": "kafka",
            "shards": 201,
            "retention_hours": 23,
            "effect_types": ["Paid", "not a type"],
            "effect_delay_seconds": 901,
            "store_epoch": 0,
            "target": "arm65",
            "precompile": "yes",
            "efect_types": [],
            "operations": {"removal": "kepe", "log_retention_days": 31, "tracing": 1, "alarm": "x"},
        },
    )
    assert first == "EventSourcedService 'orders': 21 faults in its arguments"
    assert faults.keys() == {
        "domain.entri",
        "domain.entry",
        "domain.path",
        "environment.AWS_REGION",
        "environment.FOLDSTACK_BUS",
        "secrets[1]",
        "secrets[2]",
        "secret_values.other",
        "road",
        "shards",
        "retention_hours",
        "effect_types[1]",
        "effect_delay_seconds",
        "store_epoch",
        "target",
        "precompile",
        "efect_types",
        "operations.removal",
        "operations.log_retention_days",
        "operations.tracing",
        "operations.alarm",
    }


def test_a_fault_tells_what_was_given_what_is_allowed_and_how_to_mend_it():
    _, faults = refused(EventSourcedService, {"domain": DOMAIN, "operations": {"log_retention_days": 31}})
    (fault,) = faults.values()
    assert fault.startswith("operations.log_retention_days: given 31; allowed: 1, 3, 5, 7, 14, 30, 60,")
    assert fault.endswith("To mend it: take 60.")


def test_a_secret_is_not_repeated_in_an_error():
    _, faults = refused(EventSourcedService, {"domain": DOMAIN, "secret_values": {"key": "hunter2"}})
    assert faults.keys() == {"secret_values.key"}


@pytest.mark.parametrize("path", ["secret_values", "environment"])
def test_a_map_is_none_as_an_output(path):
    """Its names decide what is made."""

    def program():
        whole = pulumi.Output.secret({"key": "hunter2"})
        EventSourcedService("orders", {"domain": DOMAIN, "secrets": ["key"], path: whole})  # pyright: ignore

    with pytest.raises(ArgumentError) as error:
        deploy(program)
    (fault,) = error.value.faults
    assert (fault.path, fault.given) == (path, "an output")
    assert "its values may be outputs" in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["Orders", "1st", "a_b", "a" * 33, "ends-"])
def test_names_must_fit_what_is_made_of_them(name):
    for make, args in (
        (EventSourcedService, {"domain": DOMAIN, "service": "orders"}),
        (ProjectionPipeline, {"source": {}, "views": ["rows"]}),
        (HttpApi, {"commands": {}, "anonymous": True}),
    ):
        assert refused(make, args, name)[1].keys() == {"name"}


@pytest.mark.parametrize(
    ("make", "args", "paths"),
    [
        (EventSourcedService, {}, {"domain", "domain.path", "domain.entry"}),
        (ProjectionPipeline, {}, {"source", "views"}),
        (ProjectionPipeline, {"source": {}, "views": []}, {"views"}),
        (ProjectionPipeline, {"source": {}, "views": ["rows", "Rows", "rows"]}, {"views[1]", "views[2]"}),
        (ProjectionPipeline, {"source": {}, "views": ["rows"], "sweep_schedule": "daily"}, {"sweep_schedule"}),
        (ProjectionPipeline, {"source": {}, "views": ["rows"], "types": ["a b"]}, {"types[0]"}),
        (HttpApi, {}, {"commands", "authorizer"}),
        (HttpApi, {"commands": {}, "anonymous": "true"}, {"anonymous", "authorizer"}),
        (HttpApi, {"commands": {}, "anonymous": True, "inline_seconds": 21}, {"inline_seconds"}),
        (HttpApi, {"commands": {}, "anonymous": True, "inline_seconds": 1.5}, {"inline_seconds"}),
        (HttpApi, {"commands": {}, "anonymous": True, "inline_seconds": True}, {"inline_seconds"}),
        (HttpApi, {"commands": {}, "anonymous": True, "memory_mb": 64}, {"memory_mb"}),
        (HttpApi, {"commands": {}, "anonymous": True, "reserved_concurrency": 0}, {"reserved_concurrency"}),
        (HttpApi, {"commands": {}, "anonymous": True, "requests_per_second": 0}, {"requests_per_second"}),
        (HttpApi, {"commands": {}, "anonymous": True, "split": 1}, {"split"}),
        (HttpApi, {"commands": {}, "anonymous": True, "operations": "keep"}, {"operations"}),
    ],
)
def test_faults_of(make, args, paths):
    assert refused(make, args)[1].keys() == paths


def test_nothing_is_registered_before_the_arguments_are_checked():
    registered = []

    def program():
        try:
            EventSourcedService("orders", {"domain": DOMAIN, "effect_delay_seconds": -1})
        except ArgumentError as error:
            registered.append(error)

    assert deploy(program).resources == []
    assert registered


def test_a_missing_folder_is_a_fault():
    _, faults = refused(EventSourcedService, {"domain": {"path": f"{DOMAIN['path']}/nowhere", "entry": "a:b"}})
    assert faults.keys() == {"domain.path"}


def test_numbers_may_come_as_floats_as_packages_send_them():
    graph = component(
        EventSourcedService, "orders", {"domain": DOMAIN, "effect_delay_seconds": 20.0, "store_epoch": 2.0}
    )
    assert graph.one("aws:sqs/queue:Queue", "orders-effects-queue").inputs["delaySeconds"] == 20
    variables = graph.one(FUNCTION, "orders-relay").inputs["environment"]["variables"]
    assert variables["FOLDSTACK_STORE_EPOCH"] == "2"


def test_wrong_configuration_is_refused_with_the_path_of_the_argument():
    with pytest.raises(ArgumentError, match=r"operations\.removal: given 'kepe'; allowed: 'keep' or 'destroy'"):
        shop("dev", removal="kepe")


def test_values_that_are_not_known_yet_do_not_change_the_graph():
    def program():
        other = aws.sqs.Queue("other")
        service = EventSourcedService(
            "orders",
            {
                "domain": DOMAIN,
                "environment": {"OTHER": other.url},
                "secrets": ["key"],
                "secret_values": {"key": other.arn},
                "operations": {"alarm_topic_arn": other.arn},
            },
        )
        views = ProjectionPipeline("rows", {"source": service.events, "views": ["rows"]})
        tokens = {"issuer": other.url, "audience": [other.arn]}
        HttpApi("door", {"commands": service.commands, "queries": [views.queries], "authorizer": tokens})  # pyright: ignore

    known, unknown = deploy(program), deploy(program, preview=True)
    assert {each.urn for each in known.resources} == {each.urn for each in unknown.resources}
    assert len(known.resources) > 80
