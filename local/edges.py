"""Who may reach whom: trust and resource policies, which the emulator does not enforce, checked on the graph.

Every edge is judged as AWS would judge the call that runs over it; the first that AWS would refuse is an
error that names both ends and what is missing.
"""

import json
from collections.abc import Iterable
from typing import Any

from .arns import name_of
from .edge_graph import EdgeError, EdgeGraph, Node
from .policy_documents import allows, denies
from .resources.handler import Request, Site

__all__ = ["EdgeError", "check"]

_STREAM_ACTIONS = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
_DATA_STREAM_ACTIONS = (
    "kinesis:DescribeStream",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
    "kinesis:ListStreams",
)
_QUEUE_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_POOL = "aws:cognito/userPool:UserPool"
_DELIVERY = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"
_CLIENT = "aws:cognito/userPoolClient:UserPoolClient"
_FUNCTION_TIMEOUT = 3
_VISIBILITY_TIMEOUT = 30


def check(requests: Iterable[Request], site: Site) -> None:
    """Raise EdgeError for the first edge of the graph that AWS would refuse."""
    graph = EdgeGraph(requests, site)
    for function in graph.of("aws:lambda/function:Function"):
        _function_role(graph, function)
        _buckets_of(graph, function)
        _timers_of(graph, function)
    for queue in graph.of("aws:sqs/queue:Queue"):
        _redrive(graph, queue)
    for mapping in graph.of("aws:lambda/eventSourceMapping:EventSourceMapping"):
        _mapping(graph, mapping)
    for target in graph.of("aws:cloudwatch/eventTarget:EventTarget"):
        _rule_target(graph, target)
    for subscription in graph.of("aws:sns/topicSubscription:TopicSubscription"):
        _subscription(graph, subscription)
    for schedule in graph.of("aws:scheduler/schedule:Schedule"):
        _schedule(graph, schedule)
    for authorizer in graph.of("aws:apigatewayv2/authorizer:Authorizer"):
        _authorizer(graph, authorizer)
    for route in graph.of("aws:apigatewayv2/route:Route"):
        _route(graph, route)
    for delivery in graph.of(_DELIVERY):
        _delivery(graph, delivery)
    for pool in graph.of(_POOL):
        _trigger(graph, pool)


def _function_role(graph: EdgeGraph, function: Node) -> None:
    graph.role(function.inputs["role"], "lambda.amazonaws.com", function)


def _buckets_of(graph: EdgeGraph, function: Node) -> None:
    """What a role is granted on a bucket, the bucket's own policy must not deny."""
    role = graph.find("aws:iam/role:Role", function.inputs["role"], function)
    granted = graph.policies_of_role(role)
    context = {"aws:SecureTransport": "true", "aws:PrincipalArn": role.outputs["arn"]}
    for policy in graph.of("aws:s3/bucketPolicy:BucketPolicy"):
        objects = f"arn:aws:s3:::{policy.inputs['bucket']}/any"
        for action in ("s3:GetObject", "s3:PutObject"):
            if allows(granted, action, objects) and denies(
                [policy.inputs["policy"]], action, objects, principal=role.outputs["arn"], context=context
            ):
                raise EdgeError(f"{function} -> bucket of {policy}: the bucket policy denies {action} to {role}")


def _timers_of(graph: EdgeGraph, function: Node) -> None:
    """Who may put schedules into a group, may give them a role, which Scheduler can assume for that group; whoever may
    use several groups has a role for each."""
    role = graph.find("aws:iam/role:Role", function.inputs["role"], function)
    granted, service = graph.policies_of_role(role), "scheduler.amazonaws.com"
    for group in graph.of("aws:scheduler/scheduleGroup:ScheduleGroup"):
        arn = group.outputs["arn"]
        if not allows(granted, "scheduler:CreateSchedule", arn.replace(":schedule-group/", ":schedule/") + "/any"):
            continue
        passed = [
            each.outputs["arn"]
            for each in graph.of("aws:iam/role:Role")
            if allows(granted, "iam:PassRole", each.outputs["arn"], context={"iam:PassedToService": service})
        ]
        if not passed:
            raise EdgeError(f"{function} -> {group}: {role} is not allowed to iam:PassRole any role to {service}")
        if not any(graph.trusts(each, service, **{"aws:SourceArn": arn}) for each in passed):
            graph.role(passed[0], service, group, **{"aws:SourceArn": arn})


