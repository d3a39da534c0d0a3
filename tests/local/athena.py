"""A small lake in the emulator: a table of Parquet with projected partitions, a view, a workgroup."""

import base64
import io
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from local.emulator import Emulator

COLUMNS = {
    "stream": ("string", pa.string()),
    "version": ("bigint", pa.int64()),
    "at": ("timestamp", pa.timestamp("us", tz="UTC")),
    "amount": ("decimal(12,2)", pa.decimal128(12, 2)),
    "paid": ("boolean", pa.bool_()),
    "tags": ("array<string>", pa.list_(pa.string())),
    "data": ("string", pa.string()),
}
NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass
class Lake:
    """`run` asks as root, or with other credentials; it answers the rows as texts, or raises QueryFailed."""

    emulator: Emulator
    bucket: str
    database: str
    workgroup: str

    def put(self, tenant: str, day: str, *rows: dict[str, Any], name: str = "") -> None:
        """One Parquet object."""
        columns = {name: [row.get(name) for row in rows] for name in COLUMNS}
        schema = pa.schema([(name, kind) for name, (_, kind) in COLUMNS.items()])
        self.put_table(tenant, day, pa.table(columns, schema=schema), name)

    def put_table(self, tenant: str, day: str, table: pa.Table, name: str = "") -> None:
        body = io.BytesIO()
        pq.write_table(table, body)
        key = f"tables/{tenant}/events/day={day}/{name or uuid.uuid4().hex}.parquet"
        self.emulator.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body.getvalue())

    def start(self, query: str, *parameters: str, client: Any = None, **more: Any) -> str:
        athena = client or self.emulator.client("athena")
        given = {"ExecutionParameters": list(parameters)} if parameters else {}
        context = {"Database": self.database}
        return athena.start_query_execution(
            QueryString=query, QueryExecutionContext=context, WorkGroup=self.workgroup, **given, **more
        )["QueryExecutionId"]

    def ended(self, query_id: str) -> dict[str, Any]:
        athena, until = self.emulator.client("athena"), time.monotonic() + 20
        while time.monotonic() < until:
            found = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if found["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return found
            time.sleep(0.01)
        raise TimeoutError(query_id)

    def run(self, query: str, *parameters: str, client: Any = None) -> list[list[str | None]]:
        ended = self.ended(query_id := self.start(query, *parameters, client=client))
        if ended["Status"]["State"] != "SUCCEEDED":
            raise QueryFailed(ended["Status"]["State"], ended["Status"].get("StateChangeReason", ""))
        pages = self.emulator.client("athena").get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
        rows = [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]
        return rows[1:]


class QueryFailed(Exception):
    """State and reason."""


def make_lake(emulator: Emulator, **workgroup: Any) -> Lake:
    word = uuid.uuid4().hex[:8]
    lake = Lake(emulator, f"lake-{word}", f"lake_{word}", f"lake-{word}")
    emulator.client("s3").create_bucket(Bucket=lake.bucket)
    glue = emulator.client("glue")
    glue.create_database(DatabaseInput={"Name": lake.database})
    columns = [{"Name": name, "Type": kind} for name, (kind, _) in COLUMNS.items()]
    base = f"s3://{lake.bucket}/tables/"
    glue.create_table(
        DatabaseName=lake.database,
        TableInput={
            "Name": "events_files",
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": "tenant", "Type": "string"}, {"Name": "day", "Type": "date"}],
            "StorageDescriptor": {
                "Columns": columns,
                "Location": base,
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
            },
            "Parameters": {
                "classification": "parquet",
                "projection.enabled": "true",
                "projection.tenant.type": "injected",
                "projection.day.type": "date",
                "projection.day.format": "yyyy-MM-dd",
                "projection.day.range": "2026-01-01,NOW+1DAYS",
                "storage.location.template": base + "${tenant}/events/day=${day}/",
            },
        },
    )
    view = (
        "SELECT tenant, day, stream, version, at, amount, paid, tags, data FROM (SELECT *, row_number() OVER "
        "(PARTITION BY tenant, day, stream, version ORDER BY at DESC) AS nth FROM events_files) WHERE nth = 1"
    )
    packed = base64.b64encode(json.dumps({"originalSql": view}).encode()).decode()
    glue.create_table(
        DatabaseName=lake.database,
        TableInput={
            "Name": "events",
            "TableType": "VIRTUAL_VIEW",
            "ViewOriginalText": f"/* Presto View: {packed} */",
            "StorageDescriptor": {"Columns": columns},
            "PartitionKeys": [{"Name": "tenant", "Type": "string"}, {"Name": "day", "Type": "date"}],
            "Parameters": {"presto_view": "true"},
        },
    )
    emulator.client("athena").create_work_group(
        Name=lake.workgroup,
        Configuration={
            "ResultConfiguration": {"OutputLocation": f"s3://{lake.bucket}/results"},
            "EnforceWorkGroupConfiguration": True,
            **workgroup,
        },
    )
    return lake


def row(stream: str, version: int, amount: str, **more: Any) -> dict[str, Any]:
    return {"stream": stream, "version": version, "amount": Decimal(amount), "at": NOON, "tags": [], **more}
