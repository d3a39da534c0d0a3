"""Every edge that AWS would refuse is refused before anything runs over it, and named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from local.edges import EdgeError, check
from local.graph import Registered, reveal
from local.graph_provider import GraphProvider
from local.policy_documents import PolicyError, allows, denies
from local.program import deploy
from local.resources import Request, Site

CODE = pulumi.FileArchive(str(Path(__file__).parent / "programs" / "notes" / "app"))


class World:
    """One of everything, connected as AWS asks; each test takes one thing away."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed

    def get(self, name: str, usual: Any) -> Any:
        return self.changed.get(name, usual)

    def __call__(self) -> None:
        table = aws.dynamodb.Table(
            "table",
            hash_key="id",
            attributes=[{"name": "id", "type": "S"}],
            stream_enabled=True,
            stream_view_type="NEW_IMAGE",
        )
        dead = aws.sqs.Queue(
            "dead", fifo_queue=self.get("dead_fifo", False), redrive_allow_policy=self.get("redrive", None)
        )
        queue = aws.sqs.Queue(
            "queue",
            visibility_timeout_seconds=self.get("visibility", 60),
            redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 3}),
        )
        bucket = aws.s3.Bucket("failures")
        stream_actions = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        role = self.role(
            "worker",
            self.get("worker_trust", "lambda.amazonaws.com"),
            (self.get("stream_actions", [f"dynamodb:{a}" for a in stream_actions]), table.stream_arn),
            (
                self.get("queue_actions", ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]),
                self.get("queue_resource", queue.arn),
            ),
            (
                self.get("bucket_actions", ["s3:PutObject", "s3:ListBucket"]),
                [bucket.arn, pulumi.Output.concat(bucket.arn, "/*")],
            ),
        )
        function = aws.lambda_.Function(
            "worker", role=role.arn, code=CODE, handler="a.b", runtime="python3.13", timeout=self.get("timeout", 10)
        )
        aws.lambda_.EventSourceMapping(
            "stream",
            function_name=function.arn,
            event_source_arn=table.stream_arn,
            starting_position="TRIM_HORIZON",
            destination_config={"on_failure": {"destination_arn": bucket.arn}},
        )
        aws.lambda_.EventSourceMapping(
            "messages",
            function_name=function.name,
            event_source_arn=queue.arn,
            batch_size=self.get("batch", 10),
        )
        bus = aws.cloudwatch.EventBus("bus")
        rule = aws.cloudwatch.EventRule("rule", event_bus_name=bus.name, event_pattern="{}")
        other = aws.cloudwatch.EventRule("other", event_bus_name=bus.name, event_pattern="{}")
        target = aws.cloudwatch.EventTarget(
            "target",
            rule=rule.name,
            event_bus_name=bus.name,
            arn=queue.arn,
            dead_letter_config={"arn": dead.arn} if self.get("target_dead", True) else None,
        )
        for name, to in (("queue", queue), ("dead", dead)):
            if self.get(f"{name}_policy", True):
                source = other.arn if self.get(f"{name}_source", "rule") == "other" else rule.arn
                aws.sqs.QueuePolicy(name, queue_url=to.url, policy=self.accepts(to, source))
        if self.get("to_function", False):
            aws.cloudwatch.EventTarget("direct", rule=rule.name, event_bus_name=bus.name, arn=function.arn)
        self.api(function)
        scheduler = self.role(
            "scheduler",
            self.get("scheduler_trust", "scheduler.amazonaws.com"),
            (self.get("scheduler_actions", ["lambda:InvokeFunction"]), function.arn),
        )
        aws.scheduler.Schedule(
            "daily",
            schedule_expression="rate(1 day)",
            flexible_time_window={"mode": "OFF"},
            target={"arn": function.arn, "role_arn": scheduler.arn},
        )
        if statement := self.get("bucket_policy", None):
            aws.s3.BucketPolicy("failures", bucket=bucket.bucket, policy=json.dumps({"Statement": [statement]}))
        del target

    def api(self, function: aws.lambda_.Function) -> None:
        api = aws.apigatewayv2.Api("api", protocol_type="HTTP")
        integration = aws.apigatewayv2.Integration(
            "worker", api_id=api.id, integration_type="AWS_PROXY", integration_uri=function.invoke_arn
        )
        aws.apigatewayv2.Route(
            "route",
            api_id=api.id,
            route_key=self.get("route_key", "$default"),
            target=pulumi.Output.concat("integrations/", integration.id),
        )
        if self.get("permission", True):
            aws.lambda_.Permission(
                "api",
                function=function.name,
                action="lambda:InvokeFunction",
                principal=self.get("principal", "apigateway.amazonaws.com"),
                source_arn=pulumi.Output.concat(api.execution_arn, self.get("source", "/*/*")),
            )

    def role(self, name: str, service: str, *grants: tuple[list[str], Any]) -> aws.iam.Role:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        role = aws.iam.Role(name, assume_role_policy=json.dumps({"Statement": [trust]}))
        statements = [{"Effect": "Allow", "Action": actions, "Resource": on} for actions, on in grants]
        aws.iam.RolePolicy(name, role=role.name, policy=pulumi.Output.json_dumps({"Statement": statements}))
        return role

    def accepts(
        self, queue: aws.sqs.Queue, source: pulumi.Output[str], service: str = "events.amazonaws.com"
    ) -> pulumi.Output[str]:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sqs:SendMessage",
            "Resource": queue.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": source}},
        }
        return pulumi.Output.json_dumps({"Statement": [statement]})