def _redrive(graph: EdgeGraph, queue: Node) -> None:
    redrive = _json(queue.inputs.get("redrivePolicy"))
    if not redrive:
        return
    dead = graph.find("aws:sqs/queue:Queue", redrive["deadLetterTargetArn"], queue)
    edge = f"{queue} -> dead-letter {dead}"
    if bool(queue.inputs.get("fifoQueue")) != bool(dead.inputs.get("fifoQueue")):
        raise EdgeError(f"{edge}: one is FIFO and the other is not")
    allowed = _json(dead.inputs.get("redriveAllowPolicy")) or {"redrivePermission": "allowAll"}
    if allowed["redrivePermission"] != "allowAll" and queue.outputs["arn"] not in allowed.get("sourceQueueArns", []):
        raise EdgeError(f"{edge}: its redriveAllowPolicy does not name this queue as a source")


def _mapping(graph: EdgeGraph, mapping: Node) -> None:
    function = graph.find("aws:lambda/function:Function", mapping.inputs["functionName"], mapping)
    role = graph.find("aws:iam/role:Role", function.inputs["role"], function)
    source = mapping.inputs["eventSourceArn"]
    if source.split(":")[2] == "sqs":
        queue = graph.find("aws:sqs/queue:Queue", source, mapping)
        edge, actions = f"{mapping}: {queue} -> {function}", _QUEUE_ACTIONS
        _queue_limits(edge, mapping, queue, function)
    elif source.split(":")[2] == "kinesis":
        stream = graph.find("aws:kinesis/stream:Stream", source, mapping)
        edge, actions = f"{mapping}: {stream} -> {function}", _DATA_STREAM_ACTIONS
    else:
        tables = graph.of("aws:dynamodb/table:Table")
        table = next((t for t in tables if t.outputs.get("streamArn") == source), None)
        if table is None:
            raise EdgeError(f"{mapping} reads {source}, which is no stream of a table that the program registers")
        edge, actions = f"{mapping}: stream of {table} -> {function}", _STREAM_ACTIONS
    _may(graph, role, edge, [(action, source) for action in actions])
    failure = (mapping.inputs.get("destinationConfig") or {}).get("onFailure") or {}
    if destination := failure.get("destinationArn"):
        _may(graph, role, f"{mapping}: failures -> {destination}", _failure_actions(destination))


def _queue_limits(edge: str, mapping: Node, queue: Node, function: Node) -> None:
    visibility = queue.inputs.get("visibilityTimeoutSeconds", _VISIBILITY_TIMEOUT)
    timeout = function.inputs.get("timeout", _FUNCTION_TIMEOUT)
    if visibility < timeout:
        raise EdgeError(f"{edge}: the queue's visibility timeout, {visibility} s, is below the function's, {timeout} s")
    window = mapping.inputs.get("maximumBatchingWindowInSeconds", 0)
    if mapping.inputs.get("batchSize", 10) > 10 and window < 1:
        raise EdgeError(f"{edge}: a batchSize above 10 needs maximumBatchingWindowInSeconds of 1 or more")


def _failure_actions(destination: str) -> list[tuple[str, str]]:
    if destination.split(":")[2] == "s3":
        return [("s3:PutObject", f"{destination}/aws/lambda/any"), ("s3:ListBucket", destination)]
    return [("sqs:SendMessage", destination)]


def _rule_target(graph: EdgeGraph, target: Node) -> None:
    rule = graph.find("aws:cloudwatch/eventRule:EventRule", target.inputs["rule"], target)
    if target.inputs["arn"].split(":")[2] == "firehose":
        _archive(graph, rule, target.inputs["arn"], "events.amazonaws.com", target.inputs.get("roleArn"), target)
        return
    _deliver(graph, rule, target.inputs["arn"], target)
    if dead := (target.inputs.get("deadLetterConfig") or {}).get("arn"):
        _deliver(graph, rule, dead, target)


