"""The patch that judges PartiQL as AWS does: statement by statement, by what each does to its own table."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.emulator import PATCHES, Emulator

from .conftest import allow, make_role, make_table
from .test_emulator import LEADING, allowed, as_role, table_arn

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Without this patch."""
    others = tuple(patch for patch in PATCHES if not patch.startswith("partiql"))
    with Emulator(tmp_path_factory.mktemp("bare"), patches=others) as running:
        yield running


def insert(table: str, key: str) -> dict[str, Any]:
    return {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': ?}}", "Parameters": [{"S": key}]}


def update(table: str, key: str) -> dict[str, Any]:
    return {"Statement": f'UPDATE "{table}" SET "n" = ? WHERE "pk" = ?', "Parameters": [{"N": "1"}, {"S": key}]}


def test_patch_partiql(emulator: Emulator, bare: Emulator) -> None:
    def may(running: Emulator, action: str) -> bool:
        table = make_table(running)
        client = as_role(running, make_role(running, allow([action], [table_arn(running, table)])), "dynamodb")
        return allowed(client.batch_execute_statement, Statements=[insert(table, "a"), insert(table, "b")])

    assert may(emulator, "dynamodb:PartiQLInsert")
    assert not may(emulator, "dynamodb:PartiQLUpdate")
    assert not may(emulator, "dynamodb:BatchExecuteStatement")
    assert not may(bare, "dynamodb:PartiQLInsert"), "the patch is no longer needed"


def test_patch_partiql_streams(emulator: Emulator, bare: Emulator) -> None:
    def changes(running: Emulator) -> list[tuple[str, str, str]]:
        table, dynamodb = make_table(running), running.client("dynamodb")
        delete = {"Statement": f'DELETE FROM "{table}" WHERE "pk" = ?', "Parameters": [{"S": "a"}]}
        dynamodb.batch_execute_statement(Statements=[insert(table, "a")])
        dynamodb.batch_execute_statement(Statements=[update(table, "a"), update(table, "missing")])
        dynamodb.execute_statement(**update(table, "a"))
        dynamodb.execute_statement(**delete)
        streams = running.client("dynamodbstreams")
        arn = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
        shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        records = streams.get_records(ShardIterator=start["ShardIterator"])["Records"]
        images = [(each["eventName"], each["dynamodb"]) for each in records]
        return [(name, i["Keys"]["pk"]["S"], i.get("NewImage", {}).get("n", {}).get("N", "")) for name, i in images]

    assert changes(emulator) == [("INSERT", "a", ""), ("MODIFY", "a", "1"), ("REMOVE", "a", "")]
    assert changes(bare) == [], "the patch is no longer needed"


def test_each_statement_is_judged_on_its_own_table(emulator: Emulator) -> None:
    mine, other = make_table(emulator), make_table(emulator)
    grant = allow(["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"], [table_arn(emulator, mine)])
    client = as_role(emulator, make_role(emulator, grant), "dynamodb")
    batch, one = client.batch_execute_statement, client.execute_statement
    assert allowed(batch, Statements=[insert(mine, "a"), update(mine, "b")])
    assert not allowed(batch, Statements=[insert(mine, "c"), insert(other, "c")])
    assert not allowed(batch, Statements=[insert(mine, "d"), {"Statement": "no statement"}])
    assert allowed(one, **insert(mine, "e"))
    assert not allowed(one, Statement=f'SELECT * FROM "{mine}" WHERE "pk" = ?', Parameters=[{"S": "e"}])
    found = emulator.client("dynamodb").scan(TableName=mine)["Items"]
    assert {item["pk"]["S"] for item in found} == {"a", "e"}, "a batch that is refused does nothing"


def test_the_keys_of_a_statement_are_not_read(emulator: Emulator) -> None:
    """So a role that is bound to a tenant's keys has no PartiQL here, its own keys neither."""
    table = make_table(emulator)
    grant = allow(["dynamodb:PartiQLInsert"], [table_arn(emulator, table)], Condition=LEADING)
    client = as_role(emulator, make_role(emulator, grant), "dynamodb")
    assert not allowed(client.batch_execute_statement, Statements=[insert(table, "globex#1")])
