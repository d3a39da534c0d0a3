"""Limits, usage and budget in the graph. Not proven here: that a limit holds; see tests/tenancy and tests/e2e."""

import pytest

from components import ArgumentError, EventSourcedService, HttpApi
from components.http_api import SHARE
from tests.graph.support import DOMAIN, FUNCTION, component, deploy, functions, shop

TABLE, BUDGET = "aws:dynamodb/table:Table", "aws:budgets/budget:Budget"
TOKENS = {"issuer": "https://login.example.com", "audience": ["shop"]}
LIMITED = {"FOLDSTACK_LIMITS_TABLE", "FOLDSTACK_REQUESTS_PER_MINUTE"}


def door(**args):
    def program():
        service = EventSourcedService("orders", {"domain": DOMAIN})
        HttpApi("door", {"commands": service.commands, **args})

    return deploy(program)


def variables(graph, name):
    return graph.one(FUNCTION, name).inputs["environment"]["variables"]


@pytest.mark.parametrize(
    ("args", "per_minute"),
    [
        ({}, "2400"),
        ({"requests_per_second": 50}, "120"),
        ({"requests_per_second": 10, "requests_per_minute": 600}, "600"),
        ({"requests_per_minute": 1}, "1"),
    ],
)
def test_each_tenant_of_a_door_with_tokens_has_a_limit(args, per_minute):
    graph = door(authorizer=TOKENS, **args)
    told = variables(graph, "door-router")
    assert told["FOLDSTACK_REQUESTS_PER_MINUTE"] == per_minute
    assert told["FOLDSTACK_LIMITS_TABLE"] == graph.one(TABLE, "door-limits").outputs["name"]


def test_by_default_one_tenant_at_twenty_times_its_limit_leaves_the_others_a_fifth():
    assert 20 / SHARE == 0.8


def test_both_routers_of_a_split_door_count_in_one_table():
    graph = door(authorizer=TOKENS, split=True)
    commands, queries = (
        {variables(graph, f"door-{each}")[name] for name in LIMITED} for each in ("commands", "queries")
    )
    assert commands == queries
    assert [each.name for each in graph.of(TABLE)].count("door-limits") == 1


def test_whoever_may_claim_any_tenant_is_not_limited_by_it():
    graph = door(anonymous=True)
    assert "door-limits" not in {each.name for each in graph.of(TABLE)}
    assert not variables(graph, "door-router").keys() & LIMITED
    with pytest.raises(ArgumentError, match="requests_per_minute: given 5; allowed: nothing for an anonymous API"):
        door(anonymous=True, requests_per_minute=5)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, 60_001, "10"])
def test_a_limit_is_at_most_what_the_stage_lets_through(wrong):
    with pytest.raises(ArgumentError, match="requests_per_minute: given"):
        door(authorizer=TOKENS, requests_per_minute=wrong)


def test_tenants_have_metrics_where_the_stack_says_so_and_only_then():
    work = {"shop-commands", "shop-effects", "shop-api-router"}
    for on in (True, False):
        told = {each.name for each in functions(shop("dev", tenantMetrics=on)) if measured(each) == "true"}
        assert told == (work if on else set())
    assert not [
        each for each in functions(component(EventSourcedService, "orders", {"domain": DOMAIN})) if measured(each)
    ]


def measured(function):
    return function.inputs["environment"]["variables"].get("FOLDSTACK_TENANT_METRICS")


def test_a_budget_is_for_what_has_the_services_tag():
    graph = shop("dev", monthlyBudget=35, alarmTopicArn="arn:aws:sns:eu-central-1:123456789012:alarms")
    budget = graph.one(BUDGET, "shop-budget").inputs
    assert (budget["budgetType"], budget["timeUnit"]) == ("COST", "MONTHLY")
    assert (budget["limitAmount"], budget["limitUnit"]) == ("35", "USD")
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:service$shop"]}]
    untagged = [each for each in functions(graph) if each.inputs["tags"]["service"] != "shop"]
    assert untagged == [], "the budget does not see them"


def test_a_budget_tells_of_what_is_expected_and_of_what_is_spent():
    args = {"domain": DOMAIN, "monthly_budget": 10, "budget_emails": ["ops@example.com"]}
    topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
    graph = component(EventSourcedService, "orders", {**args, "operations": {"alarm_topic_arn": topic}})
    told = graph.one(BUDGET).inputs["notifications"]
    assert [(each["notificationType"], each["threshold"]) for each in told] == [("FORECASTED", 80), ("ACTUAL", 100)]
    for each in told:
        assert (each["thresholdType"], each["comparisonOperator"]) == ("PERCENTAGE", "GREATER_THAN")
        assert each["subscriberEmailAddresses"] == ["ops@example.com"]
        assert each["subscriberSnsTopicArns"] == [topic]


def test_without_anybody_to_tell_a_budget_only_shows():
    graph = component(EventSourcedService, "orders", {"domain": DOMAIN, "monthly_budget": 10})
    assert not graph.one(BUDGET).inputs.get("notifications")


def test_a_service_without_a_budget_has_none():
    assert shop("dev", monthlyBudget=0).of(BUDGET) == []
    assert component(EventSourcedService, "orders", {"domain": DOMAIN}).of(BUDGET) == []


@pytest.mark.parametrize(
    ("args", "paths"),
    [
        ({"monthly_budget": -1}, {"monthly_budget"}),
        ({"monthly_budget": 9.5}, {"monthly_budget"}),
        ({"monthly_budget": 10, "budget_emails": ["ops"]}, {"budget_emails[0]"}),
        ({"monthly_budget": 10, "budget_emails": [f"{n}@example.com" for n in range(11)]}, {"budget_emails"}),
        ({"budget_emails": ["ops@example.com"]}, {"budget_emails"}),
    ],
)
def test_faults_of_a_budget(args, paths):
    with pytest.raises(ArgumentError) as error:
        component(EventSourcedService, "orders", {"domain": DOMAIN, **args})
    assert {fault.path for fault in error.value.faults} == paths
