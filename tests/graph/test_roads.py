"""How events and commands travel between functions by default. Not proven here: that they arrive; the laptop does."""

import json

import pytest

from components import EventSourcedService, ProjectionPipeline
from local.event_sources.filters import Filters
from shop import service
from tests.graph.support import DOMAIN, FUNCTION, by_arn, component, deploy, document, shop

QUEUE = "aws:sqs/queue:Queue"
SOURCE = "aws:lambda/eventSourceMapping:EventSourceMapping"
RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
EDGES = {"shop-effects": "shop-effects", "shop-views-projector": "shop-views-projector"}


def graph():
    return shop("dev")


def queues_with_a_consumer():
    return [
        (by_arn(graph(), source.inputs["eventSourceArn"]), by_arn(graph(), source.inputs["functionName"]), source)
        for source in graph().of(SOURCE)
        if source.name != "shop-relay-source"
    ]


def test_each_queue_is_drained_by_its_function():
    assert {(queue.name, function.name) for queue, function, _ in queues_with_a_consumer()} == {
        ("shop-commands-queue", "shop-commands"),
        ("shop-effects-queue", "shop-effects"),
        ("shop-views-projector-queue", "shop-views-projector"),
    }


def test_a_message_is_hidden_for_six_runs_of_its_function():
    for queue, function, source in queues_with_a_consumer():
        window = source.inputs["maximumBatchingWindowInSeconds"]
        assert queue.inputs["visibilityTimeoutSeconds"] >= 6 * function.inputs["timeout"] + window


def test_queues_are_drained_in_batches_that_may_fail_in_part():
    for _, _, source in queues_with_a_consumer():
        assert source.inputs["batchSize"] == 10
        assert source.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]


def test_each_deployment_sees_that_the_effects_are_fed_all_they_answer():
    check = graph().one("aws:lambda/invocation:Invocation", "shop-effects-check")
    assert set(json.loads(check.inputs["input"])["check"]) == service.reactions.stored_types()
    effects = graph().one(FUNCTION, "shop-effects")
    assert check.inputs["functionName"] == effects.outputs["name"]
    assert check.inputs["triggers"] == {"code": effects.outputs["codeSha256"]}


def test_what_fails_too_often_becomes_a_dead_letter():
    dead = {}
    for queue, _, _ in queues_with_a_consumer():
        redrive = json.loads(queue.inputs["redrivePolicy"])
        dead[queue.name] = (by_arn(graph(), redrive["deadLetterTargetArn"]).name, redrive["maxReceiveCount"])
        assert (
            by_arn(graph(), redrive["deadLetterTargetArn"]).inputs["messageRetentionSeconds"]
            > (queue.inputs["messageRetentionSeconds"])
        )
    assert dead == {
        "shop-commands-queue": ("shop-commands-dead-letters", 18),
        "shop-effects-queue": ("shop-effects-dead-letters", 18),
        "shop-views-projector-queue": ("shop-views-projector-dead-letters", 18),
    }


def test_every_queue_is_encrypted():
    assert all(queue.inputs["sqsManagedSseEnabled"] is True for queue in graph().of(QUEUE))


def test_the_delay_of_effects():
    assert shop("dev").one(QUEUE, "shop-effects-queue").inputs["delaySeconds"] == 15
    assert shop("local").one(QUEUE, "shop-effects-queue").inputs["delaySeconds"] == 2
    assert graph().one(QUEUE, "shop-views-projector-queue").inputs["delaySeconds"] == 0


@pytest.mark.parametrize("edge", EDGES)
def test_a_rule_feeds_each_consumer_of_events(edge):
    rule, target = graph().one(RULE, f"{edge}-rule"), graph().one(TARGET, f"{edge}-target")
    bus = graph().one("aws:cloudwatch/eventBus:EventBus").outputs["name"]
    assert rule.inputs["eventBusName"] == target.inputs["eventBusName"] == bus
    assert target.inputs["rule"] == rule.outputs["name"]
    assert by_arn(graph(), target.inputs["arn"]).name == f"{edge}-queue"
    assert target.inputs["sqsTarget"] == {"messageGroupId": "$.detail.tenant"}
    assert by_arn(graph(), target.inputs["deadLetterConfig"]["arn"]).name == f"{edge}-dead-letters"


def test_every_rule_reaches_a_queue_that_lets_it_in():
    assert {target.name for target in graph().of(TARGET)} == {f"{edge}-target" for edge in EDGES}
    for target in graph().of(TARGET):
        (rule,) = [each for each in graph().of(RULE) if each.outputs["name"] == target.inputs["rule"]]
        for arn in (target.inputs["arn"], target.inputs["deadLetterConfig"]["arn"]):
            assert document(policy_of(by_arn(graph(), arn))) == [
                {
                    "Sid": "AcceptFromRule",
                    "Effect": "Allow",
                    "Action": ["sqs:SendMessage"],
                    "Resource": arn,
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Condition": {"ArnEquals": {"aws:SourceArn": rule.outputs["arn"]}},
                }
            ]


