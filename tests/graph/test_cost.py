"""What the stack costs while nobody uses it, at list prices of us-east-1, no free tier taken off."""

import pytest

from tests.graph.support import shop

DOLLARS_A_MONTH = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": 0.10,
    "aws:secretsmanager/secret:Secret": 0.40,
    # A key of AWS's own, asked by each table at most every five minutes: 8,640 requests at 0.03 $ per 10,000.
    "aws:dynamodb/table:Table": 0.026,
    # A provisioned shard at 0.015 $ an hour; its key is asked every five minutes by each side.
    "aws:kinesis/stream:Stream": 0.015 * 730 + 2 * 0.026,
    # Each sweep counts in three metrics of its own, at 0.30 $ a month each, billed for one hour a day.
    "aws:scheduler/schedule:Schedule": 3 * 0.30 / 24,
}
# A paused cluster has its storage: what a new one holds, at 0.10 $ per GB and month, and backups up to that are free.
# Its owner's secret is made by RDS, and is no resource of the program. The daily sweep wakes it for 6 minutes, of half
# an ACU at 0.12 $ an hour.
PAUSED_CLUSTER = 0.10 + 0.40 + 30 * 0.1 * 0.5 * 0.12
# Lambda keeps five long polls of 20 seconds open on a queue: 648,000 requests a month at 0.40 $ per million.
POLLING_A_QUEUE = 5 * 3 * 60 * 24 * 30 * 0.40 / 1_000_000
# Billed by use alone: nothing is stored or called in a stack at rest.
BY_USE = {
    "aws:apigatewayv2/api:Api",
    "aws:apigatewayv2/authorizer:Authorizer",
    "aws:apigatewayv2/integration:Integration",
    "aws:apigatewayv2/route:Route",
    "aws:apigatewayv2/stage:Stage",
    # 5 $ for a TB that a query reads.
    "aws:athena/workgroup:Workgroup",
    "aws:cloudwatch/eventBus:EventBus",
    "aws:cloudwatch/eventRule:EventRule",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:cloudwatch/logGroup:LogGroup",
    # 0.015 $ for each user who signs in within a month, from the 10,001st on; a machine's tokens by request.
    "aws:cognito/resourceServer:ResourceServer",
    "aws:cognito/userPool:UserPool",
    "aws:cognito/userPoolClient:UserPoolClient",
    "aws:cognito/userPoolDomain:UserPoolDomain",
    # The first million tables are free.
    "aws:glue/catalogDatabase:CatalogDatabase",
    "aws:glue/catalogTable:CatalogTable",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    # 0.029 $ for a GB that comes in.
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream",
    "aws:lambda/function:Function",
    "aws:lambda/invocation:Invocation",
    "aws:lambda/layerVersion:LayerVersion",
    "aws:lambda/permission:Permission",
    # 1 $ for a million that fire; those that wait are free.
    "aws:scheduler/scheduleGroup:ScheduleGroup",
    "aws:rds/clusterInstance:ClusterInstance",  # paused: see below
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    # A topic's key is asked for what is published alone.
    "aws:sns/topic:Topic",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:sqs/queue:Queue",
    "aws:sqs/queuePolicy:QueuePolicy",
}


def idle(graph):
    """Dollars a month; a resource of unknown price is an error, so that none slips in."""
    total = 0.0
    for each in graph.resources:
        if each.type == "aws:lambda/eventSourceMapping:EventSourceMapping":
            polls_a_queue = ":sqs:" in each.inputs["eventSourceArn"]  # reading a stream is free for Lambda
            total += POLLING_A_QUEUE if polls_a_queue else 0
        elif each.type == "aws:rds/cluster:Cluster":
            assert each.inputs["serverlessv2ScalingConfiguration"]["minCapacity"] == 0, "it would never pause"
            total += PAUSED_CLUSTER
        elif each.custom and each.type not in BY_USE:
            total += DOLLARS_A_MONTH[each.type]
    return total


def test_a_stack_at_rest_costs_less_than_five_dollars_a_month():
    assert 2 < idle(shop("dev")) < 4
    assert idle(shop("dev", splitRouter=True)) < 5
    assert idle(shop("dev", readModel="postgres")) < 5


def test_a_lake_at_rest_costs_a_dollar_and_a_half_a_month():
    """Nine alarms, the polling of a queue, a table. A compaction that finds nothing to do counts nothing."""
    assert 1 < idle(shop("dev", lake=True)) - idle(shop("dev")) < 1.5


@pytest.mark.parametrize(("road", "dollars"), [("sns", 5), ("sns-fifo", 5), ("kinesis", 16)])
def test_a_stack_at_rest_costs_little_on_every_road(road, dollars):
    assert 2 < idle(shop("dev", road=road)) < dollars
    assert idle(shop("dev", road=road, splitRouter=True)) < dollars


def test_a_shard_is_most_of_it():
    """On demand a stream at rest costs 0.04 $ an hour, so one shard is the default."""
    stream = shop("dev", road="kinesis").one("aws:kinesis/stream:Stream")
    assert stream.inputs["shardCount"] == 1
    assert stream.inputs["streamModeDetails"] == {"streamMode": "PROVISIONED"}
    assert stream.inputs["retentionPeriod"] == 24, "longer is billed by the shard and hour"


def test_alarms_are_counted():
    assert len(shop("dev").of("aws:cloudwatch/metricAlarm:MetricAlarm")) == 20
    assert len(shop("dev", splitRouter=True).of("aws:cloudwatch/metricAlarm:MetricAlarm")) == 22
