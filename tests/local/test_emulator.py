"""The emulator: loopback only, policies enforced, each patch needed, data kept when told."""

import json
import os
import select
import socket
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import emulator_patches
from local.emulator import PATCHES, Emulator, EmulatorError

from .conftest import allow, make_role, make_table

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator without any of the patches: what each of them is measured against."""
    with Emulator(tmp_path_factory.mktemp("bare"), patches=()) as running:
        yield running


def as_role(emulator: Emulator, role_arn: str, service: str, **session: Any) -> Any:
    sts = emulator.client("sts")
    held = sts.assume_role(RoleArn=role_arn, RoleSessionName="test", **session)["Credentials"]
    return emulator.client(service, held)


def allowed(call: Callable[..., Any], **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDeniedException", "AccessDenied", "AuthorizationError", "403"):
            return False
        raise
    return True


def table_arn(emulator: Emulator, table: str) -> str:
    return emulator.client("dynamodb").describe_table(TableName=table)["Table"]["TableArn"]


# ---- the process


def test_a_role_gets_what_its_policy_grants_and_nothing_else(emulator: Emulator) -> None:
    mine, other = make_table(emulator), make_table(emulator)
    role = make_role(emulator, allow(["dynamodb:PutItem"], [table_arn(emulator, mine)]))
    put = as_role(emulator, role, "dynamodb").put_item
    assert allowed(put, TableName=mine, Item={"pk": {"S": "a"}})
    assert not allowed(put, TableName=other, Item={"pk": {"S": "a"}})


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_every_listener_is_on_loopback(emulator: Emulator) -> None:
    owned = {os.readlink(link) for link in Path(f"/proc/{emulator.pid}/fd").iterdir()}
    listeners = []
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/{emulator.pid}/net/{family}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in owned:
                listeners.append(fields[1])
    assert listeners == [f"0100007F:{emulator.port:04X}"]


def test_it_keeps_its_files_private_and_sweeps_them(tmp_path: Path) -> None:
    with Emulator(tmp_path / "home") as running:
        assert stat.S_IMODE(running.home.stat().st_mode) == 0o700
        assert stat.S_IMODE(running.log.stat().st_mode) == 0o600
        running.client("s3").create_bucket(Bucket="some")
    assert [path.name for path in running.home.iterdir()] == ["emulator.log"]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="awaits a process that is not a child")
def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from local.emulator import Emulator;"
        "e = Emulator(pathlib.Path(sys.argv[1])).start(); print(e.pid, flush=True); sys.stdin.read(); os._exit(9)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "home")],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout
        assert parent.stdin
        ended = os.pidfd_open(int(parent.stdout.readline()))
        parent.stdin.close()
        assert parent.wait(30) == 9
    try:
        assert select.select([ended], [], [], 30)[0], "the emulator outlived its parent"
    finally:
        os.close(ended)


def test_it_says_why_it_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match="no patch is called 'unheard-of'; there are loopback"):
        Emulator(tmp_path, patches=("unheard-of",)).start()


def test_a_fixed_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmulatorError, match=f"{port} is already in use"):
            Emulator(tmp_path, port=port).start()


# ---- persistence


@pytest.mark.parametrize("persist", [True, False])
def test_data_is_kept_over_a_restart_only_when_told(tmp_path: Path, persist: bool) -> None:
    with Emulator(tmp_path, persist=persist) as first:
        table = make_table(first)
        first.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "a"}})
        first.client("s3").create_bucket(Bucket="bodies")
        first.client("s3").put_object(Bucket="bodies", Key="k", Body=b"body")
    with Emulator(tmp_path, persist=persist) as second:
        found = second.client("dynamodb").list_tables()["TableNames"]
        assert found == ([table] if persist else [])
        if persist:
            assert second.client("dynamodb").scan(TableName=table)["Items"] == [{"pk": {"S": "a"}}]
            assert second.client("s3").get_object(Bucket="bodies", Key="k")["Body"].read() == b"body"


@pytest.mark.parametrize("patched", [True, False])
def test_patch_stream_records(tmp_path: Path, patched: bool) -> None:
    """A commit that no relay has read yet is still on the stream after a restart."""
    patches = PATCHES if patched else [name for name in PATCHES if name != "stream-records"]
    with Emulator(tmp_path, persist=True, patches=patches) as first:
        table = make_table(first)
        first.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "a"}})
        before = records(first, table)
        assert len(before) == 1
    with Emulator(tmp_path, persist=True, patches=patches) as second:
        after = records(second, table)
        assert after == (before if patched else [])
        second.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "b"}})
        assert len(records(second, table)) == len(after) + 1


def records(emulator: Emulator, table: str) -> list[str]:
    """Sequence numbers on the table's stream."""
    arn = emulator.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    streams = emulator.client("dynamodbstreams")
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    page = streams.get_records(ShardIterator=start["ShardIterator"])
    return [record["dynamodb"]["SequenceNumber"] for record in page["Records"]]


# ---- the patches


def test_another_ministack_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator_patches, "PINNED", "0.0.1")
    with pytest.raises(SystemExit, match=r"were written against 0\.0\.1"):
        emulator_patches.apply([])


