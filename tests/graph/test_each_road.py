"""The same service on each road: who feeds whom, in which order, and what becomes of what fails.

Not proven here: that events arrive; the end-to-end suite runs on each.
"""

import json

import pytest

from components import ArgumentError, EventSourcedService, ProjectionPipeline
from components.roads import NAMES
from local.event_sources.filters import Filters
from tests.graph.support import DOMAIN, FUNCTION, by_arn, component, deploy, document, functions, shop, strings

QUEUE = "aws:sqs/queue:Queue"
SOURCE = "aws:lambda/eventSourceMapping:EventSourceMapping"
STREAM = "aws:kinesis/stream:Stream"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
TOPIC = "aws:sns/topic:Topic"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
PURCHASES = ["PurchaseBegan", "PurchaseCancelled", "PurchaseCancelling", "PurchaseDeclined", "PurchasePaid"]
EFFECT_TYPES = ["ProductReserved", *PURCHASES, "ReservationClaimed", "purchase.SagaRetried"]

by_topic = pytest.mark.parametrize("road", ["sns", "sns-fifo"])
every = pytest.mark.parametrize("road", NAMES)


def on(road):
    return shop("dev", road=road)


@every
def test_consumers_are_the_same_whatever_the_road(road):
    """Functions, their handlers, code and sources by name; a road changes what is between relay and source."""
    graph, default = on(road), on(NAMES[0])
    assert {each.name: each.inputs["handler"] for each in functions(graph)} == {
        each.name: each.inputs["handler"] for each in functions(default)
    }
    assert {each.name for each in graph.of(SOURCE)} == {each.name for each in default.of(SOURCE)}
    consumers = [*functions(graph), *graph.of(SOURCE), *graph.of(QUEUE)]
    assert not [each.name for each in consumers if any(name in each.name for name in (*NAMES, "sns", "bus", "rule"))]
    told, usual = (variables(each, "shop-views-projector").keys() for each in (graph, default))
    assert told | {"FOLDSTACK_QUEUE"} == usual
    assert ("FOLDSTACK_QUEUE" in told) is (road != "kinesis"), "Lambda itself retries a stream"


@every
def test_only_one_road_is_built(road):
    kinds = {"eventbridge": "aws:cloudwatch/eventBus:EventBus", "kinesis": STREAM, "sns": TOPIC, "sns-fifo": TOPIC}
    graph = on(road)
    (built,) = [each for kind in set(kinds.values()) for each in graph.of(kind)]
    assert built.type == kinds[road]
    assert variables(graph, "shop-relay")["FOLDSTACK_ROAD"] == built.outputs["arn"]
    assert graph.exports["eventBus"] == built.outputs["name"]


def test_what_holds_data_is_the_same_on_every_road():
    """Or a stack that keeps its data could not change its road: nothing protected is ever removed."""
    kept = {road: {each.urn for each in on(road).resources if each.options.protect} for road in NAMES}
    assert len(kept["eventbridge"]) > 5
    assert all(urns == kept["eventbridge"] for urns in kept.values())


@every
def test_a_preview_knows_every_resource(road):
    before = shop("dev", preview=True, road=road)
    assert {each.urn for each in before.resources} == {each.urn for each in on(road).resources}


@every
def test_everything_on_the_road_is_encrypted(road):
    graph = on(road)
    assert all(each.inputs["sqsManagedSseEnabled"] is True for each in graph.of(QUEUE))
    assert all(each.inputs["kmsMasterKeyId"] == "alias/aws/sns" for each in graph.of(TOPIC))
    for each in graph.of(STREAM):
        assert (each.inputs["encryptionType"], each.inputs["kmsKeyId"]) == ("KMS", "alias/aws/kinesis")


