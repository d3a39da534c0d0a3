"""Query tasks: the function that answers them over HTTP and is told what becomes of their queries."""

import pulumi
import pulumi_aws as aws

from . import environment, lake_permissions, permissions, storage
from .function import Function
from .handles import Handle, Tables
from .request_limit import RequestLimit
from .scope import Scope

ROUTES = ("POST /tasks/{name}", "GET /tasks/{id}")
TIMEOUT = 29  # the gateway answers 503 after 30 seconds
MEMORY_MB = 512
KEYS = {"p": "S"}
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


def tasks(
    scope: Scope, domain: Handle, lake: Tables, folder: str, authorizer: Handle | None, per_minute: int
) -> Function:
    """The function, its table, and the rule that tells it of queries that have ended. `per_minute` is how many requests
    of a tenant it answers, where tenants are more than anybody's claim."""
    table = storage.table(scope, "tasks", KEYS, expires="ttl", key_arn=scope.key_arn)
    limit = RequestLimit(scope, per_minute) if authorizer is not None else None
    function = Function(
        scope,
        "asking",
        handler="foldstack.handlers.lake_tasks.handler",
        domain=domain,
        variables={
            "FOLDSTACK_LAKE_BUCKET": lake["bucket_name"],
            "FOLDSTACK_LAKE_DATABASE": lake["database"],
            "FOLDSTACK_LAKE_WORKGROUP": lake["workgroup_name"],
            "FOLDSTACK_LAKE_TASKS": table.name,
            "FOLDSTACK_LAKE_QUESTIONS": folder,
            **environment.tenants(authorizer),
            **(limit.variables if limit else {}),
            **environment.routing("all", anonymous=authorizer is None),
        },
        statements=[
            *permissions.check_membership(authorizer),
            *(limit.statements if limit else []),
            *lake_permissions.see_queries(lake["workgroup_arn"]),
        ],
        for_tenants=[
            *lake_permissions.ask(lake["bucket_arn"], lake["workgroup_arn"], lake["catalogue_arns"]),
            *lake_permissions.keep_tasks(table.arn),
            *permissions.for_tenants_under_key([scope.key_arn]),
        ],
        timeout=TIMEOUT,
        memory_mb=MEMORY_MB,
    )
    ended = {"workgroupName": [lake["workgroup_name"]], "currentState": list(ENDED)}
    rule = aws.cloudwatch.EventRule(
        scope.child("ended-rule"),
        event_pattern=pulumi.Output.json_dumps(
            {"source": ["aws.athena"], "detail-type": ["Athena Query State Change"], "detail": ended}, sort_keys=True
        ),
        tags=scope.tags,
        opts=scope.options(),
    )
    permission = aws.lambda_.Permission(
        scope.child("ended-permission"),
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=scope.options(),
    )
    # No dead letters: what is never told is asked for by whoever looks at the task.
    aws.cloudwatch.EventTarget(
        scope.child("ended-target"),
        rule=rule.name,
        arn=function.arn,
        retry_policy={"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 20},
        opts=scope.options(permission),
    )
    return function
