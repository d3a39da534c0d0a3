"""Least privilege in a database behind the RDS Data API: whoever may read a role's secret is that role."""

from collections.abc import Sequence

import pulumi

from .handles import Handle, optional
from .permissions import Statement, allow, filled, under_key


def read_database(queries: Sequence[Handle]) -> list[Statement]:
    """Run single statements as the reader of the views of some pipelines."""
    clusters = filled([each["sql_cluster_arn"] for each in queries])
    secrets = filled([each["sql_secret_arn"] for each in queries])
    keys = [optional(each, "sql_key_arn") for each in queries]
    return [
        allow("ReadDatabase", ["rds-data:ExecuteStatement"], clusters),
        allow("LogInToRead", ["secretsmanager:GetSecretValue"], secrets),
        *under_key("OpenLogin", ["Decrypt"], keys, "secretsmanager"),
    ]


def write_database(connection: Handle, secret_arn: pulumi.Input[str]) -> list[Statement]:
    """Run statements and transactions as the role of one secret."""
    actions = ["BeginTransaction", "CommitTransaction", "ExecuteStatement", "RollbackTransaction"]
    return [
        allow("WriteDatabase", [f"rds-data:{each}" for each in actions], connection["cluster_arn"]),
        allow("LogInToWrite", ["secretsmanager:GetSecretValue"], secret_arn),
        *under_key("OpenLogin", ["Decrypt"], [optional(connection, "key_arn")], "secretsmanager"),
    ]


def set_logins(connection: Handle) -> list[Statement]:
    """Make up the passwords of database roles, or find those that were."""
    actions = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
    secrets = [connection["projector_secret_arn"], connection["reader_secret_arn"]]
    return [
        allow("SetLogins", actions, secrets),
        *under_key("SealLogins", ["Decrypt", "GenerateDataKey"], [optional(connection, "key_arn")], "secretsmanager"),
    ]
