"""Ticks of schedules: each command once for its moment, whatever is delivered; stack and domain have the same ones."""

import logging
from typing import Any

import pytest
from foldstack import DefinitionError
from foldstack.aws import composition
from foldstack.kernel.store import MemoryCommitStore

from .functions import Context, failed, load, message

ENVIRONMENT = {"DOMAIN": "tests.consumers.ticking:service", "SERVICE": "days", "SCHEDULES": "close-day,rest"}
AT = "2026-05-01T22:00:00Z"


class Function:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
        self.store = MemoryCommitStore()
        monkeypatch.setattr(composition, "commit_store", lambda env: self.store)
        self.module = load(monkeypatch, "commands", {**ENVIRONMENT, **environment})

    def deliver(self, *bodies: Any, receives: int = 1) -> list[str]:
        sent = [message(body, receives) for body in bodies]
        again = failed(self.module.handler({"Records": sent}, Context()))
        return [each["body"] for each in sent if each["messageId"] in again]

    def stored(self) -> dict[str, int]:
        return {key: len(commits) for key, commits in self.store.streams().items()}


@pytest.fixture
def function(monkeypatch):
    return Function(monkeypatch)


def tick(at: str = AT, schedule: str = "close-day", tenants: Any = ("acme",)) -> dict[str, Any]:
    return {"schedule": schedule, "at": at, "tenants": list(tenants)}


def test_a_tick_takes_effect_once(function):
    assert function.deliver(tick(), tick()) == []
    assert function.deliver(tick(), receives=2) == []
    assert function.stored() == {"acme#day#2026-05-01": 1, "acme#bell#evening": 1}
    (closed,) = function.store.streams()["acme#day#2026-05-01"]
    assert closed.stored[0].data == {"at": "2026-05-01T22:00:00+00:00"}, "the tick's time, whatever the clock says"
    assert (closed.actor, closed.correlation) == ("schedule:close-day", f"close-day@{AT}")
    assert (closed.causation, closed.depth) == ("", 0)


def test_the_next_moment_is_another_tick(function):
    assert function.deliver(tick(), tick("2026-05-02T22:00:00Z")) == []
    assert function.stored()["acme#bell#evening"] == 2


def test_it_ticks_for_each_of_its_tenants(function):
    assert function.deliver(tick(tenants=["acme", "zeta"])) == []
    assert set(function.stored()) == {f"{t}#{s}" for t in ("acme", "zeta") for s in ("day#2026-05-01", "bell#evening")}
    ids = {commits[0].command_id for commits in function.store.streams().values()}
    assert len(ids) == 4


def test_a_tenant_that_fails_stops_no_other_and_is_tried_again(function):
    assert len(function.deliver(tick(tenants=["broken", "acme"]))) == 1
    assert "acme#day#2026-05-01" in function.stored()
    assert len(function.deliver(tick(tenants=["broken", "acme"]), receives=2)) == 1
    assert function.stored()["acme#bell#evening"] == 1


def test_a_rejection_is_an_answer_and_the_other_commands_are_done(function, caplog):
    function.deliver(tick())
    caplog.set_level(logging.WARNING)
    assert function.deliver(tick("2026-05-01T23:00:00Z")) == []
    assert function.stored() == {"acme#day#2026-05-01": 1, "acme#bell#evening": 2}


def test_a_schedule_may_have_nothing_to_do(function):
    assert function.deliver(tick(schedule="rest")) == []
    assert function.stored() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        tick(schedule="unheard-of"),
        tick(at="tomorrow"),
        tick(at="2026-13-01T22:00:00Z"),
        tick(at="<aws.scheduler.scheduled-time>"),
        tick(tenants=[]),
        tick(tenants=["No Tenant"]),
        {**tick(), "more": 1},
        {"schedule": "close-day"},
    ],
)
def test_what_is_no_tick_changes_nothing(function, wrong):
    assert len(function.deliver(wrong, tick(schedule="rest"))) == 1
    assert function.stored() == {}


def test_a_deployment_sees_that_the_function_loads(function):
    assert function.module.handler({"check": ["close-day", "rest"]}, Context()) == {"status": "ready"}


@pytest.mark.parametrize(
    ("deployed", "message"),
    [
        ("close-day", "days answers the schedules rest, and the stack does not fire them: add them to the `schedules`"),
        ("", "days answers the schedules close-day, rest, and the stack does not fire them"),
        (
            "close-day,rest,clsoe-day",
            r"the stack has the schedules clsoe-day, and days answers close-day, rest: declare",
        ),
    ],
)
def test_the_stack_and_the_domain_have_the_same_schedules(monkeypatch, deployed, message):
    with pytest.raises(DefinitionError, match=message):
        Function(monkeypatch, SCHEDULES=deployed)
