"""What every function has: a role, logs and alarms of its own. Not proven here: that its code starts."""

import pytest
from foldstack.aws.composition import STUCK_SAGAS

from components import EventSourcedService, ProjectionPipeline
from tests.graph.support import (
    DOMAIN,
    FUNCTION,
    FUNCTION_ZIP,
    component,
    deploy,
    functions,
    role_of,
    shop,
    tenant_role_of,
)

REFUSES = "shop-auth-claims"
"""Each sign-in that it refuses is an error."""
GRAPHS = {
    "local": lambda: shop("local"),
    "dev": lambda: shop("dev"),
    "split": lambda: shop("dev", splitRouter=True),
}


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]()


def test_no_two_functions_share_a_role(graph):
    roles = [role_of(graph, each) for each in functions(graph)]
    assert len({role.urn for role in roles}) == len(roles) > 0


def test_no_role_is_left_over(graph):
    used = {role_of(graph, each).name for each in functions(graph)} | {"shop-views-sweep-role", "shop-timers-role"}
    used |= {role.name for role in (tenant_role_of(graph, each) for each in functions(graph)) if role}
    assert {role.name for role in graph.of("aws:iam/role:Role")} == used


def test_each_function_logs_to_a_group_of_its_own_made_before_it(graph):
    order = [each.urn for each in graph.resources]
    groups = {}
    for function in functions(graph):
        group = function.inputs["loggingConfig"]["logGroup"]
        (made,) = [each for each in graph.of("aws:cloudwatch/logGroup:LogGroup") if each.outputs["name"] == group]
        assert made.inputs["retentionInDays"] == 30
        assert order.index(made.urn) < order.index(function.urn)
        groups[made.urn] = function
    assert len(groups) == len(functions(graph))


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_each_function_has_alarms(graph, metric):
    for function in functions(graph):
        if (function.name, metric) == (REFUSES, "Throttles"):
            continue  # it has no concurrency of its own: others would be throttled too
        (alarm,) = alarms(graph, metric, {"FunctionName": function.outputs["name"]})
        assert alarm.inputs["namespace"] == "AWS/Lambda"
        assert alarm.inputs["threshold"] == (20 if function.name == REFUSES else 1)
        assert alarm.inputs["statistic"] == "Sum"
        assert alarm.inputs["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert alarm.inputs["treatMissingData"] == "notBreaching"


def test_a_stream_that_is_five_minutes_behind_raises_an_alarm():
    (alarm,) = alarms(shop("dev"), "IteratorAge", {"FunctionName": named("shop-relay").outputs["name"]})
    assert alarm.inputs["threshold"] == 300_000
    assert alarm.inputs["statistic"] == "Maximum"


def test_a_view_that_is_five_minutes_behind_raises_an_alarm(graph):
    queue = graph.one("aws:sqs/queue:Queue", "shop-views-projector-queue")
    (alarm,) = alarms(graph, "ApproximateAgeOfOldestMessage", {"QueueName": queue.outputs["name"]})
    assert (alarm.inputs["namespace"], alarm.inputs["statistic"]) == ("AWS/SQS", "Maximum")
    assert alarm.inputs["threshold"] == 300


def test_what_should_be_empty_raises_an_alarm_when_it_is_not(graph):
    waiting = [each for each in graph.of("aws:sqs/queue:Queue") if not each.inputs.get("redrivePolicy")]
    assert {each.name for each in waiting} == {
        "shop-parked",
        "shop-commands-dead-letters",
        "shop-effects-dead-letters",
        "shop-views-parked",
        "shop-views-projector-dead-letters",
        "shop-views-sweep-dead-letters",
    }
    for queue in waiting:
        (alarm,) = alarms(graph, "ApproximateNumberOfMessagesVisible", {"QueueName": queue.outputs["name"]})
        assert alarm.inputs["threshold"] == 1
        assert queue.inputs["messageRetentionSeconds"] == 14 * 24 * 3600


def test_a_saga_that_gets_stuck_raises_an_alarm():
    """By the metric, and the dimension, that a function writes."""
    (alarm,) = alarms(shop("dev"), STUCK_SAGAS, {"service": "shop"})
    assert (alarm.inputs["namespace"], alarm.inputs["statistic"], alarm.inputs["threshold"]) == ("Foldstack", "Sum", 1)
    for each in functions(shop("dev")):
        assert each.inputs["environment"]["variables"]["FOLDSTACK_SERVICE"] == "shop"


def test_alarms_go_to_the_topic_of_the_stack():
    assert all(each.inputs["alarmActions"] == [] for each in shop("dev").of("aws:cloudwatch/metricAlarm:MetricAlarm"))
    topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
    graph = shop("dev", alarmTopicArn=topic)
    assert all(each.inputs["alarmActions"] == [topic] for each in graph.of("aws:cloudwatch/metricAlarm:MetricAlarm"))


def test_functions_run_what_was_built_for_their_target():
    layer = shop("dev").one("aws:lambda/layerVersion:LayerVersion")
    for function in functions(shop("dev")):
        assert function.inputs["runtime"] == "python3.13"
        assert function.inputs["architectures"] == ["arm64"]
        assert function.inputs["layers"] == [layer.outputs["arn"]]
        assert function.inputs["code"].path == str(FUNCTION_ZIP)
    assert layer.inputs["compatibleRuntimes"] == ["python3.13"]
    assert layer.inputs["compatibleArchitectures"] == ["arm64"]


def test_another_target_gives_another_runtime_and_architecture():
    graph = component(EventSourcedService, "orders", {"domain": DOMAIN, "target": "x86_64-python3.13"})
    assert {each.inputs["architectures"][0] for each in functions(graph)} == {"x86_64"}


def test_a_function_waits_for_its_policy():
    """Attached later, the first invocations would be refused."""
    graph = shop("dev")
    for each in [*functions(graph), *graph.of("aws:lambda/eventSourceMapping:EventSourceMapping")]:
        policies = [urn for urn in each.dependencies if "aws:iam/rolePolicy:RolePolicy" in urn]
        assert len(policies) == 1, each


def test_tracing_can_be_left_out():
    assert {each.inputs["tracingConfig"]["mode"] for each in functions(shop("dev"))} == {"Active"}
    graph = component(EventSourcedService, "orders", {"domain": DOMAIN, "operations": {"tracing": False}})
    assert {each.inputs["tracingConfig"]["mode"] for each in functions(graph)} == {"PassThrough"}


def test_everything_that_takes_tags_has_ours():
    graph = shop("dev")
    for each in graph.resources:
        if "tags" in each.inputs:
            assert each.inputs["tags"] == {"service": "shop", "component": by_urn(graph, each.parent).name}
    tagged = {each.type for each in graph.resources if "tags" in each.inputs}
    assert {FUNCTION, "aws:dynamodb/table:Table", "aws:sqs/queue:Queue", "aws:iam/role:Role"} < tagged


def test_the_name_of_a_service_may_differ_from_its_components():
    graph = component(EventSourcedService, "orders-v2", {"domain": DOMAIN, "service": "orders"})
    for each in functions(graph):
        assert each.inputs["environment"]["variables"]["FOLDSTACK_SERVICE"] == "orders"
        assert each.name.startswith("orders-v2-")


def test_two_services_live_in_one_stack():
    def program():
        for name in ("orders", "billing"):
            service = EventSourcedService(name, {"domain": DOMAIN})
            ProjectionPipeline(f"{name}-views", {"source": service.events, "views": ["rows"]})

    graph = deploy(program)
    assert len(functions(graph)) == 8
    assert len({role_of(graph, each).urn for each in functions(graph)}) == 8


def alarms(graph, metric, dimensions):
    return [
        each
        for each in graph.of("aws:cloudwatch/metricAlarm:MetricAlarm")
        if each.inputs["metricName"] == metric and each.inputs["dimensions"] == dimensions
    ]


def named(name):
    return shop("dev").one(FUNCTION, name)


def by_urn(graph, urn):
    (found,) = [each for each in graph.resources if each.urn == urn]
    return found