@pytest.mark.parametrize(("patches", "bound"), [(["loopback"], "127.0.0.1"), ([], "0.0.0.0")])
def test_patch_loopback(patches: list[str], bound: str) -> None:
    program = (
        "import socket, sys; from local import emulator_patches; emulator_patches.apply(sys.argv[1:]);"
        "s = socket.socket(); s.bind(('0.0.0.0', 0)); print(s.getsockname()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *patches], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == bound


def test_patch_stream_arn(emulator: Emulator, bare: Emulator) -> None:
    def reads(running: Emulator, *, granted: str) -> bool:
        tables = {"own": make_table(running), "other": make_table(running)}
        describe = running.client("dynamodb").describe_table
        arns = {name: describe(TableName=table)["Table"]["LatestStreamArn"] for name, table in tables.items()}
        actions = ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"]
        client = as_role(running, make_role(running, allow(actions, [arns[granted]])), "dynamodbstreams")
        root = running.client("dynamodbstreams")
        shard = root.describe_stream(StreamArn=arns["own"])["StreamDescription"]["Shards"][0]["ShardId"]
        place = {"StreamArn": arns["own"], "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        iterator = root.get_shard_iterator(**place)["ShardIterator"]
        results = {
            allowed(client.describe_stream, StreamArn=arns["own"]),
            allowed(client.get_shard_iterator, **place),
            allowed(client.get_records, ShardIterator=iterator),
        }
        assert len(results) == 1, "the three actions differ"
        return results.pop()

    assert reads(emulator, granted="own")
    assert not reads(emulator, granted="other")
    assert not reads(bare, granted="own"), "the patch is no longer needed"


def test_patch_batches(emulator: Emulator, bare: Emulator) -> None:
    def sends(running: Emulator, action: str) -> bool:
        queues = running.client("sqs")
        url = queues.create_queue(QueueName="batches")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        client = as_role(running, make_role(running, allow([action], [arn])), "sqs")
        return allowed(client.send_message_batch, QueueUrl=url, Entries=[{"Id": "0", "MessageBody": "x"}])

    assert sends(emulator, "sqs:SendMessage")
    assert not sends(emulator, "sqs:DeleteMessage")
    assert not sends(bare, "sqs:SendMessage"), "the patch is no longer needed"


def test_patch_batches_of_a_topic(emulator: Emulator, bare: Emulator) -> None:
    def publishes(running: Emulator, action: str) -> bool:
        arn = running.client("sns").create_topic(Name="batches")["TopicArn"]
        client = as_role(running, make_role(running, allow([action], [arn])), "sns")
        entries = [{"Id": "0", "Message": "x"}]
        return allowed(client.publish_batch, TopicArn=arn, PublishBatchRequestEntries=entries)

    assert publishes(emulator, "sns:Publish")
    assert not publishes(emulator, "sns:Subscribe")
    assert not publishes(bare, "sns:Publish"), "the patch is no longer needed"


def test_patch_secure_transport(emulator: Emulator, bare: Emulator) -> None:
    """The buckets of every program here refuse what comes without TLS; their functions come over loopback."""

    def puts(running: Emulator, secure: str) -> bool:
        name = f"tls-{uuid.uuid4().hex}"
        running.client("s3").create_bucket(Bucket=name)
        objects = f"arn:aws:s3:::{name}/*"
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": objects}
        policy = {"Statement": [{**deny, "Condition": {"Bool": {"aws:SecureTransport": secure}}}]}
        running.client("s3").put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        client = as_role(running, make_role(running, allow(["s3:PutObject"], [objects])), "s3")
        return allowed(client.put_object, Bucket=name, Key="k", Body=b"x")

    assert puts(emulator, "false")
    assert not puts(emulator, "true")
    assert not puts(bare, "false"), "the patch is no longer needed"


LEADING = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["acme#*"]}}


