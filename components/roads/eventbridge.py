"""EventBridge: a bus, and for each consumer a rule to its queue."""

from typing import Any

import pulumi
import pulumi_aws as aws

from .. import resource_policies
from ..consumer_queue import ConsumerQueue
from ..handles import Handle
from ..scope import Scope
from .road import Road

DAY = 24 * 3600
ACTION = "events:PutEvents"


def build(scope: Scope) -> Road:
    """The bus."""
    bus = aws.cloudwatch.EventBus(scope.child("bus"), tags=scope.tags, opts=scope.options())
    return Road("eventbridge", bus.name, bus.arn, ACTION)


def subscribe(queue: ConsumerQueue, events: Handle, types: list[str]) -> pulumi.Resource:
    """A rule to the queue; what it cannot deliver is a dead letter."""
    scope, suffix = queue.scope, queue.suffix
    rule = aws.cloudwatch.EventRule(
        scope.child(f"{suffix}-rule"),
        event_bus_name=events["bus_name"],
        event_pattern=pulumi.Output.json_dumps(_commits_of(events["domain"]["service"], types), sort_keys=True),
        tags=scope.tags,
        opts=scope.options(),
    )
    allowed = queue.accept(lambda arn: resource_policies.accept_from_rule(arn, rule.arn))
    return aws.cloudwatch.EventTarget(
        scope.child(f"{suffix}-target"),
        event_bus_name=events["bus_name"],
        rule=rule.name,
        arn=queue.arn,
        sqs_target={"message_group_id": "$.detail.tenant"},
        dead_letter_config={"arn": queue.dead_letters.arn},
        retry_policy={"maximum_event_age_in_seconds": DAY, "maximum_retry_attempts": 185},
        opts=scope.options(*allowed),
    )


def _commits_of(service: pulumi.Input[str], types: list[str]) -> dict[str, Any]:
    return {"source": [service], **({"detail": {"types": sorted(types)}} if types else {})}
