"""Commands for later in EventBridge Scheduler: a schedule each, which sends the command to its queue and is gone."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ..kernel.commit import CommandContext
from ..kernel.errors import InvalidValue, Unavailable
from ..kernel.keys import Tenant
from ..kernel.messages import Command
from .environment import Timers
from .store_errors import ask, error_code

LARGEST = 256 * 1024
"""Bytes that a message of the queue may have."""
_AHEAD = timedelta(seconds=2)
"""Scheduler refuses what is over when it is asked: clocks differ, and the request takes a moment."""


Fields = Callable[[Tenant, Command], dict[str, Any]]
"""The fields of a command as plain JSON."""


def in_the_clear(tenant: Tenant, command: Command) -> dict[str, Any]:
    return command.model_dump(mode="json")


class TooManyTimers(Unavailable):
    """The account has as many schedules as it may have."""


class SchedulerTimer:
    """`client` is Scheduler's. The name of a schedule is the id of its command: set again, it is known. What `fields`
    answers is kept of a command."""

    def __init__(
        self,
        client: Any,
        timers: Timers,
        *,
        fields: Fields = in_the_clear,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._timers = timers
        self._fields = fields
        self._now = now

    def set(self, at: datetime, tenant: Tenant, command: Command, context: CommandContext) -> None:
        """See `Timer`. Raises StoreThrottled, StoreTimeout, TooManyTimers; InvalidValue for a command too large."""
        content = document(tenant, command, context, self._fields(tenant, command))
        if len(content) > LARGEST:
            raise InvalidValue(
                type(command).__name__, f"is {len(content)} bytes as a message; for later, at most {LARGEST} are kept"
            )
        moment = _whole_second(max(at.astimezone(UTC), self._now() + _AHEAD))
        try:
            ask(
                self._client.create_schedule,
                GroupName=self._timers.group,
                Name=context.command_id,
                ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={
                    "Arn": self._timers.queue,
                    "RoleArn": self._timers.role,
                    "Input": content,
                    "DeadLetterConfig": {"Arn": self._timers.dead_letters},
                    "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
                },
            )
        except ClientError as error:
            if error_code(error) == "ServiceQuotaExceededException":
                raise TooManyTimers(f"Scheduler: {error}") from error
            if error_code(error) != "ConflictException":
                raise


def document(tenant: Tenant, command: Command, context: CommandContext, data: dict[str, Any]) -> str:
    """The message that the commands function takes. Scheduler puts values in the place of `<aws.scheduler...>`,
    wherever that stands: no text of a command may look so."""
    said: dict[str, Any] = {
        "tenant": str(tenant),
        "command": type(command).type_name,
        "data": data,
        "key": context.command_id,
        "correlation": context.correlation,
        "causation": context.causation,
        "traceparent": context.traceparent,
        "reaction": context.request_hash,
        "depth": context.depth,
    }
    said = {name: value for name, value in said.items() if value or name == "data"}
    return json.dumps(said, separators=(",", ":")).replace("<", "\\u003c")


def _whole_second(moment: datetime) -> datetime:
    """Never earlier."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)
