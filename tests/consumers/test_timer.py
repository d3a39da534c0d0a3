"""Commands for later in EventBridge Scheduler, and how they come back from its queue."""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from foldstack import Command, InvalidValue
from foldstack.aws import composition
from foldstack.aws.environment import Environment, Timers
from foldstack.aws.timer import LARGEST, SchedulerTimer, TooManyTimers
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.errors import ConfigurationError, StoreThrottled, StoreTimeout, Unavailable
from foldstack.kernel.keys import Tenant
from foldstack.kernel.store import MemoryCommitStore

from .checkout import NoteSale
from .functions import Context, failed, load, message

ACME = Tenant("acme")
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
QUEUE, DEAD = "arn:aws:sqs:us-east-1:000000000000:commands", "arn:aws:sqs:us-east-1:000000000000:dead"
ROLE = "arn:aws:iam::000000000000:role/timers"
NOTE = NoteSale(ledger="all", order="a")


def context(key: str = "Kf-3_k", **more: Any) -> CommandContext:
    about = {"correlation": "corr", "causation": "acme#order#a@2", "traceparent": "00-1-2-01", "depth": 0}
    return CommandContext(key, "remind", keyed=True, actor="reaction:remind", deadline=5.0, **(about | more))


class Scheduler:
    """Remembers what it is asked, and may refuse."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.error = error

    def create_schedule(self, **asked: Any) -> dict[str, str]:
        self.asked.append(asked)
        if self.error:
            raise self.error
        return {"ScheduleArn": "arn"}


def timer(client: Any, group: str = "timers") -> SchedulerTimer:
    return SchedulerTimer(client, Timers(group, ROLE, QUEUE, DEAD), now=lambda: NOW)


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "CreateSchedule")


def test_the_request():
    client = Scheduler()
    timer(client).set(NOW + timedelta(minutes=15), ACME, NOTE, context())
    (asked,) = client.asked
    target = asked.pop("Target")
    content = json.loads(target.pop("Input"))
    assert asked == {
        "GroupName": "timers",
        "Name": "Kf-3_k",
        "ScheduleExpression": "at(2030-01-01T12:15:00)",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
    }
    assert target == {
        "Arn": QUEUE,
        "RoleArn": ROLE,
        "DeadLetterConfig": {"Arn": DEAD},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
    }
    assert content == {
        "tenant": "acme",
        "command": "NoteSale",
        "data": {"ledger": "all", "order": "a"},
        "key": "Kf-3_k",
        "correlation": "corr",
        "causation": "acme#order#a@2",
        "traceparent": "00-1-2-01",
        "reaction": "remind",
    }


@pytest.mark.parametrize(
    ("at", "expression"),
    [
        (NOW + timedelta(seconds=30, microseconds=1), "at(2030-01-01T12:00:31)"),  # never earlier
        ((NOW + timedelta(hours=1)).astimezone(tz=None), "at(2030-01-01T13:00:00)"),
        (NOW + timedelta(milliseconds=1), "at(2030-01-01T12:00:02)"),  # not over when it arrives
        (NOW - timedelta(days=1), "at(2030-01-01T12:00:02)"),
    ],
)
def test_the_moment(at, expression):
    client = Scheduler()
    timer(client).set(at, ACME, NOTE, context())
    assert client.asked[0]["ScheduleExpression"] == expression


def test_nothing_in_a_command_is_taken_for_a_keyword_of_scheduler():
    client = Scheduler()
    note = NoteSale(ledger="all", order="<aws.scheduler.execution-id>")
    timer(client).set(NOW + timedelta(hours=1), ACME, note, context())
    content = client.asked[0]["Target"]["Input"]
    assert "<aws.scheduler" not in content
    assert json.loads(content)["data"]["order"] == "<aws.scheduler.execution-id>"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (refusal("ThrottlingException", 429), StoreThrottled),
        (refusal("InternalServerException", 500), StoreTimeout),
        (ConnectTimeoutError(endpoint_url="x"), StoreTimeout),
        (refusal("ServiceQuotaExceededException", 402), TooManyTimers),
        (refusal("AccessDeniedException", 403), ClientError),
        (refusal("ValidationException"), ClientError),
        (refusal("ConflictException", 409), None),  # it is set already
    ],
)
def test_what_is_not_set_is_tried_again(error, raised):
    asked = NOW + timedelta(hours=1), ACME, NOTE, context()
    if raised is None:
        timer(Scheduler(error)).set(*asked)
        return
    with pytest.raises(raised) as caught:
        timer(Scheduler(error)).set(*asked)
    assert isinstance(caught.value, Unavailable) == (raised is not ClientError), "the message comes again, quietly"


def test_a_command_too_large_to_be_kept_is_refused():
    class Long(Command):
        text: str

    with pytest.raises(InvalidValue, match=rf"Long: is \d+ bytes as a message; for later, at most {LARGEST}"):
        timer(Scheduler()).set(NOW + timedelta(hours=1), ACME, Long(text="x" * LARGEST), context())


@pytest.mark.emulator
def test_set_twice_there_is_one(emulator):
    client = emulator.client("scheduler")
    client.create_schedule_group(Name="timers-twice")
    kept = timer(client, "timers-twice")
    kept.set(NOW + timedelta(hours=1), ACME, NOTE, context("twice"))
    kept.set(NOW + timedelta(hours=2), ACME, NOTE, context("twice"))
    (found,) = client.list_schedules(GroupName="timers-twice")["Schedules"]
    schedule = client.get_schedule(GroupName="timers-twice", Name=found["Name"])
    assert schedule["ScheduleExpression"] == "at(2030-01-01T13:00:00)"


# ---- back from the queue

ENVIRONMENT = {"DOMAIN": "tests.consumers.checkout:service", "SERVICE": "checkout"}


class Function:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryCommitStore()
        monkeypatch.setattr(composition, "commit_store", lambda env: self.store)
        self.module = load(monkeypatch, "commands", ENVIRONMENT)

    def deliver(self, *bodies: Any) -> list[str]:
        return failed(self.module.handler({"Records": [message(body) for body in bodies]}, Context()))

    def commits(self) -> list[Any]:
        return [commit for commits in self.store.streams().values() for commit in commits]


@pytest.fixture
def function(monkeypatch):
    return Function(monkeypatch)


def content(command: Command = NOTE, **about: Any) -> str:
    client = Scheduler()
    timer(client).set(NOW + timedelta(hours=1), ACME, command, context(**about))
    return client.asked[0]["Target"]["Input"]


def test_what_was_kept_is_executed_as_its_reaction_would_have(function):
    assert function.deliver(content(depth=3), content(depth=3)) == []
    (commit,) = function.commits()
    kept = context(depth=3)
    for name in ("command_id", "request_hash", "correlation", "causation", "actor", "traceparent", "depth"):
        assert getattr(commit, name) == getattr(kept, name), name


def test_executed_by_its_reaction_before_it_has_no_effect(function):
    """The message was delivered again after the time was over, when the reaction executes the command at once."""
    service, executor = function.module.service, function.module.executor
    executor.execute(service.aggregate_of(NoteSale), ACME, NOTE, context())
    assert function.deliver(content()) == []
    assert len(function.commits()) == 1


@pytest.mark.parametrize("wrong", [{"depth": 17}, {"depth": -1}, {"reaction": "x" * 129}, {"causation": "x" * 513}])
def test_what_no_reaction_sends_is_refused(function, wrong):
    sent = {**json.loads(content()), **wrong}
    assert len(function.deliver(sent)) == 1
    assert function.commits() == []


def test_timers_are_read_from_the_environment():
    said = {"group": "g", "role": "r", "queue": "q", "dead_letters": "d"}
    assert Environment.read({"FOLDSTACK_TIMERS": json.dumps(said)}).timers == Timers("g", "r", "q", "d")
    with pytest.raises(ConfigurationError, match="must name group, role, queue, dead_letters; it names group"):
        _ = Environment.read({"FOLDSTACK_TIMERS": '{"group": "g"}'})


def test_a_function_that_sets_none_does_not_import_it(monkeypatch):
    for name in [name for name in sys.modules if name == "foldstack.aws.timer"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(composition, "commit_store", lambda env: MemoryCommitStore())
    load(monkeypatch, "effects", ENVIRONMENT)
    assert "foldstack.aws.timer" not in sys.modules
