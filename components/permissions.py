"""Least privilege: pure functions from a handle to the statements its holder's role gets, and no more."""

from collections.abc import Sequence
from typing import Any

import pulumi

from .handles import Handle, optional

Statement = dict[str, Any]

NETWORK = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""What Lambda does as a function's role to put it into a VPC."""

ON_EVERYTHING = {
    "xray:PutTraceSegments": "a trace belongs to no resource",
    "xray:PutTelemetryRecords": "a trace belongs to no resource",
    "dynamodb:ListStreams": "lists streams before any is named; Lambda's stream reader asks for it",
    "kinesis:ListStreams": "lists streams before any is named; Lambda's stream reader asks for it",
    **dict.fromkeys(NETWORK, "Lambda makes a function's network interfaces before they have names"),
}
"""Actions that take no resource, with the reason: the only ones ever allowed on `*`."""

KEEPING = ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")
"""What KMS is asked on behalf of whoever reads and writes a table or a bucket."""

READING = ("Decrypt", "DescribeKey")

TENANT = "${aws:PrincipalTag/tenant}"
"""The tenant that a session was made for: a tag that its role's trust policy alone lets it have."""

NO_TENANT_HAS = ("/", ":", ".", "=", "+", "@", "_", " ")
"""What a session tag may hold on AWS, and the id of a tenant never does."""


def policy(*statements: Statement) -> pulumi.Output[str]:
    """The policy document of `statements`, byte-stable. A statement about nothing is left out: IAM refuses it."""
    some = pulumi.Output.from_input(list(statements)).apply(
        lambda given: [statement for statement in given if statement.get("Resource") != []]
    )
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": some}, sort_keys=True)


def trusted_by(
    service: str, account: pulumi.Input[str] | None = None, source_arn: pulumi.Input[str] | None = None
) -> pulumi.Output[str]:
    """A trust policy for one AWS service, on behalf of `account` and of one resource where the service says so."""
    statement: Statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
    }
    if account is not None:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    if source_arn is not None:
        statement["Condition"] = {**statement.get("Condition", {}), "ArnEquals": {"aws:SourceArn": source_arn}}
    return policy(statement)


def trusted_by_account(account: pulumi.Input[str]) -> pulumi.Output[str]:
    """A trust policy for those of an account whose own policies let them assume the role."""
    principal = {"AWS": pulumi.Output.concat("arn:aws:iam::", account, ":root")}
    return policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal})


