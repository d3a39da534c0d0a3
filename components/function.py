"""One Lambda function, the way all components build it: log group, role and policy of its own, alarms."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from . import alarms, environment, permissions
from .handles import Handle
from .scope import Scope


class Function:
    """A function of the domain; `arn`, `name`, `invoke_arn`, `variables`, and `ready`, what its callers wait for."""

    def __init__(
        self,
        scope: Scope,
        suffix: str,
        *,
        handler: str,
        domain: Handle,
        variables: environment.Variables,
        statements: Sequence[permissions.Statement],
        for_tenants: Sequence[permissions.Statement] = (),
        timeout: int,
        memory_mb: int,
        reserved_concurrency: int | None = None,
        after: Sequence[pulumi.Resource] = (),
        layers: Sequence[pulumi.Input[str]] = (),
        alarmed: bool = True,
    ) -> None:
        """`statements` is what it may do itself, `for_tenants` what only in a session made for a tenant; `after` has
        to be there before this code runs; `layers` come on top of the domain's. `alarmed`: whether any error, and any
        throttled call, is something that a person must look at."""
        settings = scope.settings(suffix)
        self.variables = variables
        logs = aws.cloudwatch.LogGroup(
            scope.child(f"{suffix}-logs"),
            retention_in_days=scope.log_retention_days,
            kms_key_id=scope.log_key_arn,
            tags=scope.tags,
            opts=scope.options(),
        )
        role = aws.iam.Role(
            scope.child(f"{suffix}-role"),
            assume_role_policy=permissions.trusted_by("lambda.amazonaws.com"),
            tags=scope.tags,
            opts=scope.options(),
        )
        always = [
            *permissions.write_logs(logs.arn),
            *(permissions.trace() if scope.tracing else []),
            *(permissions.join_network() if scope.network else []),
        ]
        before: list[pulumi.Resource] = []
        if for_tenants:
            tenant_role, allowed = _tenant_role(scope, suffix, role, for_tenants)
            before.append(allowed)
            statements = [*statements, *permissions.act_for_tenants(tenant_role.arn)]
            variables = {**variables, **environment.acting_for_tenants(tenant_role.arn)}
        self.ready = aws.iam.RolePolicy(
            scope.child(f"{suffix}-policy"),
            role=role.name,
            policy=permissions.policy(*always, *statements),
            opts=scope.options(*before),
        )
        function = aws.lambda_.Function(
            scope.child(suffix),
            role=role.arn,
            handler=handler,
            code=domain["code"],
            layers=[domain["layer_arn"], *layers],
            runtime=domain["runtime"],
            architectures=[domain["architecture"]],
            timeout=settings.timeout or timeout,
            memory_size=settings.memory_mb or memory_mb,
            reserved_concurrent_executions=settings.reserved_concurrency or reserved_concurrency,
            environment={"variables": environment.with_own(domain, variables, settings.environment)},
            vpc_config={**scope.network} if scope.network else None,
            logging_config={"log_format": "JSON", "log_group": logs.name},
            tracing_config={"mode": "Active" if scope.tracing else "PassThrough"},
            tags=scope.tags,
            opts=scope.options(self.ready, *after),
        )
        self.arn = function.arn
        self.name = function.name
        self.invoke_arn = function.invoke_arn
        self.code_sha256 = function.code_sha256
        if alarmed:
            alarms.on_errors(scope, suffix, function.name)
            alarms.on_throttles(scope, suffix, function.name)


def _tenant_role(
    scope: Scope, suffix: str, function_role: aws.iam.Role, statements: Sequence[permissions.Statement]
) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
    """The role that a function assumes for one tenant at a time, and its policy. Nobody else may assume it, and it
    may assume none."""
    role = aws.iam.Role(
        scope.child(f"{suffix}-tenant-role"),
        assume_role_policy=permissions.trusted_for_tenants(function_role.arn),
        tags=scope.tags,
        opts=scope.options(),
    )
    allowed = aws.iam.RolePolicy(
        scope.child(f"{suffix}-tenant-policy"),
        role=role.name,
        policy=permissions.policy(*statements),
        opts=scope.options(),
    )
    return role, allowed


def account_of(arn: pulumi.Output[str]) -> pulumi.Output[str]:
    """The account in an ARN: no request to AWS is needed to know it."""
    return arn.apply(lambda text: text.split(":")[4])
