"""ProjectionPipeline: a service's events folded into views, in DynamoDB or in PostgreSQL."""

import json
import re
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, cast

import pulumi
import pulumi_aws as aws

from . import environment, existing, overrides, permissions, roads, silo, sql_views, storage
from .arguments import Arguments
from .consumer_queue import waiting_queue
from .event_sourced_service import EVENT_TYPE, TENANT
from .existing import ExistingTable
from .function import Function, account_of
from .handles import Events, Handle, OperatedPipeline, Queries, SqlConnection
from .overrides import FunctionSettings
from .scope import Operations, Scope, operated

VIEW = re.compile(r"[a-z]([a-z0-9_-]{0,22}[a-z0-9])?")
SCHEDULE = re.compile(r"(rate|cron)\(.+\)")
TIMEOUT = 60
MEMORY_MB = 1024


class ProjectionPipelineArgs(TypedDict):
    """Arguments of ProjectionPipeline."""

    source: pulumi.Input[Events]
    """The `events` of the service whose events are folded."""
    views: list[str]
    """Names of the views, as the domain declares them; each gets a table."""
    store: NotRequired[pulumi.Input[SqlConnection] | None]
    """The `connection` of the SqlStore that keeps the views, default DynamoDB tables."""
    types: NotRequired[list[str]]
    """Stored event types that the views fold, default all."""
    silo: NotRequired[str]
    """The tenant whose silo the `source` is: the views' tables are encrypted under its key, unless `operations` have
    another. Default: none's."""
    road: NotRequired[str]
    """The road of a `source` that comes as an output, from another language or stack, default "eventbridge"; a source
    of the same program says it itself."""
    streams: NotRequired[bool]
    """Whether changes of rows can be followed, as AnalyticsLake does, default false. Only in DynamoDB."""
    tables: NotRequired[Mapping[str, ExistingTable]]
    """Your own tables for views, by the view's name; the others are made."""
    functions: NotRequired[Mapping[str, FunctionSettings]]
    """What to change of the functions "projector" and, beside a `store`, "migrate"."""
    sweep_schedule: NotRequired[str]
    """When views are compared with the store, an EventBridge Scheduler expression, default "rate(1 day)"."""
    operations: NotRequired[Operations]
    """How it is operated."""


