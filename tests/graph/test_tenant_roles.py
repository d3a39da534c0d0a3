"""Roles for tenants: who may assume them, under which tag, and what they may then reach.

Not proven here: that the conditions hold; `tests/isolation` attacks them on the laptop cloud.
"""

import json

import pytest
from foldstack.kernel.keys import TENANT_PATTERN

from components.permissions import NO_TENANT_HAS, TENANT
from tests.graph.support import by_arn, document, functions, role_of, statements_of, tenant_role_of
from tests.graph.test_privileges import GRAPHS, actions_of, resources_of

ROLE = "aws:iam/role:Role"
SERVING = {
    "foldstack.handlers.commands.handler",
    "foldstack.handlers.effects.handler",
    "foldstack.handlers.http.handler",
}
OWN_ITEMS = {
    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/tenant}#*"]},
    "Null": {"dynamodb:LeadingKeys": "false", "aws:PrincipalTag/tenant": "false"},
}
NO_TENANTS_ITEMS = {
    "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["#control"]},
    "Null": {"dynamodb:LeadingKeys": "false"},
}
FREE_OF_TENANTS = ("iam:PassRole", "logs:", "rds-data:", "scheduler:", "secretsmanager:", "sqs:", "sts:", "xray:")


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]()


def serving(graph):
    return [each for each in functions(graph) if each.inputs["handler"] in SERVING]


def test_those_that_serve_tenants_have_a_role_for_it_and_no_others(graph):
    roles = {each.name: tenant_role_of(graph, each) for each in functions(graph)}
    mine = {each.name for each in serving(graph)}
    assert {name for name, role in roles.items() if role} == mine
    assert len({role.name for role in roles.values() if role}) == len(mine) >= 3


def test_a_door_leads_only_to_functions_that_act_for_a_tenant(graph):
    doors = {each.inputs["integrationUri"] for each in graph.of("aws:apigatewayv2/integration:Integration")}
    behind = [each for each in functions(graph) if each.outputs["invokeArn"] in doors]
    assert len(behind) == len(doors)
    assert all(tenant_role_of(graph, each) for each in behind)


def test_a_role_for_tenants_is_assumed_by_its_function_with_the_tag_tenant_alone(graph):
    for function in serving(graph):
        (statement,) = document(tenant_role_of(graph, function).inputs["assumeRolePolicy"])
        assert statement == {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Principal": {"AWS": role_of(graph, function).outputs["arn"]},
            "Condition": {
                "ForAllValues:StringEquals": {"aws:TagKeys": ["tenant"]},
                "Null": {"aws:TagKeys": "false", "sts:TransitiveTagKeys": "true"},
                "StringLike": {"aws:RequestTag/tenant": "?*"},
                "StringNotLike": {"aws:RequestTag/tenant": [f"*{each}*" for each in NO_TENANT_HAS]},
            },
        }


def test_a_role_for_tenants_has_its_policy_before_the_function_runs(graph):
    policies = {each.name: each for each in graph.of("aws:iam/rolePolicy:RolePolicy")}
    for function in serving(graph):
        own, for_tenants = (policies[f"{function.name}-{name}"] for name in ("policy", "tenant-policy"))
        assert for_tenants.urn in own.dependencies
        assert own.urn in function.dependencies


def test_what_a_tag_may_hold_and_a_tenant_never_does():
    """AWS's grammar of tags, less letters and digits: whatever of it is refused must not be in a tenant's id."""
    assert set(NO_TENANT_HAS) == set(" _.:/=+-@") - {"-"}
    assert not any(each in TENANT_PATTERN.replace("{0,62}", "") for each in NO_TENANT_HAS)


def test_nobody_else_may_assume_or_tag_anything(graph):
    """Neither may the roles for tenants themselves: a session of one tenant never becomes one of another."""
    owner = {tenant_role_of(graph, each).outputs["arn"]: role_of(graph, each).name for each in serving(graph)}
    for role in graph.of(ROLE):
        for statement in statements_of(graph, role):
            iam = {action for action in actions_of(statement) if action.startswith("iam:")}
            assert iam <= {"iam:PassRole"}, "of the scheduler: it changes no role, and tags none"
            if any(action.startswith("sts:") for action in actions_of(statement)):
                assert statement["Sid"] == "ActForTenants"
                assert actions_of(statement) == {"sts:AssumeRole", "sts:TagSession"}
                assert [owner[arn] for arn in resources_of(statement)] == [role.name]


def test_no_role_is_tagged_as_if_it_were_a_session(graph):
    """A role's own tags are its sessions' too, and their keys are read in any case."""
    for role in graph.of(ROLE):
        assert "tenant" not in {key.lower() for key in role.inputs.get("tags", {})}


def test_a_role_for_tenants_reaches_its_tenants_items_and_bodies_alone(graph):
    for function in serving(graph):
        for statement in statements_of(graph, tenant_role_of(graph, function)):
            actions = actions_of(statement)
            assert statement["Effect"] == "Allow"
            assert not actions & {"dynamodb:Scan", "dynamodb:PartiQLSelect", "dynamodb:UpdateItem"}
            if all(action.startswith("dynamodb:") for action in actions):
                assert statement["Condition"] == OWN_ITEMS
            else:
                assert actions <= {"s3:GetObject", "s3:PutObject"}
                assert statement["Condition"] == {"Null": {"aws:PrincipalTag/tenant": "false"}}
                assert all(each.endswith(f"-bodies/{TENANT}/*") for each in names(graph, statement))


def test_the_functions_own_roles_reach_nothing_of_a_tenants(graph):
    """Views in PostgreSQL apart: there is one login for all tenants, and row-level security behind it. What is sent to
    a queue, or kept for later, says in itself whose it is; the tenants table
    says to which tenant a caller belongs, and the limits table how many requests a tenant has made."""
    for function in serving(graph):
        for statement in statements_of(graph, role_of(graph, function)):
            actions = actions_of(statement)
            if actions == {"dynamodb:GetItem"}:
                assert statement["Condition"] == NO_TENANTS_ITEMS
            elif actions == {"dynamodb:BatchGetItem"}:
                assert [by_arn(graph, arn).name for arn in resources_of(statement)] == ["shop-auth-tenants"]
            elif actions == {"dynamodb:UpdateItem"}:
                assert [by_arn(graph, arn).name for arn in resources_of(statement)] == ["shop-api-limits"]
            else:
                assert all(action.startswith(FREE_OF_TENANTS) for action in actions), statement


def test_every_key_that_is_compared_is_there_to_compare(graph):
    """The partition key is text, and no index would be read by another key than the one that is compared."""
    reached = {
        arn
        for function in serving(graph)
        for statement in statements_of(graph, tenant_role_of(graph, function))
        for arn in resources_of(statement)
        if ":table/" in arn
    }
    assert len(reached) >= 2
    for arn in reached:
        inputs = by_arn(graph, arn).inputs
        assert inputs["hashKey"] == "p"
        assert {"name": "p", "type": "S"} in inputs["attributes"]
        assert not inputs.get("globalSecondaryIndexes")
        assert not inputs.get("localSecondaryIndexes")


def test_the_policy_speaks_the_language_that_has_variables(graph):
    for each in graph.of("aws:iam/rolePolicy:RolePolicy"):
        assert json.loads(each.inputs["policy"])["Version"] == "2012-10-17"


def names(graph, statement):
    return [
        f"{by_arn(graph, arn.removesuffix(f'/{TENANT}/*')).name}/{TENANT}/*" if TENANT in arn else arn
        for arn in resources_of(statement)
    ]
