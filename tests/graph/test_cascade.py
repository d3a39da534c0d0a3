"""The graph of DeletionCascade. Not proven here: that its rights suffice; the laptop runs it under these very roles."""

import json
from typing import Any

import pytest
from foldstack.aws.environment import Environment

from components import ArgumentError, DeletionCascade, EventSourcedService
from components.roads import NAMES
from local.explain.prices import idle_total
from policies import violations
from tests.graph.support import (
    DOMAIN,
    FUNCTION,
    blog,
    by_arn,
    component,
    deploy,
    functions,
    role_of,
    statements_of,
    tenant_role_of,
)
from tests.graph.test_privileges import (
    APPEND,
    BODIES,
    QUERY_STORE,
    REMEMBER,
    act_for_tenants,
    actions_of,
    consume,
    described,
    everyone,
    faults,
    grants,
    resources_of,
    together,
)

QUEUE = "aws:sqs/queue:Queue"
SOURCE = "aws:lambda/eventSourceMapping:EventSourceMapping"
TABLE = "aws:dynamodb/table:Table"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COLLECTOR, REMOVER = "blog-cascade-collector", "blog-cascade-remover"
TYPES = ["AuthorDeleted", "CommentWritten", "PostMoved", "PostRemoved", "PostWritten"]

every = pytest.mark.parametrize("road", NAMES)


def of_blog(grant):
    return {action: {each.replace("shop-", "blog-") for each in names} for action, names in grant.items()}


def index(*actions):
    return {f"dynamodb:{each}": {"blog-cascade-index"} for each in actions}


def test_each_function_may_do_exactly_what_it_does():
    graph = blog()
    may = {
        COLLECTOR: together(
            consume("blog-cascade-collector-queue"), {"sqs:SendMessage": {"blog-cascade-removals-queue"}}
        ),
        REMOVER: together(consume("blog-cascade-removals-queue"), {"sqs:SendMessage": {"blog-cascade-removals-queue"}}),
    }
    for_tenants = {
        COLLECTOR: together(of_blog(QUERY_STORE), index("GetItem", "UpdateItem")),
        REMOVER: together(of_blog(together(APPEND, REMEMBER, BODIES)), index("GetItem", "Query", "UpdateItem")),
    }
    for name in (COLLECTOR, REMOVER):
        function = graph.one(FUNCTION, name)
        tenant_role = tenant_role_of(graph, function)
        assert tenant_role is not None
        assert grants(graph, role_of(graph, function)) == together(may[name], act_for_tenants(name), everyone(name))
        assert grants(graph, tenant_role) == for_tenants[name]
        for role in (role_of(graph, function), tenant_role):
            assert [fault for statement in statements_of(graph, role) for fault in faults(statement)] == []
        for statement in statements_of(graph, tenant_role):
            assert statement["Condition"]["Null"]["aws:PrincipalTag/tenant"] == "false", "one tenant at a time"


@every
def test_it_hears_of_its_types_on_every_road(road):
    graph = blog(road=road)
    rules = {
        "eventbridge": lambda: json.loads(
            graph.one("aws:cloudwatch/eventRule:EventRule", f"{COLLECTOR}-rule").inputs["eventPattern"]
        )["detail"]["types"],
        "kinesis": lambda: json.loads(
            graph.one(SOURCE, f"{COLLECTOR}-source").inputs["filterCriteria"]["filters"][0]["pattern"]
        )["data"]["types"],
    }
    if road in rules:
        assert rules[road]() == TYPES
    assert blog(road=road).one(SOURCE, f"{COLLECTOR}-source").inputs["functionName"] == function_arn(graph, COLLECTOR)
    removals = graph.one(QUEUE, "blog-cascade-removals-queue")
    assert "fifoQueue" not in removals.inputs, "a deletion of thousands would hold up the others of its tenant"
    drained = graph.one(SOURCE, "blog-cascade-removals-source")
    assert drained.inputs["eventSourceArn"] == removals.outputs["arn"]
    assert drained.inputs["functionName"] == function_arn(graph, REMOVER)
    assert {each.urn for each in blog(road=road, preview=True).resources} == {each.urn for each in graph.resources}


def test_what_fails_is_retried_and_then_a_dead_letter_with_an_alarm():
    graph = blog(attempts=7)
    redrive = json.loads(graph.one(QUEUE, "blog-cascade-removals-queue").inputs["redrivePolicy"])
    dead = by_arn(graph, redrive["deadLetterTargetArn"])
    assert (dead.name, redrive["maxReceiveCount"]) == ("blog-cascade-removals-dead-letters", 7)
    watched = {
        (each.inputs["metricName"], each.inputs["dimensions"]["QueueName"])
        for each in graph.of(ALARM)
        if "QueueName" in each.inputs["dimensions"]
    }
    assert ("ApproximateNumberOfMessagesVisible", dead.outputs["name"]) in watched
    for queue in ("blog-cascade-removals-queue", "blog-cascade-collector-queue"):
        assert ("ApproximateAgeOfOldestMessage", graph.one(QUEUE, queue).outputs["name"]) in watched


