"""The lake's functions: the writer, which takes events from the road and rows from the streams of views, and the
compactor, which merges what it wrote."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
import pulumi_aws as aws

from . import alarms, environment, lake_permissions, permissions, roads
from .consumer_queue import Batch, waiting_queue
from .function import Function, account_of
from .handles import Handle, optional
from .scope import Scope

WRITER_TIMEOUT = 120
WRITER_MEMORY_MB = 1769  # a whole processor
COMPACTOR_TIMEOUT = 900
COMPACTOR_MEMORY_MB = 3008
MOST_RECORDS = 1000
OF_ROWS = [
    {"dynamodb": {image: {"n": {"N": [{"exists": True}]}}}, **events}
    for image, events in (("NewImage", {}), ("OldImage", {"eventName": ["REMOVE"]}))
]
"""Rows have a cursor; shards of totals and controls of a view, in the same table, have none."""


class Rows:
    """The views whose rows are written: their tables and streams, by their names. Without `queries`, the writer folds
    rows from commits, wherever else they may be kept."""

    def __init__(self, queries: Handle | None, views: Sequence[str]) -> None:
        self.views = views
        self._streams: Mapping[str, pulumi.Output[str]] = {}
        self._tables: Mapping[str, pulumi.Output[str]] = {}
        self._key_arn: pulumi.Input[str | None] = None
        self.names: Mapping[str, pulumi.Output[str]] = {}
        self._folded = queries is None
        if queries is None or not views:
            return
        given = pulumi.Output.from_input(queries)
        self._key_arn = optional(given, "view_key_arn")
        parts = ("view_stream_arns", "view_table_arns", "view_tables")
        known = pulumi.Output.all(given["sql_views"], *(given[part] for part in parts)).apply(
            lambda all_: _checked(all_[0], views, *all_[1:])
        )
        self._streams, self._tables, self.names = ({view: known[n][view] for view in views} for n in range(3))

    @property
    def variables(self) -> environment.Variables:
        if self._folded and self.views:
            return environment.folding(self.views)
        return {"FOLDSTACK_VIEW_TABLES": pulumi.Output.json_dumps(self.names, sort_keys=True)} if self.names else {}

    def statements(self, source: Handle) -> list[permissions.Statement]:
        if self._folded and self.views:
            return lake_permissions.fold_rows(source["commit_table_arn"])
        streams, tables = list(self._streams.values()), list(self._tables.values())
        return [
            *lake_permissions.follow_rows(streams, tables, source["commit_table_arn"]),
            *permissions.under_key("UseKeyOfViews", permissions.READING, [self._key_arn], "dynamodb"),
        ]

    def drain_into(self, scope: Scope, function: Function, source: Handle, batch: Batch) -> None:
        """Give the function what becomes of rows: what it cannot take goes to the service's bucket of failures."""
        for view, stream_arn in self._streams.items():
            aws.lambda_.EventSourceMapping(
                scope.child(f"rows-{view}-source"),
                function_name=function.arn,
                event_source_arn=stream_arn,
                starting_position="TRIM_HORIZON",
                batch_size=batch.size,
                maximum_batching_window_in_seconds=batch.window,
                filter_criteria={"filters": [{"pattern": json.dumps(each, sort_keys=True)} for each in OF_ROWS]},
                parallelization_factor=1,
                bisect_batch_on_function_error=True,
                maximum_retry_attempts=10,
                maximum_record_age_in_seconds=23 * 3600,
                function_response_types=["ReportBatchItemFailures"],
                destination_config={"on_failure": {"destination_arn": source["failures_bucket_arn"]}},
                tags=scope.tags,
                opts=scope.options(function.ready),
            )


