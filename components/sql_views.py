"""The views of a pipeline in a database: who may do what there, and the migration that makes their tables."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws

from . import environment, permissions, sql_permissions
from .function import Function
from .handles import Handle, optional
from .scope import Scope

MIGRATION_TIMEOUT = 300
MEMORY_MB = 1024


class Access(NamedTuple):
    """What the store of a pipeline's views means for others: `queries` is the views' part of the handle, the rest
    the projector's."""

    queries: Mapping[str, Any]
    variables: environment.Variables
    statements: Sequence[permissions.Statement]


def access(scope: Scope, domain: Handle, connection: Handle, views: list[str]) -> Access:
    """Set up the database by each deployment; what uses the views waits for it."""
    migration = _migration(scope, domain, connection, views)
    writer, reader = (
        pulumi.Output.all(connection[f"{role}_secret_arn"], migration.id).apply(lambda both: both[0])
        for role in ("projector", "reader")
    )
    queries = {
        "view_tables": {},
        "view_table_arns": {},
        "view_stream_arns": {},
        "sql_views": views,
        "sql_cluster_arn": connection["cluster_arn"],
        "sql_database": connection["database"],
        "sql_secret_arn": reader,
        "sql_key_arn": optional(connection, "key_arn").apply(lambda arn: arn or ""),
        "view_key_arn": "",
    }
    variables = environment.sql(connection, writer, views)
    return Access(queries, variables, sql_permissions.write_database(connection, writer))


def _migration(scope: Scope, domain: Handle, connection: Handle, views: list[str]) -> aws.lambda_.Invocation:
    owner = connection["owner_secret_arn"]
    function = Function(
        scope,
        "migrate",
        handler="foldstack.handlers.migrate.handler",
        domain=domain,
        variables={**environment.sql(connection, owner, views), **environment.sql_roles(connection)},
        statements=[
            *sql_permissions.write_database(connection, owner),
            *sql_permissions.set_logins(connection),
        ],
        timeout=MIGRATION_TIMEOUT,
        memory_mb=MEMORY_MB,
        alarmed=False,  # only a deployment calls it, and fails with it
    )
    return aws.lambda_.Invocation(
        scope.child("migration"),
        function_name=function.name,
        input=json.dumps({"views": views}),
        # The row models are in the code: other code may need other tables.
        triggers={"code": function.code_sha256, "cluster": connection["cluster_arn"]},
        opts=scope.options(function.ready),
    )
