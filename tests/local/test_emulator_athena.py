"""The patch that makes the emulator's Athena answer as AWS's: each of its rules, and that it is needed."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from local.emulator import PATCHES, Emulator

from .athena import NOON, Lake, QueryFailed, make_lake, row
from .conftest import allow, make_role
from .test_emulator import as_role

pytestmark = pytest.mark.emulator

DAY = "2026-11-20"
OF_ACME = "SELECT sum(amount) FROM events WHERE tenant = 'acme'"


@pytest.fixture(scope="module")
def lake(emulator: Emulator) -> Lake:
    made = make_lake(emulator)
    made.put("acme", DAY, row("a/1", 1, "19.99", paid=None, tags=["x", "y"]), row("a/1", 2, "0.01", paid=True))
    made.put("acme", DAY, row("a/1", 2, "0.01", paid=True, at=NOON + timedelta(seconds=1)))
    made.put("acme", "2026-11-19", row("a/2", 1, "5.00", data='{"a": {"b": "é😀"}}'))
    made.put("globex", DAY, row("g/1", 1, "1000.00"))
    return made


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Without this patch."""
    others = tuple(patch for patch in PATCHES if patch != "athena")
    with Emulator(tmp_path_factory.mktemp("bare"), patches=others) as running:
        made = make_lake(running)
        made.put("acme", DAY, row("a/1", 1, "19.99"))
        yield made


def test_patch_athena(lake: Lake, bare: Lake) -> None:
    asked = "SELECT stream FROM events_files WHERE tenant = 'acme' AND day = DATE '2026-11-19'"
    assert lake.run(asked) == [["a/2"]]
    with pytest.raises(QueryFailed):
        bare.run(asked)
    with pytest.raises(QueryFailed):
        bare.run("SELECT stream FROM events_files WHERE stream = ?", "'a/1'")


def test_a_view_keeps_the_last_version_and_sums_are_exact(lake: Lake) -> None:
    assert lake.run(OF_ACME) == [["25.00"]]
    assert lake.run("SELECT sum(amount) FROM events_files WHERE tenant = 'acme'") == [["25.01"]]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT sum(amount) FROM events",
        "SELECT sum(amount) FROM events_files WHERE day = DATE '2026-11-20'",
        "SELECT sum(amount) FROM events WHERE tenant > 'a'",
        "SELECT sum(amount) FROM events WHERE tenant = stream",
        "SELECT * FROM (SELECT * FROM events LIMIT 5) WHERE tenant = 'acme'",
        "SELECT * FROM events WHERE tenant = 'acme' AND stream IN (SELECT stream FROM events_files)",
    ],
)
def test_a_query_that_names_no_tenant_is_refused(lake: Lake, query: str) -> None:
    with pytest.raises(QueryFailed, match="injected projected partition column tenant"):
        lake.run(query)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SELECT count(*) FROM events WHERE tenant IN ('acme', 'globex')", "4"),
        (
            "WITH own AS (SELECT tenant, count(*) AS n FROM events GROUP BY 1) SELECT n FROM own WHERE tenant = 'acme'",
            "3",
        ),
        ("SELECT count(*) FROM events a JOIN events_files b ON a.tenant = b.tenant WHERE b.tenant = 'globex'", "1"),
        ("SELECT count(*) FROM (SELECT * FROM events UNION ALL SELECT * FROM events) WHERE tenant = 'globex'", "2"),
        ("SELECT count(*) FROM events WHERE tenant = 'nobody'", "0"),
    ],
)
def test_a_tenant_reaches_what_the_query_is_made_of(lake: Lake, query: str, answer: str) -> None:
    assert lake.run(query) == [[answer]]