def keyed_table(running: Emulator) -> str:
    return make_table(
        running,
        attributes=[{"AttributeName": "gk", "AttributeType": "S"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-gk",
                "KeySchema": [{"AttributeName": "gk", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def item_calls(table: str, tenant: str) -> dict[str, tuple[str, dict[str, Any]]]:
    key = {"pk": {"S": f"{tenant}#1"}}
    return {
        "get": ("get_item", {"TableName": table, "Key": key}),
        "put": ("put_item", {"TableName": table, "Item": key}),
        "update": ("update_item", {"TableName": table, "Key": key}),
        "delete": ("delete_item", {"TableName": table, "Key": key}),
        "query": (
            "query",
            {
                "TableName": table,
                "KeyConditionExpression": "#k = :k",
                "ExpressionAttributeNames": {"#k": "pk"},
                "ExpressionAttributeValues": {":k": key["pk"]},
            },
        ),
        "query an index": (
            "query",
            {
                "TableName": table,
                "IndexName": "by-gk",
                "KeyConditionExpression": "gk = :k",
                "ExpressionAttributeValues": {":k": {"S": f"{tenant}#g"}},
            },
        ),
        "query, the old way": (
            "query",
            {
                "TableName": table,
                "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [key["pk"]]}},
            },
        ),
        "batch get": ("batch_get_item", {"RequestItems": {table: {"Keys": [key]}}}),
        "batch write": ("batch_write_item", {"RequestItems": {table: [{"PutRequest": {"Item": key}}]}}),
        "transaction": ("transact_write_items", {"TransactItems": [{"Put": {"TableName": table, "Item": key}}]}),
    }


@pytest.mark.parametrize("operation", item_calls("t", "t"))
def test_patch_leading_keys(emulator: Emulator, bare: Emulator, operation: str) -> None:
    def may(running: Emulator, tenant: str) -> bool:
        table = keyed_table(running)
        arn = table_arn(running, table)
        client = as_role(
            running, make_role(running, allow(["dynamodb:*"], [arn, f"{arn}/index/*"], Condition=LEADING)), "dynamodb"
        )
        method, arguments = item_calls(table, tenant)[operation]
        return allowed(getattr(client, method), **arguments)

    assert may(emulator, "acme")
    assert not may(emulator, "globex")
    assert may(bare, "globex"), "the patch is no longer needed"


def test_leading_keys_are_judged_table_by_table(emulator: Emulator) -> None:
    """A transaction over two tables: the keys of one say nothing of the other."""
    tenants, ids = make_table(emulator), make_table(emulator)
    role = make_role(
        emulator,
        allow(["dynamodb:PutItem"], [table_arn(emulator, tenants)], Condition=LEADING),
        allow(["dynamodb:PutItem"], [table_arn(emulator, ids)]),
    )
    write = as_role(emulator, role, "dynamodb").transact_write_items

    def both(first: str, second: str) -> bool:
        puts = [(tenants, first), (ids, second)]
        items = [{"Put": {"TableName": table, "Item": {"pk": {"S": key}}}} for table, key in puts]
        return allowed(write, TransactItems=items)

    assert both("acme#1", "any")
    assert not both("globex#1", "any")


def test_what_names_no_readable_key_is_refused(emulator: Emulator) -> None:
    table = keyed_table(emulator)
    arn = table_arn(emulator, table)
    condition = {**LEADING, "Null": {"dynamodb:LeadingKeys": "false"}}
    role = make_role(emulator, allow(["dynamodb:*"], [arn, "*"], Condition=condition))
    client = as_role(emulator, role, "dynamodb")
    assert not allowed(client.scan, TableName=table)
    statement = f"SELECT * FROM \"{table}\" WHERE pk = 'globex#1'"
    assert not allowed(client.execute_statement, Statement=statement)


def tagged(running: Emulator, service: str, tenant: str | None, *statements: dict[str, Any]) -> Any:
    """A session of a fresh role with the tag `tenant`."""
    role = make_role(running, *statements)
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    running.client("iam").update_assume_role_policy(
        RoleName=role.rsplit("/", 1)[-1],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    tags = {"Tags": [{"Key": "tenant", "Value": tenant}]} if tenant is not None else {}
    return as_role(running, role, service, **tags)


def test_patch_policy_variables(emulator: Emulator, bare: Emulator) -> None:
    def reads(running: Emulator, tenant: str | None, folder: str) -> bool:
        bucket = "variables"
        root = running.client("s3")
        root.create_bucket(Bucket=bucket)
        root.put_object(Bucket=bucket, Key=f"{folder}/k", Body=b"x")
        grant = allow(["s3:GetObject"], [f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/tenant}}/*"])
        return allowed(tagged(running, "s3", tenant, grant).get_object, Bucket=bucket, Key=f"{folder}/k")

    assert reads(emulator, "acme", "acme")
    assert not reads(emulator, "acme", "globex")
    assert not reads(emulator, None, "acme")
    assert not reads(bare, "acme", "acme"), "the patch is no longer needed"


def test_policy_variables_in_conditions_keep_tenants_apart(emulator: Emulator) -> None:
    table = make_table(emulator)
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/tenant}#*"]}}
    grant = allow(["dynamodb:GetItem"], [table_arn(emulator, table)], Condition=condition)

    def reads(tenant: str | None, key: str) -> bool:
        get = tagged(emulator, "dynamodb", tenant, grant).get_item
        return allowed(get, TableName=table, Key={"pk": {"S": key}})

    assert reads("acme", "acme#1")
    assert not reads("acme", "globex#1")
    assert not reads(None, "acme#1")


def test_a_denial_with_a_variable_holds(emulator: Emulator) -> None:
    table = make_table(emulator)
    arn = table_arn(emulator, table)
    unless_own = {"ForAnyValue:StringNotLike": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/tenant}#*"]}}
    deny = {**allow(["dynamodb:*"], [arn], Condition=unless_own), "Effect": "Deny"}
    get = tagged(emulator, "dynamodb", "acme", allow(["dynamodb:GetItem"], [arn]), deny).get_item
    assert allowed(get, TableName=table, Key={"pk": {"S": "acme#1"}})
    assert not allowed(get, TableName=table, Key={"pk": {"S": "globex#1"}})
