"""Schedules on this machine: each fires on a thread of its own, and is delivered again by Scheduler's rules."""

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .invocation import Invocation
from .schedule_expression import Next, parse

log = logging.getLogger(__name__)

_LONGEST_SLEEP = 3600.0
_DAY = 86400.0
_ATTEMPTS = 185
# What Lambda does with an asynchronous call whose function fails: twice more.
_FUNCTION_RETRIES = (60.0, 120.0)

Deliver = Callable[[bytes], Invocation]


class Schedule:
    """`inputs` are those of `aws:scheduler/schedule:Schedule`; `deliver` takes the payload to the target, `bury` to
    the dead letters."""

    def __init__(
        self,
        name: str,
        arn: str,
        inputs: Mapping[str, Any],
        deliver: Deliver,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        retries: tuple[float, ...] = _FUNCTION_RETRIES,
        bury: Callable[[bytes], Any] | None = None,
    ) -> None:
        self.name, self.arn = name, arn
        self.expression = inputs["scheduleExpression"]
        self.calls = 0
        self._target = inputs["target"]
        self._deliver, self._now, self._retries = deliver, now, retries
        self._bury = bury
        start, end = _moment(inputs.get("startDate")), _moment(inputs.get("endDate"))
        zone = inputs.get("scheduleExpressionTimezone", "UTC")
        self._next = _within(parse(self.expression, zone, start or now()), start, end)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def next(self) -> datetime | None:
        """When it fires next; None when it is over."""
        return self._next(self._now())

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"schedule-{self.name}", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stopping.set()

    def stop(self) -> None:
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        moment = self.next
        while moment is not None and not self._stopping.is_set():
            left = (moment - self._now()).total_seconds()
            if left > 0:
                # A machine may sleep, or its clock be set: look again now and then.
                self._stopping.wait(min(left, _LONGEST_SLEEP))
                continue
            self._fire(moment)
            # What fell into a machine's sleep is not made up for.
            moment = self._next(max(moment, self._now()))

    def _fire(self, moment: datetime) -> None:
        """Deliver, again while the target is throttled and twice more when the function fails."""
        policy = self._target.get("retryPolicy") or {}
        attempts = policy.get("maximumRetryAttempts", _ATTEMPTS)
        age = policy.get("maximumEventAgeInSeconds", _DAY)
        execution, pause, refusals, failures = str(uuid.uuid4()), 1.0, 0, 0
        while True:
            self.calls += 1
            answer = self._deliver(self._payload(moment, execution, refusals + failures + 1))
            if answer.ok:
                return
            if answer.status == "throttled":
                refusals, pause = refusals + 1, min(pause * 2, 60.0)
                over = refusals > attempts or (self._now() - moment).total_seconds() > age
            else:
                over = failures == len(self._retries)
                pause = 0.0 if over else self._retries[failures]
                failures += 1
            if over:
                log.warning("schedule %s: the call of %s was given up: %s", self.name, moment, answer.status)
                if self._bury:
                    self._bury(self._payload(moment, execution, refusals + failures))
                return
            if self._stopping.wait(pause):
                return

    def _payload(self, moment: datetime, execution: str, attempt: int) -> bytes:
        return payload(self.arn, self._target.get("input"), moment, execution, attempt)


def payload(arn: str, given: str | None, moment: datetime, execution: str, attempt: int) -> bytes:
    """What a target gets: the schedule's input with its keywords replaced, or an event where it has none."""
    at = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if given is None:
        event = {
            "version": "0",
            "id": execution,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": arn.split(":")[4],
            "time": at,
            "region": arn.split(":")[3],
            "resources": [arn],
            "detail": "{}",
        }
        return json.dumps(event).encode()
    for attribute, value in {
        "schedule-arn": arn,
        "scheduled-time": at,
        "execution-id": execution,
        "attempt-number": str(attempt),
    }.items():
        given = given.replace(f"<aws.scheduler.{attribute}>", value)
    return given.encode()


def _within(following: Next, start: datetime | None, end: datetime | None) -> Next:
    def within(after: datetime) -> datetime | None:
        moment = following(max(after, start) if start else after)
        return None if moment is None or (end and moment > end) else moment

    return within


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))