def test_functions_are_told_what_they_read():
    graph = blog(page=30)
    table = graph.one(TABLE, "blog-cascade-index")
    queue = graph.one(QUEUE, "blog-cascade-removals-queue")
    collector, remover = (
        Environment.read(graph.one(FUNCTION, name).inputs["environment"]["variables"]) for name in (COLLECTOR, REMOVER)
    )
    for each in (collector, remover):
        assert (each.cascade_table, each.removals_queue) == (table.outputs["name"], queue.outputs["url"])
    assert collector.consumer == "blog-cascade" == graph.exports["operated"]["cascades"][0]["consumer"]
    assert remover.cascade_page == 30
    assert remover.queue is not None
    assert remover.queue.url == queue.outputs["url"]
    assert graph.exports["cascadeTable"] == table.outputs["name"]


def test_each_deployment_sees_that_no_type_is_missing():
    (check,) = [each for each in blog().of("aws:lambda/invocation:Invocation") if each.name == "blog-cascade-check"]
    assert json.loads(check.inputs["input"]) == {"check": TYPES}
    assert check.inputs["functionName"] == blog().one(FUNCTION, COLLECTOR).outputs["name"]
    (check,) = alone().of("aws:lambda/invocation:Invocation")
    assert json.loads(check.inputs["input"]) == {"check": []}, "all: but there must be cascades"


@every
def test_it_keeps_to_the_rules_of_every_stack(road):
    assert violations(blog(road=road).resources, "destroy") == []
    assert violations(alone().resources) == []


def test_at_rest_it_costs_less_than_two_dollars_a_month():
    def idle(graph):
        return idle_total(graph.resources)

    assert 1 < idle(alone()) - idle(deploy(lambda: EventSourcedService("blog", {"domain": DOMAIN}))) < 2


def alone(service: dict[str, Any] | None = None, **args: Any):
    def run():
        made = EventSourcedService("blog", {"domain": DOMAIN, **(service or {})})
        given = {"source": made.events, "commands": made.commands}
        DeletionCascade("cascade", {**given, **args})  # pyright: ignore

    return deploy(run)


def test_in_a_silo_all_is_of_its_tenant_and_under_its_key():
    graph = alone({"silo": "big-corp"}, silo="big-corp")
    key = graph.one("aws:kms/key:Key").outputs["arn"]
    assert graph.one(TABLE, "cascade-index").inputs["serverSideEncryption"]["kmsKeyArn"] == key
    for name in ("cascade-collector", "cascade-remover"):
        role = tenant_role_of(graph, graph.one(FUNCTION, name))
        statements = statements_of(graph, role)
        assert any(action.startswith("kms:") for each in statements for action in actions_of(each))
        for statement in statements:
            assert statement["Condition"]["StringEquals"] == {"aws:PrincipalTag/tenant": "big-corp"}
            assert faults(statement) == []
        assert len({each["Sid"] for each in statements}) == len(statements)


def test_personal_data_is_read_by_who_removes_alone():
    graph = alone({"personal": True})
    keys = {
        name: {
            action
            for statement in statements_of(graph, tenant_role_of(graph, graph.one(FUNCTION, name)))
            for action in actions_of(statement)
            if any("key" in described(graph, each) for each in resources_of(statement))
        }
        for name in ("cascade-collector", "cascade-remover")
    }
    assert keys["cascade-collector"] == set(), "no id is personal"
    assert "kms:Decrypt" in keys["cascade-remover"]


@pytest.mark.parametrize(("of_service", "of_cascade"), [("big-corp", ""), ("", "big-corp"), ("big-corp", "other")])
def test_a_silo_that_its_source_does_not_say_is_refused(of_service, of_cascade):
    with pytest.raises(ValueError, match=r"source: it is (no silo|the silo of big-corp), and this was made for"):
        alone({"silo": of_service} if of_service else {}, **({"silo": of_cascade} if of_cascade else {}))


def test_events_and_commands_are_of_one_service():
    def run():
        one, other = (EventSourcedService(name, {"domain": DOMAIN}) for name in ("one", "other"))
        DeletionCascade("cascade", {"source": one.events, "commands": other.commands})  # pyright: ignore

    with pytest.raises(ValueError, match="give the `events` and the `commands` of one service"):
        deploy(run)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"page": 0}, "page: given 0; allowed: 1 to 1000"),
        ({"attempts": 1}, "attempts: given 1; allowed: 2 to 960"),
        ({"types": ["Author Deleted"]}, r"types\[0\]: given 'Author Deleted'; allowed: a stored event type"),
        ({"road": "sns"}, "road: given 'sns'; allowed: 'eventbridge', which its source says"),
        ({"pages": 3}, "pages: given 3"),
    ],
)
def test_what_is_refused(args, said):
    with pytest.raises(ArgumentError, match=said):
        alone(**args)


def test_a_source_of_another_stack_says_its_road_by_the_argument():
    with pytest.raises(ArgumentError, match="source"):
        component(DeletionCascade, "cascade", {})


def function_arn(graph, name):
    (found,) = [each for each in functions(graph) if each.name == name]
    return found.outputs["arn"]