class ProjectionPipeline(pulumi.ComponentResource):
    """A projector on the road of a service's events, its views, parking, and a daily sweep."""

    queries: pulumi.Output[Queries]
    """What doors need to read the views: give it to HttpApi."""
    view_tables: pulumi.Output[dict[str, str]]
    """The name of each view's table of DynamoDB by the view's name."""
    operated: pulumi.Output[OperatedPipeline]
    """What operates it: export it for the `foldstack` command."""

    def __init__(self, name: str, args: ProjectionPipelineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        arguments = Arguments("ProjectionPipeline", name, args, ProjectionPipelineArgs)
        operations = operated(arguments)
        views = arguments.names("views", VIEW, "a-z, 0-9, _ and -, from a letter, at most 24", None)
        types = arguments.names("types", EVENT_TYPE, "a stored event type", [])
        tenant = arguments.text("silo", TENANT, "a tenant's id: a-z, 0-9 and -, at most 63", "")
        streams = arguments.flag("streams", False)
        schedule = arguments.text("sweep_schedule", SCHEDULE, "rate(...) or cron(...)", default="rate(1 day)")
        road = arguments.choice("road", roads.NAMES, roads.NAMES[0]) if "road" in args else None
        said = roads.said(args.get("source"))
        if road and said and road != said:
            arguments.fault("road", road, f"{said!r}, which its source says", "leave it out")
        if streams and args.get("store") is not None:
            arguments.fault("streams", True, "false beside a store: PostgreSQL has no streams", "leave it out")
        store = args.get("store")
        own = existing.tables(arguments, "tables", views, stream="`streams` says that changes are followed" * streams)
        if own and store is not None:
            arguments.fault("tables", list(own), "none beside a store", "drop one of the two")
        functions = overrides.functions(arguments, ["projector"] if store is None else ["migrate", "projector"])
        arguments.check()
        source = roads.known(args["source"], road)

        super().__init__("foldstack:index:ProjectionPipeline", name, {**args}, opts)
        scope = operations.scope(self, name, source["domain"]["service"], functions)

        parked = waiting_queue(scope, "parked")
        consumed = roads.source(scope, "projector", source, types, timeout=scope.timeout("projector", TIMEOUT))
        if store is None:
            key = scope.key_arn or silo.key(source["domain"], tenant)
            shown = "NEW_AND_OLD_IMAGES" if streams else None
            tables = {
                view: own.get(view)
                or storage.table(scope, f"view-{view}", storage.VIEW_KEYS, stream=shown, key_arn=key)
                for view in views
            }
            access = _in_tables(tables, streams, scope.key_arn)
        else:
            access = sql_views.access(scope, source["domain"], pulumi.Output.from_input(store), views)
        queries: dict[str, Any] = {
            **access.queries,
            "silo": silo.checked(source["domain"], tenant),
            "commit_table_name": source["commit_table_name"],
            "commit_table_arn": source["commit_table_arn"],
            "bodies_bucket_name": source["bodies_bucket_name"],
            "bodies_bucket_arn": source["bodies_bucket_arn"],
        }
        variables = {
            **environment.commits(source),
            **access.variables,
            **environment.parking(parked.url),
            **environment.consuming(name),
        }
        projector = _projector(scope, source, access, consumed, parked, {**variables, **consumed.variables})
        consumed.drain_into(projector)
        _sweep(scope, projector, schedule)

        self.queries = pulumi.Output.from_input(cast(Queries, queries))
        self.view_tables = pulumi.Output.from_input(access.queries["view_tables"])
        operated_pipeline: OperatedPipeline = {
            "consumer": name,
            "projector": projector.name,
            "queue_url": consumed.url,
            "variables": {**environment.domain(source["domain"]), **variables},
        }
        self.operated = pulumi.Output.from_input(operated_pipeline)
        self.register_outputs({"queries": self.queries, "view_tables": self.view_tables, "operated": self.operated})


def _in_tables(
    tables: Mapping[str, aws.dynamodb.Table | existing.Table], streams: bool, key_arn: pulumi.Input[str] | None
) -> sql_views.Access:
    queries: dict[str, Any] = {
        "view_tables": {view: table.name for view, table in tables.items()},
        "view_table_arns": {view: table.arn for view, table in tables.items()},
        "view_stream_arns": {view: table.stream_arn for view, table in tables.items() if streams},
        "sql_views": [],
        "sql_cluster_arn": "",
        "sql_database": "",
        "sql_secret_arn": "",
        "view_key_arn": key_arn or "",
        "sql_key_arn": "",
    }
    names = pulumi.Output.json_dumps(queries["view_tables"], sort_keys=True)
    statements = [
        *permissions.write_views(queries),
        *permissions.under_key("UseKeyOfViews", permissions.KEEPING, [key_arn], "dynamodb"),
    ]
    return sql_views.Access(queries, {"FOLDSTACK_VIEW_TABLES": names}, statements)


def _projector(
    scope: Scope,
    source: Handle,
    access: sql_views.Access,
    consumed: roads.Source,
    parked: aws.sqs.Queue,
    variables: environment.Variables,
) -> Function:
    return Function(
        scope,
        "projector",
        handler="foldstack.handlers.projector.handler",
        domain=source["domain"],
        variables=variables,
        statements=[
            *permissions.sweep_commits(source),
            *permissions.use_key(source["domain"]),
            *access.statements,
            *consumed.statements,
            *permissions.send("Park", parked.arn),
        ],
        timeout=TIMEOUT,
        memory_mb=MEMORY_MB,
    )


def _sweep(scope: Scope, projector: Function, expression: str) -> None:
    """Invoke the projector by the clock; an invocation that never happens is a dead letter."""
    dead_letters = waiting_queue(scope, "sweep-dead-letters")
    role = aws.iam.Role(
        scope.child("sweep-role"),
        assume_role_policy=permissions.trusted_by("scheduler.amazonaws.com", account_of(projector.arn)),
        tags=scope.tags,
        opts=scope.options(),
    )
    allowed = aws.iam.RolePolicy(
        scope.child("sweep-policy"),
        role=role.name,
        policy=permissions.policy(
            *permissions.invoke(projector.arn),
            *permissions.send("DeadLetters", dead_letters.arn),
        ),
        opts=scope.options(),
    )
    aws.scheduler.Schedule(
        scope.child("sweep"),
        schedule_expression=expression,
        flexible_time_window={"mode": "OFF"},
        target={
            "arn": projector.arn,
            "role_arn": role.arn,
            "input": json.dumps({"sweep": True}),
            "dead_letter_config": {"arn": dead_letters.arn},
            "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 5},
        },
        opts=scope.options(allowed),
    )
