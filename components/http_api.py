"""HttpApi: commands and queries over HTTP, through one router function or two."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import environment, lake_tasks, overrides, permissions, sql_permissions
from .arguments import Arguments
from .function import Function
from .handles import Authorizer, Commands, Handle, Queries, Tasks, optional
from .overrides import FunctionSettings
from .request_limit import RequestLimit
from .scope import Operations, Scope, operated

TIMEOUT = 29  # the gateway answers 503 after 30 seconds
COMMAND_ROUTES = tuple(f"{method} /{{proxy+}}" for method in ("DELETE", "PATCH", "POST", "PUT"))
EVERYTHING_ELSE = ("$default",)
SHARE = 25
"""A tenant's limit, unless told, is that part of what the stage lets through: a tenant at twenty times its limit then
leaves a fifth of it to the others."""
ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
    "ip": "$context.identity.sourceIp",
}


class HttpApiArgs(TypedDict):
    """Arguments of HttpApi."""

    commands: pulumi.Input[Commands]
    """The `commands` of the service that is reached through it."""
    queries: NotRequired[Sequence[pulumi.Input[Queries]]]
    """The `queries` of the pipelines whose views are read through it."""
    silos: NotRequired[Sequence[pulumi.Input[Commands]]]
    """The `commands` of services that are each one tenant's silo: its requests are sent there, and nobody else's. The
    `queries` of their pipelines are given beside the others."""
    authorizer: NotRequired[pulumi.Input[Authorizer] | None]
    """The `authorizer` of a TenantAuth, or whose tokens are accepted instead; required unless it is anonymous."""
    tasks: NotRequired[pulumi.Input[Tasks] | None]
    """The `tasks` of an AnalyticsLake whose questions are asked through it."""
    anonymous: NotRequired[bool]
    """Whether anybody may call it, default false."""
    split: NotRequired[bool]
    """Whether commands and queries have a function each, default false."""
    inline_seconds: NotRequired[int]
    """How long a request drives effects before it answers 202, 0 to 20, default 5."""
    memory_mb: NotRequired[int]
    """Memory of a function, 128 to 10240, default 1024; processor time grows with it."""
    reserved_concurrency: NotRequired[int]
    """How many requests a function serves at once, 1 to 1000, default the account's limit."""
    functions: NotRequired[Mapping[str, FunctionSettings]]
    """What to change of the function "router", or of "commands" and "queries" where it is `split`."""
    requests_per_second: NotRequired[int]
    """How many requests a second are let through, 1 to 10000, default 1000; twice that in a burst."""
    requests_per_minute: NotRequired[int]
    """How many requests each tenant may make a minute, 1 to what is let through, default a twenty-fifth of that: 2400.
    None for an anonymous API, where anybody could use up a tenant's."""
    operations: NotRequired[Operations]
    """How it is operated."""


