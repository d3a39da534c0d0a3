"""Schedules that functions make: who may make them, and how the laptop fires them. Each patch is needed."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from botocore.exceptions import ClientError

from local.credentials import Credentials
from local.emulator import PATCHES, Emulator
from local.event_sources import EventSourceProblem, Faults
from local.timer_source import Graph, TimerSource

from .conftest import allow, make_role
from .test_emulator import allowed, as_role

pytestmark = pytest.mark.emulator
SCHEDULER = "scheduler.amazonaws.com"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(tmp_path_factory.mktemp("bare"), patches=()) as running:
        yield running


def group_of(emulator: Emulator) -> str:
    """A new group's ARN."""
    return emulator.client("scheduler").create_schedule_group(Name=f"g-{uuid.uuid4().hex}")["ScheduleGroupArn"]


def schedules_in(group: str) -> str:
    return group.replace(":schedule-group/", ":schedule/") + "/*"


def request(group: str, role: str, queue: str, at: datetime, **target: Any) -> dict[str, Any]:
    return {
        "GroupName": group.rsplit("/", 1)[1],
        "Name": uuid.uuid4().hex,
        "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {"Arn": queue, "RoleArn": role, "Input": '{"n":1}', **target},
    }


LONG_AFTER = datetime(2040, 1, 1, tzinfo=UTC)


def makes(running: Emulator, *, group: str = "own", passing: dict[str, Any] | None = None) -> bool:
    """Whether a role with the right to make schedules in its group, and `passing`, may make one in `group`."""
    groups = {name: group_of(running) for name in ("own", "other")}
    fired_as = make_role(running)
    statements = [allow(["scheduler:CreateSchedule"], [schedules_in(groups["own"])])]
    if passing is not None:
        statements.append({**allow(["iam:PassRole"], [fired_as]), **passing})
    client = as_role(running, make_role(running, *statements), "scheduler")
    return allowed(client.create_schedule, **request(groups[group], fired_as, "arn:aws:sqs:::q", LONG_AFTER))


def test_patch_schedule_arn(emulator: Emulator, bare: Emulator) -> None:
    assert makes(emulator, passing={})
    assert not makes(emulator, group="other", passing={})
    assert not makes(bare, passing={}), "the patch is no longer needed"


def test_patch_pass_role(emulator: Emulator, bare: Emulator) -> None:
    def only(service: str) -> dict[str, Any]:
        return {"Condition": {"StringEquals": {"iam:PassedToService": service}}}

    assert makes(emulator, passing=only(SCHEDULER))
    assert not makes(emulator, passing=only("lambda.amazonaws.com"))
    assert not makes(emulator)
    everywhere = as_role(bare, make_role(bare, allow(["scheduler:CreateSchedule"], ["*"])), "scheduler")
    asked = request(group_of(bare), make_role(bare), "arn:aws:sqs:::q", LONG_AFTER)
    assert allowed(everywhere.create_schedule, **asked), "the patch is no longer needed"


def firing_role(emulator: Emulator, group: str, *queues: str, for_group: str = "") -> str:
    """A role by which what is in a group may send to queues, and Scheduler assume it for this group alone."""
    iam, name = emulator.client("iam"), f"role-{uuid.uuid4().hex}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(for_group or group))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": [allow(["sqs:SendMessage"], list(queues))]}
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    return arn