def _deliver(graph: EdgeGraph, rule: Node, to: str, target: Node) -> None:
    service, context = "events.amazonaws.com", _source(graph, rule.outputs["arn"])
    if to.split(":")[2] == "lambda":
        function = graph.find("aws:lambda/function:Function", to, target)
        _permitted(graph, f"{rule} -> {function}", function, service, context)
        return
    if to.split(":")[2] != "sqs":
        raise EdgeError(f"{rule} -> {to}: the laptop delivers from a rule to queues, functions and Firehose only")
    queue = graph.find("aws:sqs/queue:Queue", to, target)
    if not allows(graph.queue_policies(queue), "sqs:SendMessage", to, principal=service, context=context):
        raise EdgeError(
            f"{rule} -> {queue}: no queue policy allows sqs:SendMessage to {service} "
            f"with aws:SourceArn {rule.outputs['arn']}"
        )
    if queue.inputs.get("fifoQueue") and not (target.inputs.get("sqsTarget") or {}).get("messageGroupId"):
        raise EdgeError(f"{rule} -> {queue}: a FIFO queue needs sqsTarget.messageGroupId")


def _subscription(graph: EdgeGraph, subscription: Node) -> None:
    topic = graph.find("aws:sns/topic:Topic", subscription.inputs["topic"], subscription)
    if subscription.inputs["protocol"] == "firehose":
        role = subscription.inputs.get("subscriptionRoleArn")
        _archive(graph, topic, subscription.inputs["endpoint"], "sns.amazonaws.com", role, subscription)
        return
    if subscription.inputs["protocol"] != "sqs":
        raise EdgeError(
            f"{topic} -> {subscription.inputs['endpoint']}: the laptop delivers from a topic to queues and Firehose "
            "only"
        )
    queue = _accepting(graph, topic, subscription.inputs["endpoint"], subscription)
    if queue.inputs.get("fifoQueue") and not topic.inputs.get("fifoTopic"):
        raise EdgeError(f"{topic} -> {queue}: only a FIFO topic delivers to a FIFO queue")
    redrive = _json(subscription.inputs.get("redrivePolicy"))
    if redrive:
        dead = _accepting(graph, topic, redrive["deadLetterTargetArn"], subscription)
        if bool(dead.inputs.get("fifoQueue")) != bool(topic.inputs.get("fifoTopic")):
            raise EdgeError(f"{topic} -> dead-letter {dead}: one is FIFO and the other is not")


def _archive(graph: EdgeGraph, source: Node, to: str, service: str, role: str | None, by: Node) -> None:
    """Rules and topics put records into a delivery stream as a role."""
    delivery = graph.find(_DELIVERY, to, by)
    edge = f"{source} -> {delivery}"
    if not role:
        raise EdgeError(f"{edge}: it needs a role that {service} may assume, and has none")
    _may(graph, graph.role(role, service, by), edge, [("firehose:PutRecord", to), ("firehose:PutRecordBatch", to)])


def _delivery(graph: EdgeGraph, delivery: Node) -> None:
    """To its bucket, and from the data stream that it reads, if it reads one."""
    service, to = "firehose.amazonaws.com", delivery.inputs["extendedS3Configuration"]
    bucket = to["bucketArn"]
    needs = [("s3:PutObject", f"{bucket}/any"), ("s3:AbortMultipartUpload", f"{bucket}/any")]
    _may(graph, graph.role(to["roleArn"], service, delivery), f"{delivery} -> {bucket}", needs)
    if source := delivery.inputs.get("kinesisSourceConfiguration"):
        stream = graph.find("aws:kinesis/stream:Stream", source["kinesisStreamArn"], delivery)
        reading = [(f"kinesis:{each}", stream.outputs["arn"]) for each in ("GetRecords", "GetShardIterator")]
        _may(graph, graph.role(source["roleArn"], service, delivery), f"{stream} -> {delivery}", reading)


def _accepting(graph: EdgeGraph, topic: Node, arn: str, subscription: Node) -> Node:
    """The queue, when its policy lets the topic send to it."""
    queue = graph.find("aws:sqs/queue:Queue", arn, subscription)
    service, context = "sns.amazonaws.com", _source(graph, topic.outputs["arn"])
    if not allows(graph.queue_policies(queue), "sqs:SendMessage", arn, principal=service, context=context):
        raise EdgeError(
            f"{topic} -> {queue}: no queue policy allows sqs:SendMessage to {service} "
            f"with aws:SourceArn {topic.outputs['arn']}"
        )
    return queue