class HttpApi(pulumi.ComponentResource):
    """An HTTP API in front of a service: routes, throttling, access logs, and its router with its own role."""

    url: pulumi.Output[str]
    """Where it answers, without a slash at the end."""

    def __init__(self, name: str, args: HttpApiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        arguments = Arguments("HttpApi", name, args, HttpApiArgs)
        operations = operated(arguments)
        anonymous = arguments.flag("anonymous", False)
        split = arguments.flag("split", False)
        rate = arguments.integer("requests_per_second", 1, 10_000, 1000)
        per_minute = arguments.integer("requests_per_minute", 1, rate * 60, max(1, rate * 60 // SHARE))
        inline_seconds = arguments.integer("inline_seconds", 0, 20, 5)
        memory_mb = arguments.integer("memory_mb", 128, 10_240, 1024)
        reserved = arguments.integer("reserved_concurrency", 1, 1000, 1)
        halves = ("commands", "queries") if split else ("router",)
        functions = overrides.functions(
            arguments,
            halves,
            longest=dict.fromkeys(halves, TIMEOUT),
            said=[each for each in ("memory_mb", "reserved_concurrency") if arguments.given(each)],
        )
        _check_access(arguments, args, anonymous)
        arguments.check()

        super().__init__("foldstack:index:HttpApi", name, {**args}, opts)
        commands = pulumi.Output.from_input(args["commands"])
        queries = [pulumi.Output.from_input(each) for each in args.get("queries") or []]
        scope = operations.scope(self, name, commands["domain"]["service"], functions)
        routers = _Routers(
            scope,
            commands,
            queries,
            [pulumi.Output.from_input(each) for each in args.get("silos") or []],
            args.get("authorizer"),
            None if anonymous else RequestLimit(scope, per_minute),
            inline_seconds,
            memory_mb,
            reserved if args.get("reserved_concurrency") is not None else None,
        )

        api = aws.apigatewayv2.Api(scope.child("api"), protocol_type="HTTP", tags=scope.tags, opts=scope.options())
        protection = _Protection(scope, api, args.get("authorizer"))
        if split:
            _serve(scope, api, protection, "commands", COMMAND_ROUTES, routers.for_commands())
            _serve(scope, api, protection, "queries", EVERYTHING_ELSE, routers.for_queries())
        else:
            _serve(scope, api, protection, "router", EVERYTHING_ELSE, routers.for_all())
        if (tasks := args.get("tasks")) is not None:
            _offer(scope, api, protection, pulumi.Output.from_input(tasks))
        _stage(scope, api, rate)

        self.url = api.api_endpoint
        self.register_outputs({"url": self.url})


@dataclass(frozen=True)
class _Routers:
    """Makes router functions, each with the rights of what it answers and no more."""

    scope: Scope
    commands: Handle
    queries: Sequence[Handle]
    silos: Sequence[Handle]
    authorizer: Handle | None
    limit: RequestLimit | None
    inline_seconds: int
    memory_mb: int
    reserved_concurrency: int | None

    def for_all(self) -> Function:
        variables = {**self._command_variables(), **self._view_variables(), **self._silos(executing=True, views=True)}
        rights = [permissions.execute_commands, self._rows]
        return self._router("router", "all", variables, [*self._reactions(), *self._views()], rights, self.queries)

    def for_commands(self) -> Function:
        variables = {**self._command_variables(), **self._silos(executing=True, views=False)}
        return self._router("commands", "commands", variables, self._reactions(), [permissions.execute_commands], [])

    def for_queries(self) -> Function:
        silos = self._silos(executing=False, views=True)
        stored = {**environment.commits(self.commands), **environment.keys(self.commands)}
        rights = [permissions.query_commits, permissions.read_keys, self._rows]
        variables = {**stored, **self._view_variables(), **silos}
        return self._router("queries", "queries", variables, self._views(), rights, self.queries)

    def _router(
        self,
        suffix: str,
        routes: str,
        variables: environment.Variables,
        statements: list[permissions.Statement],
        rights: Sequence[Callable[[Handle], list[permissions.Statement]]],
        queries: Sequence[Handle],
    ) -> Function:
        """`rights` are what it may do for a tenant, on the store that the tenant is in; `queries` whose views it
        reads."""
        for_tenants = [statement for right in rights for statement in right(self.commands)]
        of_views = permissions.keys_of_views(queries, self.commands)
        for_tenants += permissions.use_key_for_tenants(self.commands["domain"], *of_views)
        for number, silo in enumerate(self.silos):
            mine = [statement for right in rights for statement in right(silo)]
            of_views = permissions.keys_of_views(queries, silo)
            for_tenants += permissions.in_silo(mine, silo["domain"], number, *of_views)
        return Function(
            self.scope,
            suffix,
            handler="foldstack.handlers.http.handler",
            domain=self.commands["domain"],
            variables={
                **variables,
                **environment.tenants(self.authorizer),
                **(self.limit.variables if self.limit else {}),
                **environment.usage(self.scope.tenant_metrics),
                **environment.routing(routes, anonymous=self.authorizer is None),
            },
            statements=[
                *statements,
                *permissions.check_membership(self.authorizer),
                *(self.limit.statements if self.limit else []),
            ],
            for_tenants=for_tenants,
            timeout=TIMEOUT,
            memory_mb=self.memory_mb,
            reserved_concurrency=self.reserved_concurrency,
        )

    def _command_variables(self) -> dict[str, pulumi.Input[str]]:
        return {
            **environment.commands(self.commands),
            **environment.secrets(self.commands),
            **environment.timers(self.commands),
            **environment.inline_effects(self.inline_seconds),
        }

    def _view_variables(self) -> environment.Variables:
        return environment.views(self.commands, self.queries, self.silos)

    def _silos(self, *, executing: bool, views: bool) -> environment.Variables:
        queries = self.queries if views else None
        return environment.silos(self.commands, self.silos, queries, executing=executing)

    def _rows(self, store: Handle) -> list[permissions.Statement]:
        return permissions.read_views(self.queries, store)

    def _reactions(self) -> list[permissions.Statement]:
        """What is no tenant's, or carries a tenant in its content."""
        timers = [permissions.set_timers(each, number) for number, each in enumerate([self.commands, *self.silos])]
        return [*permissions.read_secrets(self.commands), *itertools.chain.from_iterable(timers)]

    def _views(self) -> list[permissions.Statement]:
        """What is no tenant's, or is behind row-level security."""
        keys = [key for number, silo in enumerate(self.silos) for key in permissions.use_key(silo["domain"], number)]
        of_views = [optional(each, "view_key_arn") for each in self.queries]
        return [
            *permissions.follow_generations(self.queries),
            *sql_permissions.read_database(self.queries),
            *keys,
            *permissions.under_key("UseKeyOfViews", permissions.READING, of_views, "dynamodb"),
        ]


def _serve(
    scope: Scope,
    api: aws.apigatewayv2.Api,
    protection: "_Protection",
    suffix: str,
    routes: Sequence[str],
    function: Function,
) -> None:
    """Send `routes` to `function`."""
    keys = {route.split()[0].strip("$").lower(): route for route in routes}
    _route(scope, api, protection, suffix, keys, function.name, function.invoke_arn)


def _offer(scope: Scope, api: aws.apigatewayv2.Api, protection: "_Protection", tasks: Handle) -> None:
    """Send the routes of query tasks to the lake's function."""
    keys = {f"tasks-{route.split()[0].lower()}": route for route in lake_tasks.ROUTES}
    _route(scope, api, protection, "tasks", keys, tasks["function_name"], tasks["invoke_arn"])


def _route(
    scope: Scope,
    api: aws.apigatewayv2.Api,
    protection: "_Protection",
    suffix: str,
    routes: Mapping[str, str],
    function_name: pulumi.Input[str],
    invoke_arn: pulumi.Input[str],
) -> None:
    integration = aws.apigatewayv2.Integration(
        scope.child(f"{suffix}-integration"),
        api_id=api.id,
        integration_type="AWS_PROXY",
        integration_uri=invoke_arn,
        integration_method="POST",
        payload_format_version="2.0",
        opts=scope.options(),
    )
    for key, route in routes.items():
        aws.apigatewayv2.Route(
            scope.child(f"route-{key}"),
            api_id=api.id,
            route_key=route,
            target=pulumi.Output.concat("integrations/", integration.id),
            authorization_type=protection.type,
            authorizer_id=protection.id,
            authorization_scopes=protection.scopes,
            opts=scope.options(),
        )
    aws.lambda_.Permission(
        scope.child(f"{suffix}-permission"),
        action="lambda:InvokeFunction",
        function=function_name,
        principal="apigateway.amazonaws.com",
        source_arn=pulumi.Output.concat(api.execution_arn, "/*/*"),
        opts=scope.options(),
    )


def _stage(scope: Scope, api: aws.apigatewayv2.Api, requests_per_second: int) -> None:
    logs = aws.cloudwatch.LogGroup(
        scope.child("access-logs"),
        retention_in_days=scope.log_retention_days,
        kms_key_id=scope.log_key_arn,
        tags=scope.tags,
        opts=scope.options(),
    )
    aws.apigatewayv2.Stage(
        scope.child("stage"),
        api_id=api.id,
        name="$default",
        auto_deploy=True,
        access_log_settings={
            "destination_arn": logs.arn,
            "format": json.dumps(ACCESS_LOG, sort_keys=True),
        },
        default_route_settings={
            "throttling_rate_limit": requests_per_second,
            "throttling_burst_limit": 2 * requests_per_second,
        },
        tags=scope.tags,
        opts=scope.options(),
    )


class _Protection:
    """What every route of an API asks of a request: a token that the gateway itself has verified, or nothing."""

    type: str = "NONE"
    id: pulumi.Output[str] | None = None
    scopes: pulumi.Output[list[str]] | None = None

    def __init__(self, scope: Scope, api: aws.apigatewayv2.Api, authorizer: pulumi.Input[Authorizer] | None) -> None:
        if authorizer is None:
            return
        accepted = pulumi.Output.from_input(authorizer)
        self.type = "JWT"
        self.scopes = optional(authorizer, "scopes")
        self.id = aws.apigatewayv2.Authorizer(
            scope.child("authorizer"),
            api_id=api.id,
            authorizer_type="JWT",
            identity_sources=["$request.header.Authorization"],
            jwt_configuration={"issuer": accepted["issuer"], "audiences": accepted["audience"]},
            opts=scope.options(),
        ).id


def _check_access(arguments: Arguments, args: HttpApiArgs, anonymous: bool) -> None:
    authorizer = args.get("authorizer")
    if authorizer is None and not anonymous:
        allowed = "the authorizer handle of whoever issues the tokens"
        arguments.fault("authorizer", None, allowed, "give one, or write anonymous: true to let anybody in")
    if authorizer is not None and anonymous:
        arguments.fault("anonymous", True, "false beside an authorizer", "drop one of the two")
    if anonymous and args.get("requests_per_minute") is not None:
        allowed = "nothing for an anonymous API: anybody could use up a tenant's"
        arguments.fault(
            "requests_per_minute", args.get("requests_per_minute"), allowed, "drop it; requests_per_second is for all"
        )
