"""A queue in front of a function: fed by a rule on the bus or directly, drained in batches, with dead letters."""

from typing import Any

import pulumi
import pulumi_aws as aws

from . import alarms, permissions
from .function import Function
from .scope import Scope

BATCH_SIZE = 10
BATCH_WINDOW = 0  # a view is seconds late otherwise; batches form by themselves under load
FOUR_DAYS = 4 * 24 * 3600
FOURTEEN_DAYS = 14 * 24 * 3600
DAY = 24 * 3600


def waiting_queue(scope: Scope, suffix: str) -> aws.sqs.Queue:
    """A queue whose messages wait for a person, 14 days, with an alarm."""
    queue = aws.sqs.Queue(
        scope.child(suffix),
        message_retention_seconds=FOURTEEN_DAYS,
        sqs_managed_sse_enabled=True,
        tags=scope.tags,
        opts=scope.options(),
    )
    alarms.on_messages(scope, suffix, queue.name)
    return queue


class ConsumerQueue:
    """The queue of one function and its dead letters; `url`, `arn` and `name` are the queue's."""

    def __init__(self, scope: Scope, suffix: str, *, timeout: int, attempts: int, delay: int = 0) -> None:
        """`timeout` is the function's: a message is hidden for six times as long, as Lambda's retries need."""
        self._scope = scope
        self._suffix = suffix
        self.dead_letters = waiting_queue(scope, f"{suffix}-dead-letters")
        queue = aws.sqs.Queue(
            scope.child(f"{suffix}-queue"),
            visibility_timeout_seconds=6 * timeout + BATCH_WINDOW,
            message_retention_seconds=FOUR_DAYS,
            delay_seconds=delay,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": self.dead_letters.arn, "maxReceiveCount": attempts}, sort_keys=True
            ),
            sqs_managed_sse_enabled=True,
            tags=scope.tags,
            opts=scope.options(),
        )
        self.url = queue.url
        self.arn = queue.arn
        self.name = queue.name

    def subscribe(self, bus_name: pulumi.Input[str], pattern: dict[str, Any]) -> None:
        """Feed the queue with what on the bus matches `pattern`; what cannot be delivered is a dead letter."""
        rule = aws.cloudwatch.EventRule(
            self._scope.child(f"{self._suffix}-rule"),
            event_bus_name=bus_name,
            event_pattern=pulumi.Output.json_dumps(pattern, sort_keys=True),
            tags=self._scope.tags,
            opts=self._scope.options(),
        )
        allowed = [
            self._accept(rule, f"{self._suffix}-queue-policy", self.url, self.arn),
            self._accept(rule, f"{self._suffix}-dead-letters-policy", self.dead_letters.url, self.dead_letters.arn),
        ]
        aws.cloudwatch.EventTarget(
            self._scope.child(f"{self._suffix}-target"),
            event_bus_name=bus_name,
            rule=rule.name,
            arn=self.arn,
            sqs_target={"message_group_id": "$.detail.tenant"},
            dead_letter_config={"arn": self.dead_letters.arn},
            retry_policy={"maximum_event_age_in_seconds": DAY, "maximum_retry_attempts": 185},
            opts=self._scope.options(*allowed),
        )

    def drain_into(self, function: Function) -> None:
        """Give the function the messages in batches; it answers which of them failed."""
        aws.lambda_.EventSourceMapping(
            self._scope.child(f"{self._suffix}-source"),
            function_name=function.arn,
            event_source_arn=self.arn,
            batch_size=BATCH_SIZE,
            maximum_batching_window_in_seconds=BATCH_WINDOW,
            function_response_types=["ReportBatchItemFailures"],
            tags=self._scope.tags,
            opts=self._scope.options(function.ready),
        )

    def _accept(
        self, rule: aws.cloudwatch.EventRule, suffix: str, url: pulumi.Output[str], arn: pulumi.Output[str]
    ) -> aws.sqs.QueuePolicy:
        return aws.sqs.QueuePolicy(
            self._scope.child(suffix),
            queue_url=url,
            policy=permissions.policy(permissions.accept_from_rule(arn, rule.arn)),
            opts=self._scope.options(),
        )


def commits_of(service: pulumi.Input[str], types: list[str]) -> dict[str, Any]:
    """The pattern of a service's commits that hold one of `types`, all when there are none."""
    return {"source": [service], **({"detail": {"types": sorted(types)}} if types else {})}
