"""Notes over HTTP; each one is published, and counted by tenant. Raw resources, no components."""

import json
from pathlib import Path

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
code = pulumi.FileArchive(str(Path(__file__).resolve().parent / "app"))


def role(name, *statements, service="lambda.amazonaws.com"):
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    made = aws.iam.Role(name, assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    policy = aws.iam.RolePolicy(
        name,
        role=made.name,
        policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)}),
    )
    return made, policy


def allow(resource, *actions):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def function(name, *statements, **variables):
    made, policy = role(name, *statements)
    return aws.lambda_.Function(
        name,
        code=code,
        handler=f"notes.{name}",
        runtime="python3.13",
        role=made.arn,
        timeout=10,
        memory_size=config.require_int("memory"),
        environment={"variables": {"GREETING": config.require("greeting"), **variables}},
        opts=pulumi.ResourceOptions(depends_on=[policy]),
    )


notes = aws.dynamodb.Table(
    "notes",
    hash_key="id",
    attributes=[{"name": "id", "type": "S"}],
    billing_mode="PAY_PER_REQUEST",
    stream_enabled=True,
    stream_view_type="NEW_IMAGE",
)
counts = aws.dynamodb.Table(
    "counts",
    hash_key="tenant",
    attributes=[{"name": "tenant", "type": "S"}],
    billing_mode="PAY_PER_REQUEST",
    tags={"kind": "view"},
)
for extra in config.require_object("tables"):
    aws.dynamodb.Table(extra, hash_key="id", attributes=[{"name": "id", "type": "S"}], billing_mode="PAY_PER_REQUEST")
bus = aws.cloudwatch.EventBus("bus")
queue = aws.sqs.Queue("queue", visibility_timeout_seconds=60)

door = function(
    "door",
    allow(notes.arn, "dynamodb:PutItem", "dynamodb:GetItem"),
    TABLE=notes.name,
    PASSWORD=config.require_secret("password"),
)
relay = function(
    "relay",
    allow(notes.stream_arn, "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
    allow("*", "dynamodb:ListStreams"),
    allow(bus.arn, "events:PutEvents"),
    BUS=bus.name,
)
counter = function(
    "counter",
    allow(
        queue.arn, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"
    ),
    allow(counts.arn, "dynamodb:UpdateItem"),
    TABLE=counts.name,
)
aws.lambda_.EventSourceMapping(
    "relay",
    function_name=relay.arn,
    event_source_arn=notes.stream_arn,
    starting_position="TRIM_HORIZON",
    function_response_types=["ReportBatchItemFailures"],
)
aws.lambda_.EventSourceMapping(
    "counter",
    function_name=counter.arn,
    event_source_arn=queue.arn,
    function_response_types=["ReportBatchItemFailures"],
)

rule = aws.cloudwatch.EventRule("noted", event_bus_name=bus.name, event_pattern='{"source": ["notes"]}')
accepts = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": queue.arn,
    "Condition": {"ArnEquals": {"aws:SourceArn": rule.arn}},
}
aws.sqs.QueuePolicy(
    "queue",
    queue_url=queue.url,
    policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [accepts]}),
)
aws.cloudwatch.EventTarget("noted", event_bus_name=bus.name, rule=rule.name, arn=queue.arn)

api = aws.apigatewayv2.Api("api", protocol_type="HTTP")
integration = aws.apigatewayv2.Integration(
    "door",
    api_id=api.id,
    integration_type="AWS_PROXY",
    integration_uri=door.arn,
    payload_format_version="2.0",
)
aws.apigatewayv2.Route(
    "door", api_id=api.id, route_key="$default", target=pulumi.Output.concat("integrations/", integration.id)
)
aws.lambda_.Permission(
    "door",
    action="lambda:InvokeFunction",
    function=door.name,
    principal="apigateway.amazonaws.com",
    source_arn=pulumi.Output.concat(api.execution_arn, "/*/*"),
)
stage = aws.apigatewayv2.Stage("default", api_id=api.id, name="$default", auto_deploy=True)

pulumi.export("apiUrl", stage.invoke_url)
pulumi.export("countsTable", counts.name)
pulumi.export("shelfUrl", config.require("shelfUrl"))
pulumi.export("password", config.require_secret("password"))