def _schedule(graph: EdgeGraph, schedule: Node) -> None:
    target, region, account = schedule.inputs["target"], graph.site.region, graph.site.account
    group = f"arn:aws:scheduler:{region}:{account}:schedule-group/{schedule.outputs['groupName']}"
    role = graph.role(target["roleArn"], "scheduler.amazonaws.com", schedule, **{"aws:SourceArn": group})
    kind = target["arn"].split(":")[2]
    if kind not in ("lambda", "sqs"):
        raise EdgeError(f"{schedule} -> {target['arn']}: the laptop schedules functions and queues only")
    action = "lambda:InvokeFunction" if kind == "lambda" else "sqs:SendMessage"
    type_ = "aws:lambda/function:Function" if kind == "lambda" else "aws:sqs/queue:Queue"
    to = graph.find(type_, target["arn"], schedule)
    _may(graph, role, f"{schedule} -> {to}", [(action, target["arn"])])
    if dead := (target.get("deadLetterConfig") or {}).get("arn"):
        _may(graph, role, f"{schedule}: failures -> {dead}", [("sqs:SendMessage", dead)])


def _route(graph: EdgeGraph, route: Node) -> None:
    api = graph.find("aws:apigatewayv2/api:Api", route.inputs["apiId"], route)
    to = name_of(route.inputs.get("target", "").replace("integrations/", ""))
    integration = graph.find("aws:apigatewayv2/integration:Integration", to, route)
    function = graph.find("aws:lambda/function:Function", integration.inputs["integrationUri"], integration)
    key = route.inputs["routeKey"]
    path = key if key == "$default" else "/".join(part.strip("/") for part in key.split(" ", 1))
    source = f"{api.outputs['executionArn']}/$default/{path}"
    edge = f"{api} route {key!r} -> {function}"
    _permitted(graph, edge, function, "apigateway.amazonaws.com", _source(graph, source))


def _authorizer(graph: EdgeGraph, authorizer: Node) -> None:
    """The laptop knows the keys of its own pools, and asks nobody else for theirs."""
    accepted = authorizer.inputs["jwtConfiguration"]
    issuer = next((p for p in graph.of(_POOL) if accepted["issuer"] == f"https://{p.outputs['endpoint']}"), None)
    if issuer is None:
        raise EdgeError(
            f"{authorizer} accepts tokens of {accepted['issuer']}, which is no user pool that the program registers: "
            "on the laptop give it one, a TenantAuth, or let its API be anonymous"
        )
    clients = {c.id for c in graph.of(_CLIENT) if c.inputs["userPoolId"] == issuer.id}
    if strangers := sorted(set(accepted["audiences"]) - clients):
        raise EdgeError(f"{authorizer} accepts the audience {', '.join(strangers)}, which is no client of {issuer}")


def _trigger(graph: EdgeGraph, pool: Node) -> None:
    trigger = ((pool.inputs.get("lambdaConfig") or {}).get("preTokenGenerationConfig") or {}).get("lambdaArn")
    if trigger:
        function = graph.find("aws:lambda/function:Function", trigger, pool)
        context = _source(graph, pool.outputs["arn"])
        _permitted(graph, f"{pool} trigger -> {function}", function, "cognito-idp.amazonaws.com", context)


def _permitted(graph: EdgeGraph, edge: str, function: Node, service: str, context: dict[str, str]) -> None:
    policy = graph.function_policy(function)
    if not allows([policy], "lambda:InvokeFunction", function.outputs["arn"], principal=service, context=context):
        raise EdgeError(
            f"{edge}: no Permission lets {service} invoke the function with aws:SourceArn {context['aws:SourceArn']}"
        )


def _may(graph: EdgeGraph, role: Node, edge: str, needs: list[tuple[str, str]]) -> None:
    policies = graph.policies_of_role(role)
    refused = [action for action, resource in needs if not allows(policies, action, resource)]
    if refused:
        raise EdgeError(f"{edge}: {role} is not allowed {', '.join(refused)} on {needs[0][1]}")


def _source(graph: EdgeGraph, arn: str) -> dict[str, str]:
    return {"aws:SourceArn": arn, "aws:SourceAccount": graph.site.account}


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
