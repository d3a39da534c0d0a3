"""The lake's writer beside an algorithm of one file a record, and beside what pyarrow can do at most.

Same records, same run, files into memory: no network on any side, which flatters who makes a request for each record.
Ours writes both tables of an event, with its data as JSON in one and in typed columns in the other, checked against
the schema. The limit is given the columns of the same two tables as ready Python values, and writes them.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from foldstack.lake.columnar import COMPRESSION, LEVEL, read, schema_of
from foldstack.lake.compaction import Compactor
from foldstack.lake.objects import StoredObject
from foldstack.lake.tables import LakeTable, view_sql
from foldstack.lake.writer import LakeWriter

from shop import service

from . import lake_peer
from .lake_records import DAY, EVENTS, PURCHASES, TABLES, TENANT, partition, purchases, total
from .measure import Comparison, Table, compare

OURS, PEER, LIMIT = "foldstack", "a file a record", "bare pyarrow"
COMPACTED, BATCHES = "foldstack, compacted", "foldstack, in batches"
GOAL_PEER, GOAL_LIMIT, GOAL_QUERY = 250, 0.5, 20
A_BATCH = 5_000
SMALL_BATCH = 100
_CODECS: tuple[tuple[str, int | None], ...] = (("snappy", None), ("zstd", 1), ("zstd", 3), ("zstd", 9))


class Memory:
    """A bucket."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def put(self, key: str, content: bytes) -> None:
        self.contents[key] = content

    def get(self, key: str) -> bytes:
        return self.contents[key]

    def list(self, prefix: str, after: str = "") -> Any:
        return iter([StoredObject(key, len(c)) for key, c in sorted(self.contents.items()) if key.startswith(prefix)])

    def delete(self, keys: Any) -> None:
        for key in list(keys):
            del self.contents[key]


def writing(records: int = 20_000, rounds: int = 5) -> dict[str, Comparison | Table]:
    """`lake_peer` and `lake_limit`: time a record; `lake_size`: bytes and PUTs."""
    for_peer = max(1, records // 100)
    batches = [purchases(min(A_BATCH, records - first), first) for first in range(0, records, A_BATCH)]
    columns = [[_columns(table, batch) for table in (EVENTS, PURCHASES)] for batch in batches]
    few, writer = purchases(for_peer), _writer(Memory())

    def ours() -> float:
        return _seconds(lambda: [writer.write(batch) for batch in batches]) / records * 1e6

    def peer() -> float:
        return _seconds(lambda: lake_peer.write(Memory().put, few)) / for_peer * 1e6

    def limit() -> float:
        return _seconds(lambda: [_bare(*table) for batch in columns for table in batch]) / records * 1e6

    note = f"batches of {A_BATCH} records, of which {for_peer} are enough for {PEER}"
    against_peer = compare(
        "Lake: writing, against a frame, a file and a PUT for each record",
        {OURS: ours, PEER: peer},
        unit="µs of the processor a record",
        rounds=rounds,
        faster=True,
        goal=GOAL_PEER,
        notes=(note, "ours writes two tables of each event, the peer one"),
    )
    against_limit = compare(
        "Lake: writing, against a bare columnar write of the same two tables",
        {OURS: ours, LIMIT: limit},
        unit="µs of the processor a record",
        rounds=rounds,
        faster=True,
        goal=GOAL_LIMIT,
        notes=(f"{LIMIT} is given ready columns of Python values: no JSON, no check, no grouping",),
    )
    return {"lake_peer": against_peer, "lake_limit": against_limit, "lake_size": _sizes(batches, few)}


def compression(records: int = 20_000) -> Table:
    """What a codec costs and saves: the choice of `columnar`."""
    batch = purchases(records)
    tables = [pa.table(*_columns(table, batch)) for table in (EVENTS, PURCHASES)]
    rows = []
    for codec, level in _CODECS:
        began = time.process_time()
        contents = [_parquet(table, codec, level) for table in tables]
        written = time.process_time()
        for content in contents:
            read(content)
        done = time.process_time()
        rows.append(
            {
                "codec": codec if level is None else f"{codec} {level}",
                "bytes_a_record": sum(map(len, contents)) / records,
                "write_us_a_record": (written - began) / records * 1e6,
                "read_us_a_record": (done - written) / records * 1e6,
            }
        )
    return Table("Lake: compression of the two tables of an event", rows, (f"in use: {COMPRESSION} {LEVEL}",))


def queries(records: int = 5_000, rounds: int = 7) -> Comparison:
    """The same sum over the peer's files and over ours, through the view that leaves a row of each key."""
    with TemporaryDirectory(prefix="foldstack-benchmark-") as folder:
        home, sides = Path(folder), {}
        batches, peers = Memory(), Memory()
        for first in range(0, records, SMALL_BATCH):
            _writer(batches).write(purchases(min(SMALL_BATCH, records - first), first))
        lake_peer.write(peers.put, purchases(records))
        compacted = Memory()
        compacted.contents |= batches.contents
        Compactor(compacted).compact(PURCHASES, partition(PURCHASES))
        merged = {key: content for key, content in compacted.contents.items() if "/merged-" in key}
        for name, contents in ((COMPACTED, merged), (BATCHES, _of(PURCHASES, batches))):
            sides[name] = _our_query(_on_disk(home / name, contents), total(records))
        sides[PEER] = _peer_query(_on_disk(home / "peer", peers.contents), records)
        return compare(
            "Lake: a sum by product over one day, by DuckDB",
            sides,
            unit="ms",
            rounds=rounds,
            faster=True,
            peer=PEER,
            goal=GOAL_QUERY,
            notes=(
                f"{records} records: a file each, {-(-records // SMALL_BATCH)} files of {SMALL_BATCH}, or one",
                "files on a disk: on S3 each costs requests of its own besides",
                "our sum is exact and ends through the view; the peer's is of 32-bit floats",
            ),
        )


def _writer(bucket: Memory) -> LakeWriter:
    def refuse(kind: str, reason: str, **pointer: Any) -> None:
        raise AssertionError(reason)

    return LakeWriter(bucket.put, service, TABLES, refuse)


def _bare(columns: dict[str, list], schema: pa.Schema) -> None:
    _parquet(pa.table(columns, schema), COMPRESSION, LEVEL)


def _parquet(table: pa.Table, codec: str, level: int | None) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=codec, compression_level=level, store_schema=False)
    return sink.getvalue().to_pybytes()


