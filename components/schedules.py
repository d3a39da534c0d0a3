"""What EventBridge Scheduler does for a service: it sends commands for later, and ticks, to the queue of commands."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import permissions
from .arguments import NAME, Arguments
from .consumer_queue import ConsumerQueue
from .function import Function, account_of
from .scope import Scope

EXPRESSION = re.compile(r"(rate|cron|at)\([^()]+\)")
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,49}")
MOST_TENANTS = 1000


class ServiceSchedule(TypedDict):
    """A schedule that the domain answers."""

    name: str
    """Its name in the domain's Schedules."""
    expression: str
    """When it fires, as EventBridge Scheduler has it: rate(1 day), cron(0 3 * * ? *) or at(2026-01-31T03:00:00)."""
    tenants: list[str]
    """The tenants it ticks for."""
    timezone: NotRequired[str]
    """The time zone of a cron or at expression, default UTC."""


@dataclass(frozen=True)
class Ticking:
    """The checked form of a ServiceSchedule."""

    name: str
    expression: str
    tenants: Sequence[str]
    timezone: str


def read(arguments: Arguments) -> list[Ticking]:
    """Read and check `schedules`; its faults are raised by `arguments.check()`."""
    found: list[Ticking] = []
    for path in arguments.each("schedules", ServiceSchedule):
        found.append(
            Ticking(
                arguments.text(f"{path}.name", NAME, "a-z, 0-9 and -, from a letter, at most 32"),
                arguments.text(f"{path}.expression", EXPRESSION, "rate(...), cron(...) or at(...)"),
                arguments.names(f"{path}.tenants", TENANT, "a tenant: a-z, 0-9 and -, at most 63", None),
                arguments.text(f"{path}.timezone", TIMEZONE, "a name such as Europe/Berlin", default="UTC"),
            )
        )
        if [each.name for each in found].count(found[-1].name) > 1:
            arguments.fault(f"{path}.name", found[-1].name, "each name once", "drop the second")
        if len(found[-1].tenants) > MOST_TENANTS:
            allowed = f"at most {MOST_TENANTS}: one call of the function does them all"
            arguments.fault(f"{path}.tenants", len(found[-1].tenants), allowed, "make two schedules of it")
    return found


class Scheduling:
    """A group of Scheduler for one service, and the role by which what is in it sends to the queue of commands. What
    waits in the group goes with it, so it is kept as data is."""

    def __init__(self, scope: Scope, queue: ConsumerQueue) -> None:
        self._scope = scope
        self._queue = queue
        self.group = aws.scheduler.ScheduleGroup(scope.child("timers"), tags=scope.tags, opts=scope.data_options())
        self.role = aws.iam.Role(
            scope.child("timers-role"),
            assume_role_policy=permissions.trusted_by("scheduler.amazonaws.com", account_of(queue.arn), self.group.arn),
            tags=scope.tags,
            opts=scope.options(),
        )
        self._allowed = aws.iam.RolePolicy(
            scope.child("timers-policy"),
            role=self.role.name,
            policy=permissions.policy(
                *permissions.send("Fire", queue.arn),
                *permissions.send("DeadLetters", queue.dead_letters.arn),
            ),
            opts=scope.options(),
        )

    def start(self, schedules: Sequence[Ticking], function: Function) -> None:
        """Have them tick, once the function, which answers them, has been seen to know them."""
        if not schedules:
            return
        checked = aws.lambda_.Invocation(
            self._scope.child("schedules-check"),
            function_name=function.name,
            input=json.dumps({"check": sorted(each.name for each in schedules)}, sort_keys=True),
            triggers={"code": function.code_sha256},
            opts=self._scope.options(function.ready),
        )
        for each in schedules:
            self._tick(each, checked)

    def _tick(self, schedule: Ticking, checked: pulumi.Resource) -> None:
        tick = {"schedule": schedule.name, "at": "<aws.scheduler.scheduled-time>", "tenants": list(schedule.tenants)}
        aws.scheduler.Schedule(
            self._scope.child(f"schedule-{schedule.name}"),
            group_name=self.group.name,
            schedule_expression=schedule.expression,
            schedule_expression_timezone=schedule.timezone,
            flexible_time_window={"mode": "OFF"},
            target={
                "arn": self._queue.arn,
                "role_arn": self.role.arn,
                "input": json.dumps(tick, sort_keys=True),
                "dead_letter_config": {"arn": self._queue.dead_letters.arn},
                "retry_policy": {"maximum_event_age_in_seconds": 86400, "maximum_retry_attempts": 185},
            },
            opts=self._scope.options(self._allowed, checked),
        )