def judge(program: Callable[[], None]) -> None:
    site = Site(
        client=lambda service: None,
        home=Path("/nowhere"),
        project="project",
        stack="test",
        region="eu-west-1",
        account="123456789012",
        function_url=str,
        gateway_url=str,
    )
    graph = deploy(program, provider=GraphProvider("project", "test"))
    check([_request(site, r) for r in graph.resources if r.custom], site)


def _request(site: Site, resource: Registered) -> Request:
    return Request(site, resource, reveal(resource.inputs))


def test_a_world_that_aws_accepts() -> None:
    judge(World())
    judge(World(route_key="POST /things/{id}", source="/*/POST/things/*"))
    judge(World(bucket_policy={"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
                               "Condition": {"Bool": {"aws:SecureTransport": "false"}}}))  # fmt: skip


DENY_PUT = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "function without trust": (
        {"worker_trust": "ec2.amazonaws.com"},
        "Function 'worker' -> Role 'worker': its trust policy does not let lambda.amazonaws.com assume it",
    ),
    "stream without rights": (
        {"stream_actions": ["dynamodb:GetRecords"]},
        "EventSourceMapping 'stream': stream of Table 'table' -> Function 'worker': Role 'worker' is not allowed "
        "dynamodb:DescribeStream, dynamodb:GetShardIterator, dynamodb:ListStreams",
    ),
    "queue without rights": (
        {"queue_actions": ["sqs:ReceiveMessage"]},
        "EventSourceMapping 'messages': Queue 'queue' -> Function 'worker': Role 'worker' is not allowed "
        "sqs:DeleteMessage, sqs:GetQueueAttributes",
    ),
    "rights on another queue": (
        {"queue_resource": "arn:aws:sqs:eu-west-1:123456789012:other"},
        "EventSourceMapping 'messages': Queue 'queue' -> Function 'worker'",
    ),
    "failures without rights": (
        {"bucket_actions": ["s3:PutObject"]},
        "EventSourceMapping 'stream': failures -> arn:aws:s3:::.*: Role 'worker' is not allowed s3:ListBucket",
    ),
    "failures denied": (
        {"bucket_policy": DENY_PUT},
        "Function 'worker' -> bucket of BucketPolicy 'failures': the bucket policy denies s3:PutObject",
    ),
    "hidden for too short": (
        {"visibility": 5},
        "Queue 'queue' -> Function 'worker': the queue's visibility timeout, 5 s, is below the function's, 10 s",
    ),
    "large batch without window": ({"batch": 100}, "a batchSize above 10 needs maximumBatchingWindowInSeconds"),
    "rule without queue policy": (
        {"queue_policy": False},
        "EventRule 'rule' -> Queue 'queue': no queue policy allows sqs:SendMessage to events.amazonaws.com "
        "with aws:SourceArn arn:aws:events:",
    ),
    "queue policy for another rule": ({"queue_source": "other"}, "EventRule 'rule' -> Queue 'queue': no queue policy"),
    "rule's dead letters": ({"dead_policy": False}, "EventRule 'rule' -> Queue 'dead': no queue policy"),
    "rule to function": ({"to_function": True}, "EventRule 'rule' -> Function 'worker': no Permission lets events"),
    "API without permission": (
        {"permission": False},
        r"Api 'api' route '\$default' -> Function 'worker': no Permission lets apigateway.amazonaws.com invoke",
    ),
    "permission for another": ({"principal": "s3.amazonaws.com"}, "Api 'api' route .* -> Function 'worker'"),
    "permission for another route": (
        {"route_key": "POST /things", "source": "/*/GET/things"},
        "Api 'api' route 'POST /things' -> Function 'worker'",
    ),
    "schedule without trust": (
        {"scheduler_trust": "lambda.amazonaws.com"},
        "Schedule 'daily' -> Role 'scheduler': its trust policy does not let scheduler.amazonaws.com assume it",
    ),
    "schedule without rights": (
        {"scheduler_actions": ["lambda:GetFunction"]},
        "Schedule 'daily' -> Function 'worker': Role 'scheduler' is not allowed lambda:InvokeFunction",
    ),
    "dead letters of another kind": (
        {"dead_fifo": True, "target_dead": False},
        "Queue 'queue' -> dead-letter Queue 'dead': one is FIFO and the other is not",
    ),
    "dead letters that refuse": (
        {"redrive": '{"redrivePermission": "denyAll"}'},
        "Queue 'queue' -> dead-letter Queue 'dead': its redriveAllowPolicy does not name this queue",
    ),
}


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_an_edge_that_aws_would_refuse(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(EdgeError, match=message):
        judge(World(**changed))


class Roads:
    """A topic that feeds a queue, and a Kinesis stream that a function reads; each test takes one thing away."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed

    def get(self, name: str, usual: Any) -> Any:
        return self.changed.get(name, usual)

    def __call__(self) -> None:
        fifo = self.get("topic_fifo", False)
        topic, other = aws.sns.Topic("topic", fifo_topic=fifo), aws.sns.Topic("other")
        dead = aws.sqs.Queue("dead", fifo_queue=self.get("dead_fifo", fifo))
        queue = aws.sqs.Queue("queue", fifo_queue=self.get("queue_fifo", fifo))
        for name, to in (("queue", queue), ("dead", dead)):
            if self.get(f"{name}_policy", True):
                source = other.arn if self.get(f"{name}_source", "topic") == "other" else topic.arn
                aws.sqs.QueuePolicy(name, queue_url=to.url, policy=World().accepts(to, source, "sns.amazonaws.com"))
        aws.sns.TopicSubscription(
            "subscription",
            topic=topic.arn,
            protocol=self.get("protocol", "sqs"),
            endpoint=queue.arn,
            redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn}),
        )
        stream = aws.kinesis.Stream("stream", shard_count=1)
        actions = ("DescribeStream", "GetRecords", "GetShardIterator", "ListShards", "ListStreams")
        role = World().role(
            "reader",
            "lambda.amazonaws.com",
            (self.get("stream_actions", [f"kinesis:{action}" for action in actions]), self.get("on", stream.arn)),
        )
        function = aws.lambda_.Function("reader", role=role.arn, code=CODE, handler="a.b", runtime="python3.13")
        aws.lambda_.EventSourceMapping(
            "records", function_name=function.arn, event_source_arn=stream.arn, starting_position="TRIM_HORIZON"
        )


REFUSED_ROADS: dict[str, tuple[dict[str, Any], str]] = {
    "topic without queue policy": (
        {"queue_policy": False},
        "Topic 'topic' -> Queue 'queue': no queue policy allows sqs:SendMessage to sns.amazonaws.com "
        "with aws:SourceArn arn:aws:sns:",
    ),
    "queue policy for another topic": ({"queue_source": "other"}, "Topic 'topic' -> Queue 'queue': no queue policy"),
    "topic's dead letters": ({"dead_policy": False}, "Topic 'topic' -> Queue 'dead': no queue policy"),
    "FIFO queue behind a standard topic": (
        {"queue_fifo": True, "dead_fifo": False},
        "Topic 'topic' -> Queue 'queue': only a FIFO topic delivers to a FIFO queue",
    ),
    "standard dead letters of a FIFO topic": (
        {"topic_fifo": True, "dead_fifo": False},
        "Topic 'topic' -> dead-letter Queue 'dead': one is FIFO and the other is not",
    ),
    "topic to elsewhere": (
        {"protocol": "https"},
        "Topic 'topic' -> arn:.*: the laptop delivers from a topic to",
    ),
    "stream without rights": (
        {"stream_actions": ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:DescribeStream"]},
        "EventSourceMapping 'records': Stream 'stream' -> Function 'reader': Role 'reader' is not allowed "
        "kinesis:ListShards, kinesis:ListStreams",
    ),
    "rights on another stream": (
        {"on": "arn:aws:kinesis:eu-west-1:123456789012:stream/other"},
        "EventSourceMapping 'records': Stream 'stream' -> Function 'reader'",
    ),
}


def test_roads_that_aws_accepts() -> None:
    judge(Roads())
    judge(Roads(topic_fifo=True))
    judge(Roads(topic_fifo=True, queue_fifo=False))


@pytest.mark.parametrize(("changed", "message"), REFUSED_ROADS.values(), ids=REFUSED_ROADS)
def test_a_road_that_aws_would_refuse(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(EdgeError, match=message):
        judge(Roads(**changed))


def test_a_reference_to_nothing() -> None:
    def program() -> None:
        aws.lambda_.Function(
            "f", role="arn:aws:iam::123456789012:role/gone", code=CODE, handler="a.b", runtime="python3.13"
        )

    with pytest.raises(EdgeError, match="Function 'f' refers to Role arn:aws:iam::123456789012:role/gone, which the"):
        judge(program)


def policy(**statement: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", **statement}]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (policy(), True),
        (policy(Action="SQS:Send*"), True),
        (policy(Action=["sqs:Receive*"]), False),
        (policy(Resource="arn:aws:sqs:*:*:orders-?"), True),
        (policy(Resource="arn:aws:sqs:*:*:orders-[1]"), False),
        ({"Statement": [{"Effect": "Allow", "NotAction": "sqs:Delete*", "Resource": "*"}]}, True),
        ({"Statement": [*policy()["Statement"], {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]}, False),
        (policy(Condition={"StringEquals": {"aws:SourceAccount": "1"}}), True),
        (policy(Condition={"StringEquals": {"AWS:SourceAccount": ["2", "3"]}}), False),
        (policy(Condition={"ArnLike": {"aws:SourceArn": "arn:*:rule/*"}}), True),
        (policy(Condition={"StringEquals": {"aws:absent": "x"}}), False),
        (policy(Condition={"StringNotEquals": {"aws:absent": "x"}}), True),
        (policy(Condition={"StringEqualsIfExists": {"aws:absent": "x"}}), True),
        (policy(Condition={"Null": {"aws:absent": "true"}}), True),
    ],
)
def test_policies_are_read_as_aws_reads_them(document: dict[str, Any], expected: bool) -> None:
    context = {"aws:SourceAccount": "1", "aws:SourceArn": "arn:aws:events:r:1:rule/bus/r"}
    for form in (document, json.dumps(document)):
        assert allows([form], "sqs:SendMessage", "arn:aws:sqs:r:1:orders-1", context=context) is expected


def test_principals_and_operators_of_resource_policies() -> None:
    to_events = policy(Principal={"Service": ["events.amazonaws.com"]})
    assert allows([to_events], "sqs:SendMessage", "q", principal="events.amazonaws.com")
    assert not allows([to_events], "sqs:SendMessage", "q", principal="sns.amazonaws.com")
    assert not allows([policy()], "sqs:SendMessage", "q", principal="sns.amazonaws.com")
    denied = {"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}
    assert denies([denied], "s3:GetObject", "b", principal="arn:role", context={})
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    with pytest.raises(PolicyError, match="IpAddress on aws:SourceIp"):
        allows([policy(Condition=condition)], "sqs:SendMessage", "q", context={"aws:SourceIp": "10.1.1.1"})