@every
def test_effects_keep_their_delay_and_their_dead_letters(road):
    graph = on(road)
    queue = graph.one(QUEUE, "shop-effects-queue")
    assert queue.inputs["delaySeconds"] == 15
    assert "fifoQueue" not in queue.inputs, "one stuck effect would hold up all others of its stream"
    redrive = json.loads(queue.inputs["redrivePolicy"])
    assert by_arn(graph, redrive["deadLetterTargetArn"]).name == "shop-effects-dead-letters"
    assert graph.one(SOURCE, "shop-effects-source").inputs["eventSourceArn"] == queue.outputs["arn"]


@every
def test_every_queue_that_should_be_empty_has_an_alarm(road):
    graph = on(road)
    watched = {
        name
        for alarm in graph.of(ALARM)
        if alarm.inputs["metricName"] == "ApproximateNumberOfMessagesVisible"
        for name in [alarm.inputs["dimensions"]["QueueName"]]
    }
    drained = {each.inputs["eventSourceArn"] for each in graph.of(SOURCE)}
    waiting = {each.outputs["name"] for each in graph.of(QUEUE) if each.outputs["arn"] not in drained}
    assert watched == waiting


@every
def test_the_relay_parks_with_what_it_could_not_publish(road):
    """A commit is 300 KB at most, a third more in base64: the queue takes what SQS takes."""
    assert on(road).one(QUEUE, "shop-parked").inputs["maxMessageSize"] == 1024 * 1024


@pytest.mark.parametrize("road", ["eventbridge", "sns", "sns-fifo"])
def test_nothing_is_published_before_effects_would_get_it(road):
    """Neither at first, nor when a stack changes its road: a sweep finds what views missed, and no lost effect."""
    relay = on(road).one(FUNCTION, "shop-relay")
    (ready,) = [
        each for each in on(road).resources if each.name in ("shop-effects-target", "shop-effects-subscription")
    ]
    assert ready.urn in relay.dependencies


@by_topic
def test_a_subscription_feeds_each_consumer(road):
    graph = on(road)
    topic = graph.one(TOPIC)
    assert {each.name for each in graph.of(SUBSCRIPTION)} == {
        "shop-effects-subscription",
        "shop-views-projector-subscription",
    }
    for each in graph.of(SUBSCRIPTION):
        assert each.inputs["topic"] == topic.outputs["arn"]
        assert each.inputs["protocol"] == "sqs"
        assert each.inputs["rawMessageDelivery"] is True
        queue = by_arn(graph, each.inputs["endpoint"])
        assert queue.name == each.name.replace("-subscription", "-queue")
        dead = by_arn(graph, json.loads(each.inputs["redrivePolicy"])["deadLetterTargetArn"])
        assert dead.inputs.get("fifoQueue", False) is (road == "sns-fifo"), "of the topic's own kind"
        for into in (queue, dead):
            assert document(policy_of(graph, into)) == [
                {
                    "Sid": "AcceptFromTopic",
                    "Effect": "Allow",
                    "Action": ["sqs:SendMessage"],
                    "Resource": into.outputs["arn"],
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic.outputs["arn"]}},
                }
            ]
        assert len([urn for urn in each.dependencies if "queuePolicy" in urn]) >= 2


@by_topic
def test_a_subscription_filters_by_event_type(road):
    effects = on(road).one(SUBSCRIPTION, "shop-effects-subscription").inputs
    assert json.loads(effects["filterPolicy"]) == {"types": EFFECT_TYPES}
    assert effects["filterPolicyScope"] == "MessageAttributes"
    assert "filterPolicy" not in on(road).one(SUBSCRIPTION, "shop-views-projector-subscription").inputs


