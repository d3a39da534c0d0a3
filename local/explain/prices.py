"""What a stack costs at list prices of us-east-1, no free tier taken off: at rest, and by use."""

from collections.abc import Iterable
from typing import NamedTuple

from ..graph import Registered

MONTHLY = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": 0.10,
    "aws:secretsmanager/secret:Secret": 0.40,
    # Of our own; turned each year, which adds as much for the first two times.
    "aws:kms/key:Key": 1.00,
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
BY_USE = frozenset(
    {
        "aws:apigatewayv2/api:Api",
        "aws:apigatewayv2/authorizer:Authorizer",
        "aws:apigatewayv2/integration:Integration",
        "aws:apigatewayv2/route:Route",
        "aws:apigatewayv2/stage:Stage",
        # 5 $ for a TB that a query reads.
        "aws:athena/workgroup:Workgroup",
        # One that only tells, and does nothing itself.
        "aws:budgets/budget:Budget",
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
        "aws:rds/clusterInstance:ClusterInstance",  # paused: see above
        "aws:s3/bucket:Bucket",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:secretsmanager/secretVersion:SecretVersion",
        # A topic's key is asked for what is published alone.
        "aws:sns/topic:Topic",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:sqs/queue:Queue",
        "aws:sqs/queuePolicy:QueuePolicy",
    }
)
"""Billed by use alone: nothing is stored or called in a stack at rest."""


class UnknownPrice(Exception):
    """A resource whose price nobody has looked up: the message names its type."""


def idle(each: Registered) -> float:
    """Dollars a month of one resource that nobody uses. Raises UnknownPrice, so that none slips in."""
    if each.type == "aws:lambda/eventSourceMapping:EventSourceMapping":
        return POLLING_A_QUEUE if ":sqs:" in each.inputs["eventSourceArn"] else 0  # reading a stream is free
    if each.type == "aws:rds/cluster:Cluster":
        if each.inputs["serverlessv2ScalingConfiguration"]["minCapacity"] != 0:
            raise UnknownPrice(f"{each} never pauses: its capacity has a price of its own")
        return PAUSED_CLUSTER
    if not each.custom or each.type in BY_USE or each.type.startswith("pulumi:"):
        return 0
    if each.type not in MONTHLY:
        raise UnknownPrice(f"{each}: nobody has looked up the price of {each.type}")
    return MONTHLY[each.type]


def idle_total(resources: Iterable[Registered]) -> float:
    """Dollars a month of a stack that nobody uses."""
    return sum(idle(each) for each in resources)


class Use(NamedTuple):
    """`dollars` for a million commands."""

    what: str
    how_much: str
    dollars: float


def per_million_commands(resources: Iterable[Registered]) -> list[Use]:
    """What a million commands cost, each of one event of at most 1 KB, with one view, one after the other.

    Counts are those of the runtime's own tests (requests and units of a command, of a batch of ten); Lambda's time is
    assumed: 15 ms for a command at the router's size, 3 ms for each event in a batch, on arm64.
    """
    types = {each.type for each in resources}
    router = next((e for e in resources if e.inputs.get("handler") == "foldstack.handlers.http.handler"), None)
    gigabytes = (router.inputs["memorySize"] if router else 512) / 1024
    lambda_second = 0.0000133334
    found = [
        Use("API Gateway, HTTP API", "1 request", 1.00),
        Use("Lambda, router", f"1 request, 15 ms of {gigabytes:.2g} GB", 0.20 + 15_000 * gigabytes * lambda_second),
        Use("DynamoDB, commit", "1 write unit", 0.625),
    ]
    if "aws:kinesis/stream:Stream" in types:
        found.append(Use("Kinesis", "1 record of 25 KB or less", 0.014))
    elif "aws:sns/topic:Topic" in types:
        found += [Use("SNS", "1 message, to queues for nothing", 0.50), _queue()]
    else:
        found += [Use("EventBridge", "1 event", 1.00), _queue()]
    found.append(Use("Lambda, relay and projector", "0.2 requests, 6 ms of 0.5 GB", 0.04 + 6_000 * 0.5 * lambda_second))
    if "aws:rds/cluster:Cluster" in types:
        found.append(Use("Aurora, Data API", "0.2 requests; capacity by the hour", 0.2 * 0.35))
    else:
        found.append(Use("DynamoDB, view", "1 write unit, half a read unit", 0.625 + 0.5 * 0.125))
    return found


def _queue() -> Use:
    return Use("SQS", "1 message sent, received and deleted by tens", 0.40 * 1.2)
