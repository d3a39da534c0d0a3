"""Rules for who may do what, and who comes in."""

from collections.abc import Iterator
from typing import Any

from .rule import Graph, Resource, Rule, given, several, statements

Broken = Iterator[tuple[Resource, str]]

ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
ROUTE = "aws:apigatewayv2/route:Route"

ON_EVERYTHING = frozenset(
    {
        "cloudwatch:PutMetricData",
        "dynamodb:ListStreams",
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
        "kinesis:ListStreams",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }
)
"""Actions that take no resource: these alone may be allowed on `*`."""


def least_privilege(graph: Graph) -> Broken:
    for each in graph.of(ROLE_POLICY):
        for statement in statements(given(each, "policy")):
            yield from ((each, fault) for fault in _too_much(statement))


def trusted_by_name(graph: Graph) -> Broken:
    for each in graph.of(ROLE):
        for statement in statements(given(each, "assumeRolePolicy")):
            who = statement.get("Principal", {})
            aws = several(who if isinstance(who, str) else who.get("AWS"))
            if statement.get("Effect") == "Allow" and any(str(arn).endswith((":root", "*")) for arn in aws):
                yield each, f"may be assumed by {aws}: name the role that may"


def authorized(graph: Graph) -> Broken:
    """An API whose every route is open is a decision; one that is open in part is a slip."""
    doors: dict[str, list[Resource]] = {}
    for each in graph.of(ROUTE):
        for api in each.property_dependencies.get("apiId", ()):
            doors.setdefault(api, []).append(each)
    for routes in doors.values():
        open_ = [each for each in routes if given(each, "authorizationType") in (None, "NONE")]
        if len(open_) < len(routes):
            for each in open_:
                yield each, "anybody may call it, and others of its API need a token: give it the authorizer"
    for each in graph.of("aws:lambda/functionUrl:FunctionUrl"):
        if given(each, "authorizationType") != "AWS_IAM":
            yield each, "anybody may call it: set authorizationType='AWS_IAM'"


def _too_much(statement: dict[str, Any]) -> Iterator[str]:
    if statement.get("Effect") != "Allow":
        return
    if "NotAction" in statement or "NotResource" in statement:
        yield "allows all but something: name what is allowed"
    actions, resources = several(statement.get("Action")), several(statement.get("Resource"))
    for action in actions:
        if "*" in action:
            yield f"allows {action}: name each action"
    if "*" in resources and (more := sorted(set(actions) - ON_EVERYTHING)):
        yield f"allows {', '.join(more)} on everything: name the resources"


RULES = (
    Rule(
        "least-privilege",
        "Roles have named actions on named resources, `*` only for actions that take none.",
        least_privilege,
    ),
    Rule(
        "trusted-by-name",
        "A role is assumed by a service or by a named role, never by a whole account.",
        trusted_by_name,
    ),
    Rule(
        "authorized", "A door is anonymous as a whole or not at all, and function URLs ask for a signature.", authorized
    ),
)