def test_parameters_are_literals(lake: Lake) -> None:
    asked = "SELECT stream FROM events WHERE tenant = ? AND day BETWEEN ? AND ? AND amount = ? AND stream <> '?'"
    days = f"DATE '{DAY}'", f"DATE '{DAY}'"
    assert lake.run(asked, "'acme'", *days, "DECIMAL '19.99'") == [["a/1"]]
    for faulty in ("1 OR true", "stream", "(SELECT 1)", "'a'; DROP TABLE events"):
        with pytest.raises(ClientError, match="is no literal"):
            lake.start(asked, "'acme'", *days, faulty)
    with pytest.raises(ClientError, match="expected 4 but found 1"):
        lake.start(asked, "'acme'")
    assert lake.run("SELECT count(*) FROM events WHERE tenant = 'acme' AND stream = ?", "'x'' OR ''1''=''1'") == [["0"]]


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("json_extract_scalar(max(data), '$.a.b')", "é😀"),
        ("date_trunc('day', max(at))", "2026-11-20 00:00:00.000"),
        ("min(at)", "2026-11-20 12:00:00.123"),
        ("date_format(min(day), '%Y')", "2026"),
        ("from_iso8601_timestamp('2026-11-20T00:00:00Z') > max(at)", "false"),
        ("count_if(regexp_like(stream, '^a/'))", "3"),
        ("approx_distinct(stream)", "2"),
        ("max(element_at(tags, 1))", "x"),
        ("max(cardinality(tags))", "2"),
        ("max(tags)", "[x, y]"),
        ("max(cast('1.5' AS double)) / 1E8", "1.5E-8"),
        ("max_by(stream, version)", "a/1"),
        ("max(try_cast(stream AS bigint))", None),
        ("sum(version)", "4"),
        ("sum(amount) FILTER (WHERE paid)", "0.01"),
    ],
)
def test_dialect(lake: Lake, expression: str, answer: str | None) -> None:
    assert lake.run(f"SELECT {expression} FROM events WHERE tenant = 'acme'") == [[answer]]


def test_types_and_where_the_results_are(lake: Lake) -> None:
    query_id = lake.start("SELECT sum(amount) AS total, stream FROM events WHERE tenant = 'acme' GROUP BY stream")
    place = lake.ended(query_id)["ResultConfiguration"]["OutputLocation"]
    assert place == f"s3://{lake.bucket}/results/{query_id}.csv"
    body = lake.emulator.client("s3").get_object(Bucket=lake.bucket, Key=f"results/{query_id}.csv")["Body"].read()
    assert body.splitlines()[0] == b'"total","stream"'
    results = lake.emulator.client("athena").get_query_results(QueryExecutionId=query_id)["ResultSet"]
    total, stream = results["ResultSetMetadata"]["ColumnInfo"]
    assert (total["Type"], total["Precision"], total["Scale"]) == ("decimal", 38, 2)
    assert stream["Type"] == "varchar"


def test_days_out_of_range_and_hidden_objects_are_not_read(lake: Lake) -> None:
    lake.put("initech", "2025-12-31", row("i/1", 1, "1.00"))
    lake.put("initech", DAY, row("i/1", 2, "1.00"), name="_unfinished")
    assert lake.run("SELECT count(*) FROM events_files WHERE tenant = 'initech'") == [["0"]]


def test_a_file_of_another_type_is_bad_data(lake: Lake) -> None:
    lake.put_table("hooli", DAY, pa.table({"stream": ["h/1"], "amount": [19.99]}))
    with pytest.raises(QueryFailed, match="HIVE_BAD_DATA"):
        lake.run("SELECT * FROM events_files WHERE tenant = 'hooli'")
    lake.put_table("stark", DAY, pa.table({"stream": ["s/1"]}))
    assert lake.run("SELECT stream, amount FROM events_files WHERE tenant = 'stark'") == [["s/1", None]]


def test_it_reads_and_writes_with_the_permissions_of_the_caller(lake: Lake) -> None:
    own = f"arn:aws:s3:::{lake.bucket}/tables/acme/*"
    role = make_role(
        lake.emulator,
        allow(["athena:StartQueryExecution", "glue:GetTable"], ["*"]),
        allow(["s3:GetObject"], [own]),
        allow(
            ["s3:ListBucket"], [f"arn:aws:s3:::{lake.bucket}"], Condition={"StringLike": {"s3:prefix": "tables/acme/*"}}
        ),
        allow(["s3:PutObject"], [f"arn:aws:s3:::{lake.bucket}/results/*"]),
    )
    client = as_role(lake.emulator, role, "athena")
    assert lake.run(OF_ACME, client=client) == [["25.00"]]
    with pytest.raises(QueryFailed, match="not allowed to s3:ListBucket"):
        lake.run("SELECT * FROM events WHERE tenant = 'globex'", client=client)
    without = make_role(lake.emulator, allow(["athena:StartQueryExecution", "glue:GetTable"], ["*"]))
    with pytest.raises(QueryFailed, match="not allowed to s3:ListBucket"):
        lake.run(OF_ACME, client=as_role(lake.emulator, without, "athena"))
    blind = make_role(lake.emulator, allow(["athena:StartQueryExecution", "s3:*"], ["*"]))
    with pytest.raises(QueryFailed, match="not allowed to glue:GetTable"):
        lake.run(OF_ACME, client=as_role(lake.emulator, blind, "athena"))