def test_a_target_waits_for_the_policies_of_its_queues():
    for target in graph().of(TARGET):
        assert len([urn for urn in target.dependencies if "queuePolicy" in urn]) == 2


def policy_of(queue):
    (policy,) = [
        each
        for each in graph().of("aws:sqs/queuePolicy:QueuePolicy")
        if each.inputs["queueUrl"] == queue.outputs["url"]
    ]
    return policy.inputs["policy"]


def test_patterns_name_the_service_and_the_types():
    def program():
        service = EventSourcedService("orders", {"domain": DOMAIN, "effect_types": ["B", "A"]})
        ProjectionPipeline("all", {"source": service.events, "views": ["rows"]})
        ProjectionPipeline("some", {"source": service.events, "views": ["rows"], "types": ["C"]})

    patterns = {each.name: json.loads(each.inputs["eventPattern"]) for each in deploy(program).of(RULE)}
    assert patterns == {
        "orders-effects-rule": {"source": ["orders"], "detail": {"types": ["A", "B"]}},
        "all-projector-rule": {"source": ["orders"]},
        "some-projector-rule": {"source": ["orders"], "detail": {"types": ["C"]}},
    }


def test_the_relay_reads_the_stream_by_the_rules():
    source = graph().one(SOURCE, "shop-relay-source")
    table = graph().one("aws:dynamodb/table:Table", "shop-commits")
    assert source.inputs["eventSourceArn"] == table.outputs["streamArn"]
    assert by_arn(graph(), source.inputs["functionName"]).name == "shop-relay"
    settings = {
        "startingPosition": "TRIM_HORIZON",
        "parallelizationFactor": 1,
        "bisectBatchOnFunctionError": True,
        "maximumRetryAttempts": 10,
        "maximumRecordAgeInSeconds": 82_800,
        "functionResponseTypes": ["ReportBatchItemFailures"],
    }
    assert source.inputs.items() >= settings.items()
    destination = source.inputs["destinationConfig"]["onFailure"]["destinationArn"]
    assert by_arn(graph(), destination).name == "shop-failures"


def test_the_relay_is_given_new_commits_and_nothing_else():
    source = graph().one(SOURCE, "shop-relay-source")
    filters = Filters([each["pattern"] for each in source.inputs["filterCriteria"]["filters"]])
    commit = {"p": {"S": "t#product#1"}, "s": {"N": "1"}, "n": {"N": "2"}, "t": {"L": [{"S": "ProductCreated"}]}}
    assert filters.accept({"eventName": "INSERT", "dynamodb": {"NewImage": commit}})
    for other in ("MODIFY", "REMOVE"):
        assert not filters.accept({"eventName": other, "dynamodb": {"NewImage": commit}})
    assert not filters.accept({"eventName": "INSERT", "dynamodb": {"NewImage": {"p": {"S": "t#sys#1"}}}})


def test_the_sweep_comes_daily_to_the_projector():
    schedule = graph().one("aws:scheduler/schedule:Schedule")
    target = schedule.inputs["target"]
    assert schedule.inputs["scheduleExpression"] == "rate(1 day)"
    assert json.loads(target["input"]) == {"sweep": True}
    assert by_arn(graph(), target["arn"]).name == "shop-views-projector"
    assert by_arn(graph(), target["roleArn"]).name == "shop-views-sweep-role"
    assert by_arn(graph(), target["deadLetterConfig"]["arn"]).name == "shop-views-sweep-dead-letters"


def test_the_sweep_can_come_at_another_time():
    source = {
        "domain": {key: key for key in ("service", "entry", "layer_arn", "runtime", "architecture", "store_epoch")}
        | {"code": None, "environment": {}, "silo": "", "key_arn": ""},
        **{key: key for key in ("bus_name", "bus_arn", "failures_bucket_arn", "commit_table_name", "commit_table_arn")},
        "road": "eventbridge",
        **{key: key for key in ("bodies_bucket_name", "bodies_bucket_arn")},
    }
    args = {"source": source, "views": ["rows"], "sweep_schedule": "cron(0 3 * * ? *)"}
    schedule = component(ProjectionPipeline, "rows", args).one("aws:scheduler/schedule:Schedule")
    assert schedule.inputs["scheduleExpression"] == "cron(0 3 * * ? *)"


def test_functions_are_told_where_to_send():
    variables = {each.name: each.inputs["environment"]["variables"] for each in graph().of(FUNCTION)}
    urls = {each.name: each.outputs["url"] for each in graph().of(QUEUE)}
    assert variables["shop-relay"]["FOLDSTACK_PARKED_QUEUE"] == urls["shop-parked"]
    assert variables["shop-views-projector"]["FOLDSTACK_PARKED_QUEUE"] == urls["shop-views-parked"]
    bus = graph().one("aws:cloudwatch/eventBus:EventBus")
    assert variables["shop-relay"]["FOLDSTACK_ROAD"] == bus.outputs["arn"]
    assert graph().exports["eventBus"] == bus.outputs["name"]
