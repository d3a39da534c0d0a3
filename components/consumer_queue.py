"""A queue in front of a function: fed by a road or directly, drained in batches, with dead letters."""

from collections.abc import Callable
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from . import alarms, environment, permissions
from .arguments import Arguments
from .function import Function
from .scope import Scope

ATTEMPTS = 18
"""Before a message is a dead letter. Between them lie 2 s, 4 s, 8 s ... 256 s, then the six minutes that a message is
hidden for at most, or half of each: half an hour to an hour in all."""


class Batch(NamedTuple):
    """What a function is given at once: at most `size` records, gathered for `window` seconds at most."""

    size: int
    window: int


SOON = Batch(10, 0)
"""A view is seconds late otherwise; batches form by themselves under load."""
FOUR_DAYS = 4 * 24 * 3600
FOURTEEN_DAYS = 14 * 24 * 3600


def attempts(arguments: Arguments, path: str, timeout: int) -> int:
    """How often a message is tried that a function may take `timeout` seconds for: it must be a dead letter before the
    queue forgets it."""
    most = min(1000, FOUR_DAYS // (6 * timeout))
    return arguments.integer(path, 2, most, min(ATTEMPTS, most))


def waiting_queue(
    scope: Scope, suffix: str, *, fifo: bool = False, largest_message: int | None = None
) -> aws.sqs.Queue:
    """A queue whose messages wait for a person, 14 days, with an alarm. `largest_message` is in bytes."""
    queue = aws.sqs.Queue(
        scope.child(suffix),
        message_retention_seconds=FOURTEEN_DAYS,
        max_message_size=largest_message,
        sqs_managed_sse_enabled=True,
        fifo_queue=True if fifo else None,
        tags=scope.tags,
        opts=scope.options(),
    )
    alarms.on_messages(scope, suffix, queue.name)
    return queue


class ConsumerQueue:
    """The queue of one function and its dead letters; `url`, `arn` and `name` are the queue's."""

    def __init__(
        self,
        scope: Scope,
        suffix: str,
        *,
        timeout: int,
        attempts: int = ATTEMPTS,
        delay: int = 0,
        fifo: bool = False,
        batch: Batch = SOON,
    ) -> None:
        """`timeout` is the function's: a message is hidden for six times as long, as Lambda's retries need. A FIFO
        queue has no batches but those of SOON."""
        self.scope = scope
        self.suffix = suffix
        self.fifo = fifo
        self.batch = SOON if fifo else batch
        self.dead_letters = waiting_queue(scope, f"{suffix}-dead-letters", fifo=fifo)
        hidden = 6 * timeout + self.batch.window
        queue = aws.sqs.Queue(
            scope.child(f"{suffix}-queue"),
            visibility_timeout_seconds=hidden,
            message_retention_seconds=FOUR_DAYS,
            delay_seconds=delay,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": self.dead_letters.arn, "maxReceiveCount": attempts}, sort_keys=True
            ),
            sqs_managed_sse_enabled=True,
            fifo_queue=True if fifo else None,
            deduplication_scope="messageGroup" if fifo else None,
            fifo_throughput_limit="perMessageGroupId" if fifo else None,
            tags=scope.tags,
            opts=scope.options(),
        )
        self.url = queue.url
        self.arn = queue.arn
        self.name = queue.name
        self.variables = environment.draining(queue.url, attempts, hidden)
        """For the function that drains it."""

    @property
    def statements(self) -> list[permissions.Statement]:
        """For the role of the function that drains it."""
        return permissions.consume(self.arn)

    def accept(self, statement: Callable[[pulumi.Output[str]], permissions.Statement]) -> list[aws.sqs.QueuePolicy]:
        """The policies of the queue and of its dead letters, by which the sender of `statement` may send to both."""
        return [
            aws.sqs.QueuePolicy(
                self.scope.child(f"{self.suffix}-{what}-policy"),
                queue_url=url,
                policy=permissions.policy(statement(arn)),
                opts=self.scope.options(),
            )
            for what, url, arn in (
                ("queue", self.url, self.arn),
                ("dead-letters", self.dead_letters.url, self.dead_letters.arn),
            )
        ]

    def drain_into(self, function: Function) -> None:
        """Give the function the messages in batches; it answers which of them failed."""
        aws.lambda_.EventSourceMapping(
            self.scope.child(f"{self.suffix}-source"),
            function_name=function.arn,
            event_source_arn=self.arn,
            batch_size=self.batch.size,
            maximum_batching_window_in_seconds=self.batch.window,
            function_response_types=["ReportBatchItemFailures"],
            tags=self.scope.tags,
            opts=self.scope.options(function.ready),
        )
