"""When schedules fire, and what is done when their target does not take the call."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.invocation import Invocation
from local.schedule_expression import ScheduleError, parse
from local.schedules import Schedule

ARN = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/daily"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("rate(5 minutes)", "UTC", "2026-11-20T12:05"),
        ("rate(1 day)", "UTC", "2026-11-21T12:00"),
        ("cron(0 3 * * ? *)", "UTC", "2026-11-21T03:00"),
        ("cron(0 3 * * ? *)", "Europe/Berlin", "2026-11-21T02:00"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-11-20T12:15"),
        ("cron(30 8-10,14 ? * MON-FRI *)", "UTC", "2026-11-20T14:30"),
        ("cron(0 9 ? * 2 *)", "UTC", "2026-11-23T09:00"),
        ("cron(0 9 ? * FRI#1 *)", "UTC", "2026-12-04T09:00"),
        ("cron(0 9 ? * FRIL *)", "UTC", "2026-11-27T09:00"),
        ("cron(0 9 L * ? *)", "UTC", "2026-11-30T09:00"),
        ("cron(0 9 1 JAN ? 2028)", "UTC", "2028-01-01T09:00"),
        ("cron(0 9 1 1 ? 2020)", "UTC", None),
        ("at(2026-11-20T13:00:00)", "UTC", "2026-11-20T13:00"),
        ("at(2026-11-20T11:00:00)", "UTC", None),
        ("at(2026-11-20T11:00:00)", "America/New_York", "2026-11-20T16:00"),
    ],
)
def test_the_next_moment(expression: str, zone: str, expected: str | None) -> None:
    found = parse(expression, zone, start=NOON)(NOON)
    assert (found and found.strftime("%Y-%m-%dT%H:%M")) == expected


@pytest.mark.parametrize(
    "expression",
    ["daily", "rate(0 minutes)", "rate(5 weeks)", "cron(0 3 * * *)", "cron(0 3 * * * *)", "cron(0 25 * * ? *)",
     "cron(0 3 15W * ? *)"],
)  # fmt: skip
def test_a_faulty_expression(expression: str) -> None:
    with pytest.raises(ScheduleError):
        parse(expression)


class Target:
    """Answers one status after the other, the last for ever; the clock jumps to whatever is waited for."""

    def __init__(self, *statuses: Any) -> None:
        self._statuses = list(statuses)
        self.payloads: list[Any] = []
        self.done = threading.Event()

    def __call__(self, payload: bytes) -> Invocation:
        self.payloads.append(json.loads(payload))
        status = self._statuses.pop(0)
        if not self._statuses:
            self.done.set()
        return Invocation(status)


def fire(to: Target, **inputs: Any) -> list[Any]:
    """Run a schedule that is due at once until its target has answered all it is to answer."""
    shape = {
        "scheduleExpression": "at(2026-11-20T12:00:00)",
        "target": {"arn": "f", "input": '{"sweep": true}'},
        **inputs,
    }
    behind = datetime.now(UTC) - NOON + timedelta(milliseconds=50)
    schedule = Schedule("daily", ARN, shape, to, now=lambda: datetime.now(UTC) - behind, retries=(0.0, 0.0))
    schedule.start()
    try:
        assert to.done.wait(20)
    finally:
        schedule.stop()
    return to.payloads


def test_the_target_gets_its_input_once() -> None:
    assert fire(Target("ok")) == [{"sweep": True}]


def test_a_failing_function_is_called_twice_more() -> None:
    assert len(fire(Target("error", "timeout", "error"))) == 3
    assert len(fire(Target("error", "ok"))) == 2


def test_a_throttled_target_is_called_until_the_policy_ends() -> None:
    target = {"arn": "f", "input": "{}", "retryPolicy": {"maximumRetryAttempts": 1}}
    assert len(fire(Target("throttled", "throttled"), target=target)) == 2


def test_what_is_put_into_the_input() -> None:
    text = '{"at": "<aws.scheduler.scheduled-time>", "try": <aws.scheduler.attempt-number>}'
    payloads = fire(Target("error", "ok"), target={"arn": "f", "input": text})
    assert payloads == [{"at": "2026-11-20T12:00:00Z", "try": 1}, {"at": "2026-11-20T12:00:00Z", "try": 2}]
    event = fire(Target("ok"), target={"arn": "f"})[0]
    assert (event["source"], event["resources"], event["region"]) == ("aws.scheduler", [ARN], "us-east-1")


def test_dates_bound_a_schedule() -> None:
    def following(**inputs: str) -> datetime | None:
        shape = {"scheduleExpression": "cron(0 * * * ? *)", "target": {"arn": "f"}, **inputs}
        return Schedule("daily", ARN, shape, Target("ok"), now=lambda: NOON).next

    assert following() == NOON + timedelta(hours=1)
    assert following(startDate="2026-11-20T15:30:00Z") == NOON + timedelta(hours=4)
    assert following(endDate="2026-11-20T12:30:00Z") is None


def test_stopping_does_not_wait_for_the_next_moment() -> None:
    shape = {"scheduleExpression": "rate(1 day)", "target": {"arn": "f"}}
    schedule = Schedule("daily", ARN, shape, Target("ok"))
    schedule.start()
    schedule.stop()
    assert schedule.calls == 0
