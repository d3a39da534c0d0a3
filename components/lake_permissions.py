"""Least privilege in a lake: what its functions may do, and what a session of a tenant."""

from collections.abc import Sequence

import pulumi

from . import permissions
from .permissions import TENANT, Statement, allow

PREFIX = "tables"
RESULTS = "results"
STATE = "state"

_OF_A_TENANT = {"Null": {"aws:PrincipalTag/tenant": "false"}}


def under_key_of_files(key_arn: pulumi.Input[str] | None) -> list[Statement]:
    """Read and write files that are under a team's key."""
    return permissions.under_key("UseKeyOfFiles", permissions.KEEPING, [key_arn], "s3")


def write_tables(bucket_arn: pulumi.Input[str]) -> list[Statement]:
    """Put files of tables, of all tenants; look at none, remove none."""
    return [allow("WriteTables", ["s3:PutObject"], _under(bucket_arn, f"{PREFIX}/*"))]


def compact_tables(bucket_arn: pulumi.Input[str]) -> list[Statement]:
    """Find, read, put and remove files of tables, of all tenants; and keep how far it came. Who may not list a bucket
    is never told that an object is not there."""
    return [
        allow("FindTables", ["s3:ListBucket"], bucket_arn),
        allow("CompactTables", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], _under(bucket_arn, f"{PREFIX}/*")),
        allow("KeepPosition", ["s3:GetObject", "s3:PutObject"], _under(bucket_arn, f"{STATE}/*")),
    ]


def follow_rows(
    stream_arns: Sequence[pulumi.Input[str]], table_arns: Sequence[pulumi.Input[str]], commits: pulumi.Input[str]
) -> list[Statement]:
    """Read rows of views: by their streams, as Lambda does with the function's role, and all of them on demand; which
    generation of each is live, and when each stream of the table `commits` began."""
    if not stream_arns:
        return []
    actions = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    return [
        allow("FollowRows", actions, list(stream_arns)),
        allow("ListStreams", ["dynamodb:ListStreams"], "*"),
        allow("ReadRows", ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"], list(table_arns)),
        allow("FindBeginnings", ["dynamodb:BatchGetItem"], commits),
    ]


def fold_rows(commits: pulumi.Input[str]) -> list[Statement]:
    """Fold rows of views from the table `commits`: find when each of its streams began, and all of them on demand."""
    return [allow("FindBeginnings", ["dynamodb:BatchGetItem", "dynamodb:Scan"], commits)]


def ask(
    bucket_arn: pulumi.Input[str],
    workgroup_arn: pulumi.Input[str],
    catalogue_arns: pulumi.Input[Sequence[pulumi.Input[str]]],
) -> list[Statement]:
    """In a tenant's session: query its own files, and keep and read the results of its own prefix.

    Athena reads the catalogue and S3 as whoever asks it, so this holds whatever the SQL says.
    """
    actions = ["athena:GetQueryExecution", "athena:GetQueryResults", "athena:StartQueryExecution"]
    own = [f"{PREFIX}/{TENANT}/*", f"{RESULTS}/{TENANT}/*"]
    found = {"Null": {**_OF_A_TENANT["Null"], "s3:prefix": "false"}, "StringLike": {"s3:prefix": own}}
    return [
        {**allow("Ask", actions, workgroup_arn), "Condition": _OF_A_TENANT},
        {**allow("ReadCatalogue", ["glue:GetDatabase", "glue:GetTable"], catalogue_arns), "Condition": _OF_A_TENANT},
        {**allow("FindBucket", ["s3:GetBucketLocation"], bucket_arn), "Condition": _OF_A_TENANT},
        {**allow("FindFiles", ["s3:ListBucket"], bucket_arn), "Condition": found},
        {**allow("ReadFiles", ["s3:GetObject"], [_under(bucket_arn, each) for each in own]), "Condition": _OF_A_TENANT},
        {**allow("KeepResults", ["s3:PutObject"], _under(bucket_arn, own[1])), "Condition": _OF_A_TENANT},
    ]


def keep_tasks(table_arn: pulumi.Input[str]) -> list[Statement]:
    """In a tenant's session: its rows of the table of tasks."""
    actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    return [permissions.of_tenant("KeepTasks", actions, table_arn)]


def see_queries(workgroup_arn: pulumi.Input[str]) -> list[Statement]:
    """Learn what became of a query, and whose it is."""
    return [allow("SeeQueries", ["athena:GetQueryExecution"], workgroup_arn)]


def deliver(bucket_arn: pulumi.Input[str]) -> list[Statement]:
    """What Firehose needs to write into a bucket."""
    objects = ["s3:AbortMultipartUpload", "s3:PutObject"]
    return [
        allow("Deliver", objects, _under(bucket_arn, "*")),
        allow("FindBucket", ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"], bucket_arn),
    ]


def archive(delivery_arn: pulumi.Input[str]) -> list[Statement]:
    """Put records into a delivery stream."""
    return [allow("Archive", ["firehose:PutRecord", "firehose:PutRecordBatch"], delivery_arn)]


def _under(bucket_arn: pulumi.Input[str], path: str) -> pulumi.Output[str]:
    return pulumi.Output.concat(bucket_arn, "/", path)