@by_topic
def test_a_topic_takes_nothing_unencrypted(road):
    policy = on(road).one("aws:sns/topicPolicy:TopicPolicy")
    topic = on(road).one(TOPIC).outputs["arn"]
    assert policy.inputs["arn"] == topic
    assert document(policy.inputs["policy"]) == [
        {
            "Sid": "OnlyOverTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": topic,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_a_fifo_road_keeps_order_by_stream():
    graph = on("sns-fifo")
    topic = graph.one(TOPIC)
    assert topic.outputs["name"].endswith(".fifo")
    settings = {"fifoTopic": True, "contentBasedDeduplication": False, "fifoThroughputScope": "MessageGroup"}
    assert topic.inputs.items() >= settings.items()
    queue = graph.one(QUEUE, "shop-views-projector-queue")
    assert queue.outputs["name"].endswith(".fifo")
    settings = {"fifoQueue": True, "deduplicationScope": "messageGroup", "fifoThroughputLimit": "perMessageGroupId"}
    assert queue.inputs.items() >= settings.items()
    assert graph.one(QUEUE, "shop-views-projector-dead-letters").inputs["fifoQueue"] is True


def test_nothing_else_is_fifo():
    for road in ("eventbridge", "kinesis", "sns"):
        assert not [each for each in (*on(road).of(QUEUE), *on(road).of(TOPIC)) if "fifo" in json.dumps(each.inputs)]
    fifo = {each.name for each in on("sns-fifo").of(QUEUE) if each.inputs.get("fifoQueue")}
    assert fifo == {
        "shop-views-projector-queue",
        "shop-views-projector-dead-letters",
        "shop-effects-undelivered",
    }


def test_a_stream_is_read_by_the_rules():
    graph = on("kinesis")
    source = graph.one(SOURCE, "shop-views-projector-source").inputs
    settings = {
        "eventSourceArn": graph.one(STREAM).outputs["arn"],
        "startingPosition": "TRIM_HORIZON",
        "parallelizationFactor": 1,
        "bisectBatchOnFunctionError": True,
        "maximumRetryAttempts": 10,
        "maximumRecordAgeInSeconds": 82_800,
        "functionResponseTypes": ["ReportBatchItemFailures"],
    }
    assert source.items() >= settings.items()
    assert source["maximumRecordAgeInSeconds"] < 3600 * graph.one(STREAM).inputs["retentionPeriod"]
    failures = by_arn(graph, source["destinationConfig"]["onFailure"]["destinationArn"])
    assert (failures.type, failures.name) == ("aws:s3/bucket:Bucket", "shop-failures")


def test_a_streams_consumer_that_is_five_minutes_behind_raises_an_alarm():
    graph = on("kinesis")
    late = {
        each.inputs["dimensions"]["FunctionName"]
        for each in graph.of(ALARM)
        if (each.inputs["metricName"], each.inputs["threshold"]) == ("IteratorAge", 300_000)
    }
    assert late == {graph.one(FUNCTION, name).outputs["name"] for name in ("shop-relay", "shop-views-projector")}


@every
def test_what_operates_a_pipeline_names_its_queue_where_there_is_one(road):
    graph = on(road)
    (pipeline,) = graph.exports["operated"]["pipelines"]
    ages = {
        each.inputs["dimensions"]["QueueName"]
        for each in graph.of(ALARM)
        if each.inputs["metricName"] == "ApproximateAgeOfOldestMessage"
    }
    if road == "kinesis":
        assert (pipeline["queue_url"], ages) == ("", set())
        return
    queue = graph.one(QUEUE, "shop-views-projector-queue").outputs
    assert (pipeline["queue_url"], ages) == (queue["url"], {queue["name"]})


@every
def test_what_operates_a_service_publishes_as_its_relay_does(road):
    graph = on(road)
    operated = graph.exports["operated"]["service"]["variables"]
    names = ("FOLDSTACK_ROAD", "FOLDSTACK_EFFECTS_QUEUE", "FOLDSTACK_EFFECT_TYPES", "FOLDSTACK_PARKED_QUEUE")
    relay = variables(graph, "shop-relay")
    assert {name: operated.get(name) for name in names} == {name: relay.get(name) for name in names}


def test_a_streams_consumer_is_given_the_types_it_asks_for():
    def program():
        service = EventSourcedService("orders", {"domain": DOMAIN, "road": "kinesis"})
        ProjectionPipeline("some", {"source": service.events, "views": ["rows"], "types": ["B", "A"]})
        ProjectionPipeline("all", {"source": service.events, "views": ["rows"]})

    graph = deploy(program)
    (pattern,) = graph.one(SOURCE, "some-projector-source").inputs["filterCriteria"]["filters"]
    assert json.loads(pattern["pattern"]) == {"data": {"types": ["A", "B"]}}
    assert Filters([pattern["pattern"]]).accept({"data": {"types": ["C", "A"]}})
    assert not Filters([pattern["pattern"]]).accept({"data": {"types": ["C"]}})
    assert "filterCriteria" not in graph.one(SOURCE, "all-projector-source").inputs


def test_a_stream_cannot_delay_so_the_relay_feeds_the_effects():
    graph = on("kinesis")
    told = variables(graph, "shop-relay")
    assert told["FOLDSTACK_EFFECTS_QUEUE"] == graph.one(QUEUE, "shop-effects-queue").outputs["url"]
    assert sorted(told["FOLDSTACK_EFFECT_TYPES"].split(",")) == EFFECT_TYPES
    everything = component(EventSourcedService, "orders", {"domain": DOMAIN, "road": "kinesis"})
    assert "FOLDSTACK_EFFECT_TYPES" not in variables(everything, "orders-relay")


def test_a_stream_may_be_on_demand_and_keep_events_longer():
    args = {"domain": DOMAIN, "road": "kinesis", "shards": 0, "retention_hours": 168}
    stream = component(EventSourcedService, "orders", args).one(STREAM)
    assert stream.inputs["streamModeDetails"] == {"streamMode": "ON_DEMAND"}
    assert "shardCount" not in stream.inputs
    assert stream.inputs["retentionPeriod"] == 168
    assert component(EventSourcedService, "orders", {**args, "shards": 3.0}).one(STREAM).inputs["shardCount"] == 3


@every
def test_a_source_from_another_stack_is_put_on_the_road_its_caller_names(road):
    graph = deploy(lambda: ProjectionPipeline("rows", {"source": handle(road), "views": ["rows"], "road": road}))
    source = graph.one(SOURCE, "rows-projector-source").inputs
    assert ("arn:bus" in strings(source)) is (road == "kinesis")


def test_a_source_from_another_stack_must_be_on_the_road_its_caller_names():
    with pytest.raises(ValueError, match="travel by 'kinesis', and this consumer was made for 'eventbridge'"):
        deploy(lambda: ProjectionPipeline("rows", {"source": handle("kinesis"), "views": ["rows"]}))


def test_a_source_of_the_same_program_says_its_road_itself():
    def program():
        service = EventSourcedService("orders", {"domain": DOMAIN, "road": "sns"})
        ProjectionPipeline("rows", {"source": service.events, "views": ["rows"], "road": "kinesis"})

    with pytest.raises(ArgumentError, match="road: given 'kinesis'; allowed: 'sns', which its source says"):
        deploy(program)


def handle(road):
    """As it comes from a stack reference, or from a program in another language."""
    import pulumi

    domain = {key: key for key in ("service", "entry", "layer_arn", "runtime", "architecture", "store_epoch")}
    names = ("failures_bucket_arn", "commit_table_name", "commit_table_arn", "bodies_bucket_name", "bodies_bucket_arn")
    return pulumi.Output.from_input(
        {
            "domain": {**domain, "code": None, "environment": {}, "silo": "", "key_arn": ""},
            "road": road,
            "bus_name": "bus",
            "bus_arn": "arn:bus",
            **{name: name for name in names},
        }
    )


def variables(graph, function):
    return graph.one(FUNCTION, function).inputs["environment"]["variables"]


def policy_of(graph, queue):
    (policy,) = [
        each for each in graph.of("aws:sqs/queuePolicy:QueuePolicy") if each.inputs["queueUrl"] == queue.outputs["url"]
    ]
    return policy.inputs["policy"]
