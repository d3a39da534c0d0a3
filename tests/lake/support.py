"""A bucket in memory with faults on request, and the lake read as its readers do: through the view of a table."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import StoreThrottled
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.upcasting import StoredEvent
from foldstack.lake.columnar import read
from foldstack.lake.objects import StoredObject
from foldstack.lake.tables import LakeTable, tables_of, view_sql
from foldstack.lake.writer import LakeWriter

from tests.lake.domain import service
from tests.store.faults import Crash

TABLES = {table.name: table for table in tables_of(service)}
ACME = Tenant("acme")
TIME = "2026-11-20T15:00:00.123456+00:00"


class Bucket:
    """`around` is told of each call before it is done and after, and may raise. `refused` says of each put whether
    it is refused."""

    def __init__(self, refused: Callable[[int], bool] = lambda put: False) -> None:
        self.contents: dict[str, bytes] = {}
        self.around: Callable[[str, str], None] = lambda when, call: None
        self.puts = 0
        self._refused = refused

    def put(self, key: str, content: bytes) -> None:
        self.puts += 1
        if self._refused(self.puts):
            raise StoreThrottled("SlowDown")
        self.around("before", "put")
        self.contents[key] = content
        self.around("after", "put")

    def get(self, key: str) -> bytes:
        self.around("before", "get")
        return self.contents[key]

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        self.around("before", "list")
        for key, content in sorted(self.contents.items()):
            if key.startswith(prefix) and key > after:
                yield StoredObject(key, len(content))

    def delete(self, keys: Iterable[str]) -> None:
        """One by one: a process may die between two of them."""
        for key in keys:
            self.around("before", "delete")
            self.contents.pop(key, None)
            self.around("after", "delete")

    def files(self, table: LakeTable, tenant: str = ACME) -> dict[str, bytes]:
        prefix = f"tables/{tenant}/{table.name}/"
        found = {key: content for key, content in self.contents.items() if key.startswith(prefix)}
        return {key: content for key, content in found.items() if not key.split("/")[-1].startswith("_")}


class DyingAt:
    """Raises Crash at the call with the number `step`, from 0, before it or after it is done."""

    def __init__(self, step: int, when: str) -> None:
        self.left = step
        self.when = when
        self.died = False

    def __call__(self, when: str, call: str) -> None:
        if when != self.when or self.died:
            return
        if self.left == 0:
            self.died = True
            raise Crash(call)
        self.left -= 1


class Parked(list):
    def __call__(self, kind: str, reason: str, **pointer: Any) -> None:
        self.append({"kind": kind, "reason": reason, **pointer})


def writer(bucket: Bucket, parked: Parked | None = None) -> LakeWriter:
    return LakeWriter(bucket.put, service, TABLES.values(), Parked() if parked is None else parked)


def read_view(bucket: Bucket, table: LakeTable, tenant: str = ACME) -> list[dict[str, Any]]:
    """What a reader of the table gets, by its view."""
    files = []
    for key, content in bucket.files(table, tenant).items():
        rows = read(content)
        day = key.split("/")[3].removeprefix("day=")
        files.append(
            rows.append_column("tenant", pa.array([tenant] * len(rows), pa.string())).append_column(
                "day", pa.array([day] * len(rows), pa.string())
            )
        )
    if not files:
        return []
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    database.register(table.files, pa.concat_tables(files))
    found = database.sql(view_sql(table)).to_arrow_table().to_pylist()
    return sorted(found, key=lambda row: tuple(str(row[name]).rjust(12) for name in table.key))


def envelope(
    id: str, *events: tuple[str, int, dict], first: int = 1, time: str = TIME, tenant: Tenant = ACME, epoch: int = 1
) -> Envelope:
    stored = tuple(StoredEvent(type, schema, first + n, data) for n, (type, schema, data) in enumerate(events))
    types = tuple(event.type for event in stored)
    stream = StreamId.of(tenant, "account", id)
    return Envelope(stream, first, first + len(stored), {}, types, time, epoch, stored, "correlation", "causation")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def same_number(one: Decimal, other: Decimal) -> bool:
    return one == other