def trusted_for_tenants(function_role_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The trust policy of a role for tenants: one function's role may assume it, with the tag `tenant` and no other.

    Tag keys are compared as they are written, and read in any case: `Tenant` is another key, and refused.
    """
    statement: Statement = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"AWS": function_role_arn},
        "Condition": {
            "ForAllValues:StringEquals": {"aws:TagKeys": ["tenant"]},
            "Null": {"aws:TagKeys": "false", "sts:TransitiveTagKeys": "true"},
            "StringLike": {"aws:RequestTag/tenant": "?*"},
            "StringNotLike": {"aws:RequestTag/tenant": [f"*{each}*" for each in NO_TENANT_HAS]},
        },
    }
    return policy(statement)


def act_for_tenants(tenant_role_arn: pulumi.Input[str]) -> list[Statement]:
    """Make sessions of one role for tenants: its trust policy says with which tags."""
    return [allow("ActForTenants", ["sts:AssumeRole", "sts:TagSession"], tenant_role_arn)]


def write_logs(log_group_arn: pulumi.Output[str]) -> list[Statement]:
    """Write to one log group."""
    return [
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], pulumi.Output.concat(log_group_arn, ":*"))
    ]


def trace() -> list[Statement]:
    """Write X-Ray traces."""
    return [allow("Trace", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*")]


def join_network() -> list[Statement]:
    """Be put into a VPC by Lambda. The function's own code may do none of it: what it calls names it as the source."""
    of_lambda_alone = {"Null": {"lambda:SourceFunctionArn": "true"}}
    return [{**allow("JoinNetwork", list(NETWORK), "*"), "Condition": of_lambda_alone}]


def execute_commands(commands: Handle) -> list[Statement]:
    """In a tenant's session: load its streams, append its commits, remember its command ids, make keys for personal
    data. Nobody may update or delete a commit, and no function a key."""
    remember = ["dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
    return [
        of_tenant("AppendCommits", ["dynamodb:PutItem", "dynamodb:Query"], commands["commit_table_arn"]),
        of_tenant("RememberCommands", remember, commands["id_table_arn"]),
        _bodies_of_tenant("KeepBodies", ["s3:GetObject", "s3:PutObject"], commands["bodies_bucket_arn"]),
        *_keys_of_tenant("Keep", ["BatchGetItem", "PutItem"], ["Decrypt", "GenerateDataKey"], commands),
    ]


def read_keys(commands: Handle) -> list[Statement]:
    """In a tenant's session: read its personal data, where the domain has some."""
    return _keys_of_tenant("Read", ["BatchGetItem"], ["Decrypt"], commands)


def erase_keys(keys: Handle) -> list[Statement]:
    """Replace keys of personal data by tombstones: no function may."""
    return [allow("EraseKeys", ["dynamodb:GetItem", "dynamodb:UpdateItem"], keys["key_table_arn"])]


def query_commits(events: Handle) -> list[Statement]:
    """In a tenant's session: load its streams."""
    return [
        of_tenant("QueryCommits", ["dynamodb:Query"], events["commit_table_arn"]),
        _bodies_of_tenant("GetBodies", ["s3:GetObject"], events["bodies_bucket_arn"]),
    ]


def read_views(queries: Sequence[Handle], store: Handle) -> list[Statement]:
    """In a tenant's session: read its rows of the views of those pipelines that fold a store's commits."""
    return [of_tenant("ReadViews", ["dynamodb:GetItem", "dynamodb:Query"], _view_tables(queries, store))]


def in_silo(
    statements: Sequence[Statement], domain: Handle, number: int = 0, *more_keys: pulumi.Input[str | None]
) -> list[Statement]:
    """What may be done for a tenant, in the session of one tenant alone, with the key of its own and whatever more keys
    its data is under; `number` tells silos apart in one policy."""
    only = {"aws:PrincipalTag/tenant": domain["silo"]}
    return [
        {**each, "Sid": f"{each['Sid']}InSilo{number}", "Condition": {**each["Condition"], "StringEquals": only}}
        for each in [*statements, *use_key(domain, 0, *more_keys)]
    ]


def use_key(domain: Handle, number: int = 0, *more_keys: pulumi.Input[str | None]) -> list[Statement]:
    """Read and write what is encrypted under a service's own key, through the services that hold it, and under more
    keys. Without any it is a statement about nothing."""
    return under_key(f"UseKey{number}", KEEPING, [domain["key_arn"], *more_keys], "dynamodb", "s3")


def use_key_for_tenants(domain: Handle, *more_keys: pulumi.Input[str | None]) -> list[Statement]:
    """As `use_key`, in the session of a tenant alone."""
    return for_tenants_under_key([domain["key_arn"], *more_keys])


def for_tenants_under_key(key_arns: Sequence[pulumi.Input[str | None]]) -> list[Statement]:
    """In the session of a tenant alone: read and write what is under those keys that there are."""
    return [
        {**each, "Condition": {**each["Condition"], "Null": {"aws:PrincipalTag/tenant": "false"}}}
        for each in under_key("UseKey0", KEEPING, key_arns, "dynamodb", "s3")
    ]


def under_key(
    sid: str, actions: Sequence[str], key_arns: Sequence[pulumi.Input[str | None]], *services: str
) -> list[Statement]:
    """Use those keys that there are through AWS services, which keep what the keys encrypt."""
    statement = allow(sid, [f"kms:{each}" for each in actions], filled(key_arns))
    through = [f"{each}.*.amazonaws.com" for each in services]
    return [{**statement, "Condition": {"StringLike": {"kms:ViaService": through}}}]


def keys_of_views(queries: Sequence[Handle], store: Handle) -> list[pulumi.Output[str]]:
    """The keys that the tables of those pipelines are under which fold a store's commits."""
    return [
        pulumi.Output.all(store["commit_table_arn"], each["commit_table_arn"], optional(each, "view_key_arn")).apply(
            lambda known: (known[0] == known[1] and known[2]) or ""
        )
        for each in queries
    ]


def follow_generations(queries: Sequence[Handle]) -> list[Statement]:
    """For all tenants at once: read which generation of each view is live. No tenant's key begins so."""
    statement = allow("FollowGenerations", ["dynamodb:GetItem"], _values(*_arns_of_views(queries)))
    return [{**statement, "Condition": leading("StringEquals", "#control")}]


def read_commits(events: Handle) -> list[Statement]:
    """Load streams of all tenants."""
    return [
        allow("ReadCommits", ["dynamodb:Query"], events["commit_table_arn"]),
        allow("ReadBodies", ["s3:GetObject"], objects_of(events["bodies_bucket_arn"])),
    ]


def sweep_commits(events: Handle) -> list[Statement]:
    """Load streams and find them all: a sweep compares their tips with the cursors of views."""
    return [
        allow("FindCommits", ["dynamodb:Scan"], events["commit_table_arn"]),
        *read_commits(events),
    ]


def write_views(queries: Handle) -> list[Statement]:
    """Read and write rows of views, one by one, in batches or in transactions, and scan them for the sweep."""
    actions = ["BatchGetItem", "DeleteItem", "GetItem", "PartiQLInsert", "PartiQLUpdate"]
    actions += ["PutItem", "Query", "Scan", "UpdateItem"]
    return [allow("WriteViews", [f"dynamodb:{each}" for each in actions], _values(queries["view_table_arns"]))]


def read_membership(table_arn: pulumi.Input[str], key_arn: pulumi.Input[str] | None) -> list[Statement]:
    """Look up who somebody is in which tenant, one by one."""
    return [
        allow("ReadMembership", ["dynamodb:GetItem"], table_arn),
        *under_key("UseKeyOfMembers", READING, [key_arn], "dynamodb"),
    ]


def check_membership(authorizer: Handle | None) -> list[Statement]:
    """Look up whether callers and their tenants still are what their tokens say, both in one request."""
    if authorizer is None:
        return []
    arns = optional(authorizer, "tenants_table_arn").apply(lambda arn: [arn] if arn else [])
    key = optional(authorizer, "tenants_key_arn")
    return [
        allow("CheckMembership", ["dynamodb:BatchGetItem"], arns),
        *under_key("UseKeyOfMembers", READING, [key], "dynamodb"),
    ]


def collect_references(table_arn: pulumi.Input[str]) -> list[Statement]:
    """In a tenant's session: keep who refers to what, and what of it was deleted, one by one."""
    return [of_tenant("CollectReferences", ["dynamodb:GetItem", "dynamodb:UpdateItem"], table_arn)]


def page_references(table_arn: pulumi.Input[str]) -> list[Statement]:
    """In a tenant's session: go through who refers to what was deleted, and keep what came of it."""
    actions = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    return [of_tenant("PageReferences", actions, table_arn)]


def read_secrets(commands: Handle) -> list[Statement]:
    """Read the service's secrets."""
    key = optional(commands, "secrets_key_arn")
    return [
        allow("ReadSecrets", ["secretsmanager:GetSecretValue"], _values(commands["secrets"])),
        *under_key("OpenSecrets", ["Decrypt"], [key], "secretsmanager"),
    ]


def set_timers(commands: Handle, number: int = 0) -> list[Statement]:
    """Make schedules in the service's group, which send what they keep as its one role; `number` tells several services
    apart in one policy."""
    schedules = pulumi.Output.from_input(commands["timers_group_arn"]).apply(
        lambda arn: arn.replace(":schedule-group/", ":schedule/") + "/*"
    )
    return [
        allow(f"SetTimers{number or ''}", ["scheduler:CreateSchedule"], schedules),
        {
            **allow(f"FireAs{number or ''}", ["iam:PassRole"], commands["timers_role_arn"]),
            "Condition": {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        },
    ]


def read_stream(stream_arn: pulumi.Input[str]) -> list[Statement]:
    """Read one DynamoDB stream, as Lambda does with the function's role."""
    actions = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    return [
        allow("ReadStream", actions, stream_arn),
        allow("ListStreams", ["dynamodb:ListStreams"], "*"),
    ]


def read_data_stream(stream_arn: pulumi.Input[str]) -> list[Statement]:
    """Read one Kinesis data stream, as Lambda does with the function's role."""
    actions = ["DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards"]
    return [
        allow("ReadDataStream", [f"kinesis:{each}" for each in actions], stream_arn),
        allow("ListDataStreams", ["kinesis:ListStreams"], "*"),
    ]


def keep_failures(bucket_arn: pulumi.Input[str]) -> list[Statement]:
    """Put the records a stream's reader gave up, under the prefix that Lambda gives them."""
    return [
        allow("KeepFailures", ["s3:PutObject"], pulumi.Output.concat(bucket_arn, "/aws/lambda/*")),
        allow("FindFailures", ["s3:ListBucket"], bucket_arn),
    ]


def consume(queue_arn: pulumi.Input[str]) -> list[Statement]:
    """Drain one queue, as Lambda does with the function's role."""
    actions = ["ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage"]
    return [allow("Consume", [f"sqs:{each}" for each in actions], queue_arn)]


def send(sid: str, queue_arn: pulumi.Input[str]) -> list[Statement]:
    """Send to one queue."""
    return [allow(sid, ["sqs:SendMessage"], queue_arn)]


def publish(action: str, bus_arn: pulumi.Input[str]) -> list[Statement]:
    """Publish on one bus, stream or topic, by its service's action for that."""
    return [allow("Publish", [action], bus_arn)]


def invoke(function_arn: pulumi.Input[str]) -> list[Statement]:
    """Invoke one function."""
    return [allow("Invoke", ["lambda:InvokeFunction"], function_arn)]


def allow(sid: str, actions: list[str], resource: Any) -> Statement:
    """These actions on this resource, or on each of a list."""
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def of_tenant(sid: str, actions: list[str], table_arns: Any) -> Statement:
    """On items of tables whose partition key begins with the session's tenant. A request that names no key, such as
    a scan, would satisfy ForAllValues: Null refuses it, and a session without the tag."""
    condition = leading("StringLike", f"{TENANT}#*")
    condition["Null"]["aws:PrincipalTag/tenant"] = "false"
    return {**allow(sid, actions, table_arns), "Condition": condition}


def _bodies_of_tenant(sid: str, actions: list[str], bucket_arn: pulumi.Input[str]) -> Statement:
    statement = allow(sid, actions, pulumi.Output.concat(bucket_arn, f"/{TENANT}/*"))
    return {**statement, "Condition": {"Null": {"aws:PrincipalTag/tenant": "false"}}}


def _keys_of_tenant(sid: str, items: list[str], uses: list[str], commands: Handle) -> list[Statement]:
    """Keys of personal data, in the table and to be unwrapped: made for the session's tenant, by its encryption context
    too. Nothing where the domain has none."""
    unwrap = allow(f"{sid}Wrapped", [f"kms:{each}" for each in uses], filled([commands["kms_key_arn"]]))
    context = {"kms:EncryptionContext:tenant": TENANT}
    return [
        of_tenant(f"{sid}Keys", [f"dynamodb:{each}" for each in items], filled([commands["key_table_arn"]])),
        {**unwrap, "Condition": {"StringLike": context, "Null": {"aws:PrincipalTag/tenant": "false"}}},
    ]


def leading(operator: str, key: str) -> dict[str, dict[str, Any]]:
    """The condition that a request names partition keys, and they are like `key`."""
    return {
        f"ForAllValues:{operator}": {"dynamodb:LeadingKeys": [key]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def _arns_of_views(queries: Sequence[Handle]) -> list[Any]:
    return [each["view_table_arns"] for each in queries]


def _view_tables(queries: Sequence[Handle], store: Handle) -> pulumi.Output[list[str]]:
    """Of the pipelines that fold the commits of a store."""
    stores = [each["commit_table_arn"] for each in queries]
    return pulumi.Output.all(store["commit_table_arn"], stores, _arns_of_views(queries)).apply(
        lambda known: sorted(
            arn for of, views in zip(known[1], known[2], strict=True) if of == known[0] for arn in views.values()
        )
    )


def objects_of(bucket_arn: Any) -> pulumi.Output[str]:
    """All objects of a bucket."""
    return pulumi.Output.concat(bucket_arn, "/*")


def _values(*by_name: Any) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*by_name).apply(lambda all_: sorted(arn for each in all_ for arn in each.values()))


def filled(arns: Sequence[Any]) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*arns).apply(lambda all_: sorted({arn for arn in all_ if arn}))
