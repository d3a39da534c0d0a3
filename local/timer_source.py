"""Schedules that functions make: found on the emulator, and fired as EventBridge Scheduler fires them.

Each goes to its queue under its own role, again while it is refused, and to its dead letters in the end.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from .event_sources import EventSource, Faults
from .invocation import Invocation
from .policy_documents import allows
from .schedule_expression import parse
from .schedules import payload

_LOOK_SECONDS = 0.5
_LONGEST_PAUSE = 60.0
_ATTEMPTS = 185
_DAY = 86400
_THROTTLED = "throttled"


@dataclass
class Timer:
    """A schedule as it was last read. `next` is when it fires, or is tried again; None once it is over."""

    arn: str
    name: str
    group: str
    changed: datetime
    target: Mapping[str, Any]
    following: Callable[[datetime], datetime | None]
    removed: bool
    moment: datetime
    next: datetime | None
    attempts: int = 0
    execution: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Graph:
    """What timers refer to: queues (URL by ARN), and the trust policy of each role by its ARN."""

    queues: Mapping[str, str]
    trust: Mapping[str, Any]
    account: str


class TimerSource(EventSource):
    """`scheduler` makes the client that looks for them, `clients_of(role)` one that acts as the role."""

    def __init__(
        self,
        name: str,
        *,
        graph: Graph,
        scheduler: Callable[[], Any],
        clients_of: Callable[[str], Callable[[str], Any]],
        faults: Faults | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(name, _no_function, faults)
        self._graph = graph
        self._make_client, self._clients_of, self._now = scheduler, clients_of, now
        self._client: Any = None
        self._senders: dict[str, Any] = {}
        self._known: dict[str, Timer] = {}
        self._refused: dict[str, str] = {}
        self._looked = 0
        # A test of faults cannot wait for pauses of minutes.
        self._longest_pause = 0.2 if faults else _LONGEST_PAUSE

    @property
    def lag(self) -> str:
        waiting = sorted(timer.next for timer in list(self._known.values()) if timer.next)
        if not waiting:
            return "nothing waits"
        return f"{len(waiting)} waiting, the next at {waiting[0].astimezone(UTC).isoformat(timespec='seconds')}"

    def _poll(self) -> None:
        self._client = self._client or self._make_client()
        self._look()
        for timer in self._due():
            self._fire(timer)
        self._looked = self._round
        if self._refused:
            raise LookupError("; ".join(self._refused.values()))
        self._rest(_LOOK_SECONDS)

    def _caught_up(self, asked: int) -> bool:
        return self._looked >= asked and not self._due()

    def _due(self) -> list[Timer]:
        """Those whose time has come, first what was to be first."""
        now = self._now()
        due = [timer for timer in list(self._known.values()) if timer.next and timer.moment <= now]
        return sorted(due, key=lambda timer: timer.moment)

    def _look(self) -> None:
        found = {}
        for page in self._client.get_paginator("list_schedules").paginate():
            for summary in page["Schedules"]:
                known = self._known.get(summary["Arn"])
                if known is None or known.changed != summary["LastModificationDate"]:
                    known = self._read(summary)
                if known:
                    found[known.arn] = known
        self._known = found

    def _read(self, summary: Mapping[str, Any]) -> Timer | None:
        try:
            schedule = self._client.get_schedule(GroupName=summary["GroupName"], Name=summary["Name"])
        except self._client.exceptions.ResourceNotFoundException:
            return None
        zone, created = schedule.get("ScheduleExpressionTimezone", "UTC"), schedule["CreationDate"]
        following = parse(schedule["ScheduleExpression"], zone, created)
        # What is over when it is first seen fires all the same: it was in the future when it was made.
        first = following(datetime.min.replace(tzinfo=UTC) if _once(schedule) else created)
        enabled = schedule["State"] == "ENABLED" and first is not None
        return Timer(
            arn=summary["Arn"],
            name=summary["Name"],
            group=summary["GroupName"],
            changed=summary["LastModificationDate"],
            target=schedule["Target"],
            following=following,
            removed=schedule.get("ActionAfterCompletion") == "DELETE",
            moment=first or created,
            next=first if enabled else None,
        )

    def _fire(self, timer: Timer) -> None:
        now = self._now()
        if timer.next is None or timer.next > now:
            return  # it waits between two tries
        self.calls += 1
        timer.attempts += 1
        problem = self._send(timer, timer.target["Arn"])
        if problem is None:
            self._refused.pop(timer.arn, None)
            self._done(timer)
            return
        policy = timer.target.get("RetryPolicy") or {}
        over = timer.attempts > policy.get("MaximumRetryAttempts", _ATTEMPTS)
        age = timedelta(seconds=policy.get("MaximumEventAgeInSeconds", _DAY))
        if over or now - timer.moment > age:
            self._refused.pop(timer.arn, None)
            if dead := (timer.target.get("DeadLetterConfig") or {}).get("Arn"):
                self._send(timer, dead)
            self._done(timer)
            return
        if problem != _THROTTLED:
            self._refused[timer.arn] = f"schedule {timer.name}: {problem}"
        timer.next = now + timedelta(seconds=min(2.0**timer.attempts, self._longest_pause))

    def _send(self, timer: Timer, queue: str) -> str | None:
        """Why it could not be sent, or None."""
        role, url = timer.target["RoleArn"], self._graph.queues.get(queue)
        if url is None:
            return f"its target {queue} is no queue of the program; the laptop fires what functions schedule at queues"
        group = timer.arn.replace(":schedule/", ":schedule-group/").rsplit("/", 1)[0]
        about = {"aws:SourceAccount": self._graph.account, "aws:SourceArn": group}
        service = "scheduler.amazonaws.com"
        if not allows([self._graph.trust.get(role, {})], "sts:AssumeRole", role, principal=service, context=about):
            return f"the trust policy of {role} does not let {service} assume it for {group}"
        if self.faults.throttle():
            return _THROTTLED
        body = payload(timer.arn, timer.target.get("Input"), timer.moment, timer.execution, timer.attempts)
        try:
            for _ in range(2 if self.faults.duplicate() else 1):
                self._sender(role).send_message(QueueUrl=url, MessageBody=body.decode())
        except ClientError as error:
            return str(error)
        return None

    def _sender(self, role: str) -> Any:
        if role not in self._senders:
            self._senders[role] = self._clients_of(role)("sqs")
        return self._senders[role]

    def _done(self, timer: Timer) -> None:
        following = timer.following(max(timer.moment, self._now()))
        if following is not None:
            timer.moment = timer.next = following
            timer.attempts, timer.execution = 0, str(uuid.uuid4())
            return
        timer.next = None
        if timer.removed:
            self._client.delete_schedule(GroupName=timer.group, Name=timer.name)


def _once(schedule: Mapping[str, Any]) -> bool:
    return schedule["ScheduleExpression"].startswith("at(")


def _no_function(payload: bytes, **about: Any) -> Invocation:
    raise LookupError(f"timers call no function: {json.loads(payload)!r}")