def _columns(table: LakeTable, batch: Any) -> tuple[dict[str, list], pa.Schema]:
    """What our writer makes of a batch, as lists of Python values."""
    bucket = Memory()
    _writer(bucket).write(batch)
    (content,) = _of(table, bucket).values()
    rows = read(content)
    return {name: rows[name].to_pylist() for name in rows.column_names}, schema_of(table)


def _of(table: LakeTable, bucket: Memory) -> dict[str, bytes]:
    return {key: content for key, content in bucket.contents.items() if key.startswith(partition(table))}


def _sizes(batches: list[Any], few: list[Any]) -> Table:
    ours, peer = Memory(), Memory()
    for batch in batches:
        _writer(ours).write(batch)
    lake_peer.write(peer.put, few)
    records = sum(map(len, batches))
    typed = _of(PURCHASES, ours)
    return Table(
        "Lake: what is stored",
        [
            _size(f"{OURS}, typed table", typed, records),
            _size(f"{OURS}, both tables", ours.contents, records),
            _size(PEER, peer.contents, len(few)),
        ],
        ("the typed table holds what the peer's holds; the other holds the data as JSON besides",),
    )


def _size(side: str, contents: dict[str, bytes], records: int) -> dict[str, Any]:
    return {
        "side": side,
        "bytes_a_record": sum(map(len, contents.values())) / records,
        "puts_a_thousand": len(contents) / records * 1000,
    }


def _on_disk(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for number, content in enumerate(contents.values()):
        (folder / f"{number}.parquet").write_bytes(content)
    return folder


def _our_query(folder: Path, expected: Any) -> Callable[[], float]:
    database = duckdb.connect()
    database.execute(
        f"CREATE VIEW {PURCHASES.files} AS SELECT *, '{TENANT}' AS tenant, DATE '{DAY}' AS \"day\" "
        f"FROM read_parquet('{folder}/*.parquet')"
    )
    database.execute(f"CREATE VIEW {PURCHASES.name} AS {view_sql(PURCHASES)}")
    sql = f"SELECT product_id, sum(amount.amount) FROM {PURCHASES.name} WHERE tenant = '{TENANT}' GROUP BY 1"
    return lambda: _asked(database, sql, lambda rows: sum(amount for _, amount in rows) == expected)


def _peer_query(folder: Path, records: int) -> Callable[[], float]:
    sql = f"SELECT product_id, sum(amount), count(*) FROM read_parquet('{folder}/*.parquet') GROUP BY 1"
    database = duckdb.connect()
    return lambda: _asked(database, sql, lambda rows: sum(count for *_, count in rows) == records)


def _asked(database: Any, sql: str, right: Callable[[list[Any]], bool]) -> float:
    began = time.perf_counter()
    rows = database.execute(sql).fetchall()
    elapsed = time.perf_counter() - began
    if not right(rows):
        raise AssertionError(f"another answer than the records give: {sql}")
    return elapsed * 1e3


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor: nobody waits for anything here, but for others who use it."""
    began = time.process_time()
    work()
    return time.process_time() - began