def trust(group: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": SCHEDULER},
        "Action": "sts:AssumeRole",
        "Condition": {"ArnEquals": {"aws:SourceArn": group}, "StringEquals": {"aws:SourceAccount": "000000000000"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_patch_service_roles(emulator: Emulator, bare: Emulator) -> None:
    def assumed(running: Emulator) -> bool:
        role = firing_role(running, group_of(running), "arn:aws:sqs:::q")
        return allowed(running.client("sts").assume_role, RoleArn=role, RoleSessionName="laptop")

    assert assumed(emulator)
    assert not assumed(bare), "the patch is no longer needed"


def test_patch_schedules_are_listed_page_by_page(emulator: Emulator, bare: Emulator) -> None:
    def listed(running: Emulator) -> int:
        scheduler, group = running.client("scheduler"), group_of(running)
        for _ in range(7):
            scheduler.create_schedule(**request(group, make_role(running), "arn:aws:sqs:::q", LONG_AFTER))
        pages = scheduler.get_paginator("list_schedules").paginate(
            GroupName=group.rsplit("/", 1)[1], PaginationConfig={"PageSize": 3}
        )
        return len({each["Name"] for page in pages for each in page["Schedules"]})

    assert listed(emulator) == 7
    assert listed(bare) == 3, "the patch is no longer needed"


def test_patch_schedules_are_kept_and_not_fired(tmp_path: Path) -> None:
    """A restart keeps them, for the laptop to fire."""
    with Emulator(tmp_path, persist=True, patches=PATCHES) as first:
        group = group_of(first)
        asked = request(group, make_role(first), "arn:aws:sqs:::q", datetime(2020, 1, 1, tzinfo=UTC))
        first.client("scheduler").create_schedule(**asked)
    with Emulator(tmp_path, persist=True, patches=PATCHES) as second:
        found = second.client("scheduler").get_schedule(GroupName=asked["GroupName"], Name=asked["Name"])
        assert found["ScheduleExpression"] == asked["ScheduleExpression"]
        assert found["Target"]["Input"] == asked["Target"]["Input"]


# ---- firing


class Timers:
    """A group, a queue with dead letters, and a source that fires; `now` is the laptop's clock."""

    def __init__(self, emulator: Emulator, credentials: Credentials) -> None:
        self.emulator, self.credentials = emulator, credentials
        self.scheduler, self.sqs = emulator.client("scheduler"), emulator.client("sqs")
        self.group = group_of(emulator)
        self.urls = {name: self.sqs.create_queue(QueueName=f"{name}-{uuid.uuid4().hex}")["QueueUrl"] for name in "qd"}
        self.arns = {name: self._arn(url) for name, url in self.urls.items()}
        self.role = firing_role(emulator, self.group, *self.arns.values())
        self.trust = trust(self.group)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.sources: list[TimerSource] = []

    def _arn(self, url: str) -> str:
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def source(self, faults: Faults | None = None, **graph: Any) -> TimerSource:
        queues = {self.arns[name]: url for name, url in self.urls.items()}
        made = TimerSource(
            "timers",
            graph=Graph(**{"queues": queues, "trust": {self.role: self.trust}, "account": "000000000000", **graph}),
            scheduler=lambda: self.emulator.client("scheduler"),
            clients_of=self.credentials.clients,
            faults=faults,
            now=lambda: self.now,
        )
        self.sources.append(made)
        made.start()
        return made

    def make(self, seconds: float, **target: Any) -> dict[str, Any]:
        target = {"DeadLetterConfig": {"Arn": self.arns["d"]}, **target}
        asked = request(self.group, self.role, self.arns["q"], self.now + timedelta(seconds=seconds), **target)
        self.scheduler.create_schedule(**asked)
        return asked

    def received(self, name: str = "q") -> list[str]:
        found: list[str] = []
        while batch := self.sqs.receive_message(QueueUrl=self.urls[name], MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"] for message in batch]
            for message in batch:
                self.sqs.delete_message(QueueUrl=self.urls[name], ReceiptHandle=message["ReceiptHandle"])
        return found

    def left(self) -> int:
        return len(self.scheduler.list_schedules(GroupName=self.group.rsplit("/", 1)[1])["Schedules"])


@pytest.fixture
def timers(emulator: Emulator, credentials: Credentials) -> Iterator[Timers]:
    for old in emulator.client("scheduler").list_schedules()["Schedules"]:
        emulator.client("scheduler").delete_schedule(GroupName=old["GroupName"], Name=old["Name"])
    timers = Timers(emulator, credentials)
    yield timers
    for source in timers.sources:
        source.stop()


def settled(source: TimerSource) -> TimerSource:
    assert source.idle.wait(20)
    return source


def test_what_is_due_is_sent_once_and_gone(timers: Timers) -> None:
    timers.make(-3600)
    timers.make(0)
    later = timers.make(60)
    source = settled(timers.source())
    assert timers.received() == ['{"n":1}', '{"n":1}']
    assert source.calls == 2
    assert source.lag == f"1 waiting, the next at {(timers.now + timedelta(seconds=60)).isoformat()}"
    assert timers.left() == 1
    timers.now += timedelta(seconds=59)
    settled(source)
    assert timers.received() == [], "never early"
    timers.now += timedelta(seconds=1)
    settled(source)
    assert timers.received() == [later["Target"]["Input"]]
    assert (timers.left(), settled(source).lag) == (0, "nothing waits")


def test_what_was_made_before_a_restart_fires_after_it(timers: Timers) -> None:
    timers.make(5)
    settled(timers.source()).stop()
    timers.now += timedelta(hours=1)
    settled(timers.source())
    assert timers.received() == ['{"n":1}']


def test_more_than_a_page_of_them_fires(timers: Timers) -> None:
    for n in range(120):
        timers.make(n % 3)
    timers.now += timedelta(seconds=5)
    settled(timers.source())
    assert len(timers.received()) == 120


def test_one_that_is_taken_back_or_disabled_does_not_fire(timers: Timers) -> None:
    gone, disabled = timers.make(5), timers.make(5)
    source = settled(timers.source())
    timers.scheduler.delete_schedule(GroupName=gone["GroupName"], Name=gone["Name"])
    timers.scheduler.update_schedule(**disabled, State="DISABLED")
    settled(source)
    timers.now += timedelta(minutes=5)
    settled(source)
    assert timers.received() == []


def test_keywords_of_the_input_are_replaced(timers: Timers) -> None:
    timers.make(0, Input="<aws.scheduler.scheduled-time> <aws.scheduler.attempt-number>")
    settled(timers.source())
    assert timers.received() == [f"{timers.now:%Y-%m-%dT%H:%M:%SZ} 1"]


@pytest.mark.parametrize("wrong", ["rights", "trust", "queue"])
def test_what_aws_would_refuse_is_a_problem_and_a_dead_letter_in_the_end(timers: Timers, wrong: str) -> None:
    graph: dict[str, Any] = {}
    if wrong == "rights":
        timers.role = firing_role(timers.emulator, timers.group, timers.arns["d"])
        graph = {"trust": {timers.role: timers.trust}}
        message = "AccessDenied"
    elif wrong == "trust":
        graph = {"trust": {timers.role: trust(timers.group + "-other")}}
        message = "does not let scheduler.amazonaws.com assume it for arn:"
    else:
        graph = {"queues": {timers.arns["d"]: timers.urls["d"]}}
        message = "no queue of the program"
    timers.make(0, RetryPolicy={"MaximumRetryAttempts": 1})
    source = timers.source(**graph)
    with pytest.raises(EventSourceProblem, match=message):
        source.idle.wait(20)
    timers.now += timedelta(seconds=2)
    settled_after_a_problem(source)
    assert timers.received() == []
    assert timers.received("d") == ([] if wrong == "trust" else ['{"n":1}'])
    assert timers.left() == 0


def settled_after_a_problem(source: TimerSource) -> None:
    for _ in range(20):
        try:
            assert source.idle.wait(20)
            return
        except EventSourceProblem:
            continue
    raise AssertionError(source.problem)


def test_faults_repeat_and_refuse_but_lose_nothing(timers: Timers) -> None:
    for _ in range(20):
        timers.make(0)
    source = timers.source(Faults(3, duplicate=0.5, throttle=0.5))
    for _ in range(200):
        timers.now += timedelta(seconds=1)
        if source.idle.wait(0.05):
            break
    settled(source)
    assert len(timers.received()) > 20
    assert source.calls > 20


def test_a_schedule_that_repeats_goes_on(timers: Timers) -> None:
    asked = timers.make(0)
    timers.scheduler.update_schedule(**{**asked, "ScheduleExpression": "rate(1 hour)"})
    source = settled(timers.source())
    for _ in range(2):
        timers.now += timedelta(minutes=61)
        settled(source)
    assert len(timers.received()) == 2
    assert timers.left() == 1


def test_a_group_takes_what_is_in_it_along(emulator: Emulator, laptop: Any) -> None:
    def program() -> None:
        pulumi.export("group", aws.scheduler.ScheduleGroup("timers", tags={"kind": "timers"}).arn)

    group = laptop.up(program).exports["group"]
    scheduler = emulator.client("scheduler")
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "kind", "Value": "timers"}]
    asked = request(group, make_role(emulator), "arn:aws:sqs:::q", LONG_AFTER)
    scheduler.create_schedule(**asked)
    laptop.up(lambda: None)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        scheduler.get_schedule(GroupName=asked["GroupName"], Name=asked["Name"])