def test_results_are_for_who_may_read_them(lake: Lake) -> None:
    workgroup = f"arn:aws:athena:{lake.emulator.region}:{lake.emulator.account}:workgroup/{lake.workgroup}"
    query_id = lake.start(OF_ACME)
    lake.ended(query_id)
    see = allow(["athena:GetQueryExecution", "athena:GetQueryResults"], [workgroup])
    stranger = as_role(lake.emulator, make_role(lake.emulator, see), "athena")
    assert stranger.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["WorkGroup"] == lake.workgroup
    with pytest.raises(ClientError, match="not allowed to s3:GetObject"):
        stranger.get_query_results(QueryExecutionId=query_id)
    read = allow(["s3:GetObject"], [f"arn:aws:s3:::{lake.bucket}/results/*"])
    reader = as_role(lake.emulator, make_role(lake.emulator, see, read), "athena")
    assert len(reader.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"]) == 2
    elsewhere = allow(["athena:GetQueryExecution"], [workgroup + "-other"])
    with pytest.raises(ClientError, match="not authorized"):
        as_role(lake.emulator, make_role(lake.emulator, elsewhere), "athena").get_query_execution(
            QueryExecutionId=query_id
        )


def test_no_query_reads_the_disk(lake: Lake) -> None:
    with pytest.raises(QueryFailed):
        lake.run("SELECT * FROM read_text('/etc/hostname')")
    with pytest.raises(QueryFailed):
        lake.run("SELECT (SELECT max(content) FROM read_text('/etc/hostname')) FROM events WHERE tenant = 'acme'")


def test_a_scan_beyond_the_limit_is_cancelled(emulator: Emulator) -> None:
    limited = make_lake(emulator, BytesScannedCutoffPerQuery=10_000_000)
    limited.put("acme", DAY, row("a/1", 1, "1.00"))
    assert limited.run("SELECT count(*) FROM events WHERE tenant = 'acme'") == [["1"]]
    limited.put_table("acme", DAY, pa.table({"stream": [os.urandom(500).hex() for _ in range(20_000)]}))
    with pytest.raises(QueryFailed, match="Bytes scanned limit was exceeded"):
        limited.run("SELECT count(*) FROM events WHERE tenant = 'acme'")


def test_a_token_starts_one_query(lake: Lake) -> None:
    token = "t" * 40
    assert len({lake.start(OF_ACME, ClientRequestToken=token) for _ in range(3)}) == 1


def test_each_state_is_an_event(lake: Lake) -> None:
    events, sqs = lake.emulator.client("events"), lake.emulator.client("sqs")
    url = sqs.create_queue(QueueName=lake.workgroup)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern: dict[str, Any] = {
        "source": ["aws.athena"],
        "detail-type": ["Athena Query State Change"],
        "detail": {"workgroupName": [lake.workgroup], "currentState": ["SUCCEEDED", "FAILED", "CANCELLED"]},
    }
    events.put_rule(Name=lake.workgroup, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=lake.workgroup, Targets=[{"Id": "one", "Arn": arn}])
    ids = {lake.start(OF_ACME): "SUCCEEDED", lake.start("SELECT * FROM events"): "FAILED"}
    told: dict[str, str] = {}
    while not ids.keys() <= told.keys():  # of queries that were begun before, there may be some
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            told[detail["queryExecutionId"]] = detail["currentState"]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert {id: told[id] for id in ids} == ids