def _checked(sql_views: Sequence[str], views: Sequence[str], *parts: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    """`parts` as they are, the streams first, when they have all the views."""
    streams = parts[0]
    missing = [view for view in views if view not in streams]
    if in_sql := [view for view in missing if view in sql_views]:
        raise ValueError(
            f"entities: {', '.join(in_sql)} is in PostgreSQL, which has no stream of changes: leave `queries` out, and "
            "the lake folds its rows from events"
        )
    if missing:
        raise ValueError(
            f"entities: {', '.join(missing)} has no stream in `queries`, which has {', '.join(streams) or 'none'}: "
            "give the ProjectionPipeline that has the view `streams`: True, and its `queries` here"
        )
    return parts


def layers_of(scope: Scope, domain: Handle, zips: Sequence[Path]) -> list[pulumi.Output[str]]:
    """The ARNs of the layers with pyarrow."""
    return [
        aws.lambda_.LayerVersion(
            scope.child(f"layer-{number}"),
            layer_name=f"{pulumi.get_project()}-{pulumi.get_stack()}-{scope.child(f'layer-{number}')}",
            code=pulumi.FileArchive(str(zipped)),
            compatible_runtimes=[domain["runtime"]],
            compatible_architectures=[domain["architecture"]],
            opts=scope.options(),
        ).arn
        for number, zipped in enumerate(zips, 1)
    ]


def writer_of(
    scope: Scope,
    source: Handle,
    rows: Rows,
    bucket: aws.s3.Bucket,
    arrow: Sequence[pulumi.Output[str]],
    batch: Batch,
    name: str,
) -> Function:
    parked = waiting_queue(scope, "parked")
    consumed = roads.source(scope, "writer", source, [], timeout=scope.timeout("writer", WRITER_TIMEOUT), batch=batch)
    failures = [] if source["road"] == "kinesis" else permissions.keep_failures(source["failures_bucket_arn"])
    writer = Function(
        scope,
        "writer",
        handler="foldstack.handlers.lake_writer.handler",
        domain=source["domain"],
        variables={
            **environment.commits(source),
            **environment.parking(parked.url),
            **environment.consuming(name),
            **rows.variables,
            **consumed.variables,
            "FOLDSTACK_LAKE_BUCKET": bucket.bucket,
        },
        statements=[
            *permissions.read_commits(source),
            *permissions.use_key(source["domain"]),
            *consumed.statements,
            *(failures if rows.names else []),
            *rows.statements(source),
            *lake_permissions.write_tables(bucket.arn),
            *lake_permissions.under_key_of_files(scope.key_arn),
            *permissions.send("Park", parked.arn),
        ],
        timeout=WRITER_TIMEOUT,
        memory_mb=WRITER_MEMORY_MB,
        layers=arrow,
    )
    consumed.drain_into(writer)
    rows.drain_into(scope, writer, source, batch)
    return writer


def compactor_of(
    scope: Scope,
    domain: Handle,
    rows: Rows,
    bucket: aws.s3.Bucket,
    arrow: Sequence[pulumi.Output[str]],
    expression: str,
) -> Function:
    """By the clock; a run that fails is made good by the next one."""
    compactor = Function(
        scope,
        "compactor",
        handler="foldstack.handlers.lake_compactor.handler",
        domain=domain,
        variables={**rows.variables, "FOLDSTACK_LAKE_BUCKET": bucket.bucket},
        statements=[
            *lake_permissions.compact_tables(bucket.arn),
            *lake_permissions.under_key_of_files(scope.key_arn),
        ],
        timeout=COMPACTOR_TIMEOUT,
        memory_mb=COMPACTOR_MEMORY_MB,
        layers=arrow,
        reserved_concurrency=None,
        alarmed=False,
    )
    alarms.on_errors(scope, "compactor", compactor.name, threshold=1)
    role = aws.iam.Role(
        scope.child("compaction-role"),
        assume_role_policy=permissions.trusted_by("scheduler.amazonaws.com", account_of(compactor.arn)),
        tags=scope.tags,
        opts=scope.options(),
    )
    allowed = aws.iam.RolePolicy(
        scope.child("compaction-policy"),
        role=role.name,
        policy=permissions.policy(*permissions.invoke(compactor.arn)),
        opts=scope.options(),
    )
    aws.scheduler.Schedule(
        scope.child("compaction"),
        schedule_expression=expression,
        flexible_time_window={"mode": "OFF"},
        target={
            "arn": compactor.arn,
            "role_arn": role.arn,
            "input": json.dumps({"compact": {}}),
            "retry_policy": {"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 2},
        },
        opts=scope.options(allowed),
    )
    return compactor
