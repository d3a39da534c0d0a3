"""Schedules that tick, and the group for commands later. Not proven here: that Scheduler reads the expressions."""

import json

import pytest

from components import ArgumentError, EventSourcedService
from tests.graph.support import DOMAIN, FUNCTION, by_arn, component, document, shop

CLOSE = {
    "name": "close-day",
    "expression": "cron(0 22 * * ? *)",
    "timezone": "Europe/Berlin",
    "tenants": ["acme", "zeta"],
}
REMIND = {"name": "remind", "expression": "rate(1 hour)", "tenants": ["acme"]}
SCHEDULE, QUEUE = "aws:scheduler/schedule:Schedule", "aws:sqs/queue:Queue"


def days(*schedules):
    return component(EventSourcedService, "days", {"domain": DOMAIN, "schedules": list(schedules)})


def test_each_schedule_sends_its_tick_to_the_queue_of_commands():
    graph = days(CLOSE, REMIND)
    group = graph.one("aws:scheduler/scheduleGroup:ScheduleGroup")
    queue, dead = graph.one(QUEUE, "days-commands-queue"), graph.one(QUEUE, "days-commands-dead-letters")
    assert {each.name for each in graph.of(SCHEDULE)} == {"days-schedule-close-day", "days-schedule-remind"}
    close = graph.one(SCHEDULE, "days-schedule-close-day").inputs
    assert close["scheduleExpression"] == "cron(0 22 * * ? *)"
    assert close["scheduleExpressionTimezone"] == "Europe/Berlin"
    assert close["flexibleTimeWindow"] == {"mode": "OFF"}
    assert close["groupName"] == group.outputs["name"]
    assert close["target"]["arn"] == queue.outputs["arn"]
    assert close["target"]["deadLetterConfig"] == {"arn": dead.outputs["arn"]}
    assert close["target"]["retryPolicy"] == {"maximumEventAgeInSeconds": 86400, "maximumRetryAttempts": 185}
    assert json.loads(close["target"]["input"]) == {
        "schedule": "close-day",
        "at": "<aws.scheduler.scheduled-time>",
        "tenants": ["acme", "zeta"],
    }
    assert graph.one(SCHEDULE, "days-schedule-remind").inputs["scheduleExpressionTimezone"] == "UTC"


def test_schedules_and_timers_send_by_one_role_which_may_do_nothing_else():
    graph = days(CLOSE, REMIND)
    (role,) = {each.inputs["target"]["roleArn"] for each in graph.of(SCHEDULE)}
    timers = json.loads(variables(graph, "days-effects")["FOLDSTACK_TIMERS"])
    assert timers["role"] == role
    (policy,) = [
        each
        for each in graph.of("aws:iam/rolePolicy:RolePolicy")
        if each.inputs["role"] == by_arn(graph, role).outputs["name"]
    ]
    assert {(s["Action"][0], by_arn(graph, s["Resource"]).name) for s in document(policy.inputs["policy"])} == {
        ("sqs:SendMessage", "days-commands-queue"),
        ("sqs:SendMessage", "days-commands-dead-letters"),
    }


def test_a_deployment_sees_that_the_function_answers_them_before_they_tick():
    graph = days(CLOSE, REMIND)
    assert variables(graph, "days-commands")["FOLDSTACK_SCHEDULES"] == "close-day,remind"
    check = graph.one("aws:lambda/invocation:Invocation", "days-schedules-check")
    assert json.loads(check.inputs["input"]) == {"check": ["close-day", "remind"]}
    assert check.inputs["functionName"] == graph.one(FUNCTION, "days-commands").outputs["name"]
    allowed = graph.one("aws:iam/rolePolicy:RolePolicy", "days-timers-policy")
    for each in graph.of(SCHEDULE):
        assert {check.urn, allowed.urn} <= set(each.dependencies)


def test_without_schedules_there_is_a_group_for_later_and_nothing_more():
    graph = shop("dev")
    assert {each.name for each in graph.of(SCHEDULE)} == {"shop-views-sweep"}
    assert not [each for each in graph.of("aws:lambda/invocation:Invocation") if "schedules" in each.name]
    assert "FOLDSTACK_SCHEDULES" not in variables(graph, "shop-commands")
    timers = json.loads(variables(graph, "shop-api-router")["FOLDSTACK_TIMERS"])
    assert timers == {
        "group": graph.one("aws:scheduler/scheduleGroup:ScheduleGroup").outputs["name"],
        "role": graph.one("aws:iam/role:Role", "shop-timers-role").outputs["arn"],
        "queue": graph.one(QUEUE, "shop-commands-queue").outputs["arn"],
        "dead_letters": graph.one(QUEUE, "shop-commands-dead-letters").outputs["arn"],
    }


def variables(graph, function):
    return graph.one(FUNCTION, function).inputs["environment"]["variables"]


@pytest.mark.parametrize(
    ("schedules", "fault"),
    [
        ([{**CLOSE, "expression": "daily"}], "schedules[0].expression: given 'daily'; allowed: rate(...), cron(...)"),
        ([{**CLOSE, "name": "Close Day"}], "schedules[0].name: given 'Close Day'"),
        ([REMIND, {**CLOSE, "tenants": []}], "schedules[1].tenants: given []; allowed: a list of at least one"),
        ([{**CLOSE, "tenants": ["No Tenant"]}], "schedules[0].tenants[0]: given 'No Tenant'"),
        ([{**CLOSE, "tenants": [f"t{n}" for n in range(1001)]}], "schedules[0].tenants: given 1001; allowed: at most"),
        ([{**CLOSE, "timezone": "at home"}], "schedules[0].timezone: given 'at home'"),
        ([{**CLOSE, "when": "now"}], "schedules[0].when: given 'now'; allowed: name, expression, tenants, timezone"),
        ([{"name": "a"}], "schedules[0].expression: given None"),
        ([REMIND, REMIND], "schedules[1].name: given 'remind'; allowed: each name once"),
        ("close-day", "schedules: given 'close-day'; allowed: a list of objects with name"),
    ],
)
def test_a_faulty_schedule_is_told_before_anything_is_made(schedules, fault):
    with pytest.raises(ArgumentError) as caught:
        component(EventSourcedService, "days", {"domain": DOMAIN, "schedules": schedules})
    assert fault in str(caught.value)
