"""A reader sees the sources, or the merged file, or both, at every moment; and in the end one file a partition."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from foldstack.lake.columnar import parquet, read, schema_of
from foldstack.lake.compaction import Compactor, VerificationError
from foldstack.lake.compaction_run import POSITION, CompactionRun
from foldstack.lake.merging import MergeError

from tests.lake.domain import service
from tests.lake.folds import assert_lake_is
from tests.lake.histories import History, history, image
from tests.lake.support import ACME, TABLES, Bucket, DyingAt, envelope, read_view, writer
from tests.store.faults import Crash

ACCOUNTS, EVENTS = TABLES["accounts"], TABLES["events"]
START = datetime(2026, 11, 21, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def written(made: History) -> Bucket:
    """In many small files, some rows in several."""
    bucket = Bucket()
    for part in range(0, len(made.envelopes), 3):
        writer(bucket).write(made.envelopes[part : part + 4], made.changes(made.images[max(0, part - 1) : part + 3]))
    return bucket


def run(bucket: Bucket, clock: Clock, **options: Any) -> CompactionRun:
    return CompactionRun(bucket, Compactor(bucket, clock=clock, **options), TABLES.values())


def always() -> bool:
    return True


def files_by_partition(bucket: Bucket) -> Counter[str]:
    keys = [key for table in TABLES.values() for tenant in ("acme", "blue") for key in bucket.files(table, tenant)]
    return Counter(key.rpartition("/")[0] for key in keys)


def test_one_file_a_partition_and_nothing_else_changes():
    made, clock = history(5), Clock()
    bucket = written(made)
    before = files_by_partition(bucket)
    first = run(bucket, clock)(always)
    assert first.done
    assert first.failed == ()
    assert first.deleted == 0
    assert_lake_is(made, bucket)
    assert all(files_by_partition(bucket)[each] >= count for each, count in before.items())
    clock.now += timedelta(minutes=61)
    assert run(bucket, clock)(always).deleted == first.merged
    assert set(files_by_partition(bucket).values()) == {1}
    assert_lake_is(made, bucket)
    assert [key for key in bucket.contents if "/_" in key] == []
    kept = dict(bucket.contents)
    assert run(bucket, clock)(always).partitions == 0
    assert bucket.contents == kept


class Watching:
    """At each call of the compactor: what a reader gets now, and that what one listed in the hour before, when there
    was no merged file yet, is still there for it."""

    def __init__(self, bucket: Bucket, clock: Clock) -> None:
        self.bucket, self.clock = bucket, clock
        self.listed: dict[str, datetime] = {}
        self.expected = self.read()
        self.steps = 0

    def read(self) -> list[Any]:
        return [read_view(self.bucket, table) for table in (EVENTS, ACCOUNTS)]

    def __call__(self, when: str, call: str) -> None:
        self.steps += 1
        self.bucket.around = lambda when, call: None
        assert self.read() == self.expected
        if not any("/merged-" in key for key in self.bucket.contents):
            self.listed = dict.fromkeys(self.bucket.contents, self.clock.now)
        for key, at in self.listed.items():
            assert key in self.bucket.contents or self.clock.now - at >= timedelta(minutes=60)
        self.bucket.around = self


def test_a_reader_never_misses_a_row():
    made, clock = history(7, commits=12, ids=3), Clock()
    bucket = written(made)
    watching = bucket.around = Watching(bucket, clock)
    for minutes in (0, 30, 29, 2, 61):
        clock.now += timedelta(minutes=minutes)
        assert run(bucket, clock)(always, "tables/acme/").failed == ()
    assert watching.steps > 20


def calls_of_a_whole_compaction(made: History) -> int:
    bucket, clock, calls = written(made), Clock(), []
    bucket.around = lambda when, call: calls.append(call) if when == "before" else None
    for _ in range(3):
        run(bucket, clock)(always, "tables/acme/")
        clock.now += timedelta(minutes=61)
    return len(calls)


SMALL = history(9, commits=10, ids=2)
CALLS = calls_of_a_whole_compaction(SMALL)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("part", range(4))
def test_a_compactor_may_die_at_any_step(part, when):
    assert CALLS > 40
    for step in range(part, CALLS, 4):
        bucket, clock = written(SMALL), Clock()
        dying = bucket.around = DyingAt(step, when)
        for _ in range(8):
            try:
                run(bucket, clock)(always, "tables/acme/")
            except Crash:
                assert_lake_is(SMALL, bucket, tenants=[ACME])
            clock.now += timedelta(minutes=31)
        assert dying.died or when == "after"
        assert_lake_is(SMALL, bucket, tenants=[ACME])
        assert {n for key, n in files_by_partition(bucket).items() if key.startswith("tables/acme/")} == {1}


def test_what_comes_meanwhile_is_merged_too():
    made, clock, rng = history(11), Clock(), random.Random(11)
    bucket = Bucket()
    for part in range(0, len(made.envelopes), 2):
        some = slice(part, part + 2)
        writer(bucket).write(made.envelopes[some], made.changes(rng.choices(made.images, k=2) + made.images[some]))
        run(bucket, clock)(always)
        clock.now += timedelta(minutes=rng.randrange(90))
    assert_lake_is(made, bucket)
    for _ in range(3):
        clock.now += timedelta(minutes=61)
        run(bucket, clock)(always)
    assert_lake_is(made, bucket)
    assert set(files_by_partition(bucket).values()) == {1}


def deleted_account() -> tuple[History, list[dict[str, Any]]]:
    made = history(1, commits=30)
    stream = next(s for s, lead in made.rows.items() if s.tenant == ACME and lead.row)
    lead = made.rows[stream]
    made.rows = {stream: lead}
    created = image(stream, None, lead, START)
    gone = image(stream, lead, lead._replace(cursor=lead.cursor + 1, row=None), START)
    return made, [created, gone]


def test_a_tombstone_stays_while_an_older_version_may_come_late():
    made, (created, gone) = deleted_account()
    bucket, clock = Bucket(), Clock()
    writer(bucket).write([], made.changes([created]))
    writer(bucket).write([], made.changes([gone]))
    for _ in range(15):
        run(bucket, clock)(always)
        assert read_view(bucket, ACCOUNTS) == []
        clock.now += timedelta(hours=23)
    run(bucket, clock)(always)
    writer(bucket).write([], made.changes([created]))
    assert read_view(bucket, ACCOUNTS) == []
    clock.now += timedelta(days=2)
    run(bucket, clock)(always)
    rows = [row for content in bucket.files(ACCOUNTS).values() for row in read(content).to_pylist()]
    assert {row["deleted"] for row in rows} == {True, False}


def test_a_tombstone_goes_when_no_older_version_can_come():
    made, (created, gone) = deleted_account()
    bucket, clock = Bucket(), Clock()
    writer(bucket).write([], made.changes([created]))
    writer(bucket).write([], made.changes([gone]))
    for days in (0, 1, 15, 1, 1):
        clock.now += timedelta(days=days)
        run(bucket, clock)(always)
        assert read_view(bucket, ACCOUNTS) == []
    (content,) = bucket.files(ACCOUNTS).values()
    assert len(read(content)) == 0
    kept = dict(bucket.contents)
    run(bucket, clock)(always)
    assert bucket.contents == kept


def test_what_was_deleted_is_in_no_file_when_its_versions_are_merged():
    """An hour later, when the files that had them are deleted: what stays is the tombstone, for some days more."""
    made, (created, gone) = deleted_account()
    bucket, clock = Bucket(), Clock()
    writer(bucket).write([], made.changes([created]))
    writer(bucket).write([], made.changes([gone]))
    owner = rows_in_files(bucket)[0]["owner"]
    assert owner
    run(bucket, clock)(always)
    assert [row["owner"] for row in rows_in_files(bucket)].count(owner) == 1, "a query may still be reading it"
    clock.now += timedelta(minutes=61)
    run(bucket, clock)(always)
    (left,) = rows_in_files(bucket)
    kept = {name for name, value in left.items() if value not in (None, "")}
    assert left["deleted"]
    assert kept.isdisjoint(service.projections["accounts"].row_type.model_fields), "of the row itself, nothing"


def rows_in_files(bucket: Bucket) -> list[dict[str, Any]]:
    """Every row in a file, be it read or not."""
    return [row for content in bucket.files(ACCOUNTS).values() for row in read(content).to_pylist()]


def put_events(bucket: Bucket, name: str, table: pa.Table) -> str:
    partition = TABLES[name].location(ACME, "2026-11-20")
    bucket.contents[f"{partition}batch-other.parquet"] = parquet(table)
    return partition


def test_a_file_from_before_a_field_was_added_has_null_there():
    bucket, clock = Bucket(), Clock()
    writer(bucket).write([envelope("a", ("Closed", 1, {"reason": "r"}))])
    table = TABLES["event_closed"]
    older = pa.table({"stream": ["account#b"], "version": [1], "epoch": [1], "part": [0]})
    partition = put_events(bucket, "event_closed", older)
    Compactor(bucket, clock=clock).compact(table, partition)
    clock.now += timedelta(hours=2)
    Compactor(bucket, clock=clock).compact(table, partition)
    (content,) = bucket.files(table).values()
    assert read(content).schema == schema_of(table)
    assert [(row["stream"], row["reason"]) for row in read(content).to_pylist()] == [
        ("account#a", "r"),
        ("account#b", None),
    ]


@pytest.mark.parametrize("other", [{"reason": pa.array([1])}, {"gone": pa.array(["x"])}])
def test_a_file_that_holds_what_the_table_does_not_is_left_as_it_is(other):
    bucket, clock = Bucket(), Clock()
    writer(bucket).write([envelope("a", ("Closed", 1, {"reason": "r"}))])
    strange = pa.table({"stream": ["account#b"], "version": [1], "epoch": [1], "part": [0], **other})
    partition = put_events(bucket, "event_closed", strange)
    before = dict(bucket.contents)
    with pytest.raises(MergeError, match="Fields are added, never removed or changed"):
        Compactor(bucket, clock=clock).compact(TABLES["event_closed"], partition)
    assert bucket.contents == before
    told = run(bucket, clock)(always)
    assert [each.split(":")[0] for each in told.failed] == [partition]


def test_a_file_that_is_not_what_was_put_replaces_nothing():
    class Corrupting(Bucket):
        def put(self, key: str, content: bytes) -> None:
            super().put(key, content[:-9] if "merged-" in key else content)

    bucket = Corrupting()
    for id in ("a", "b"):
        writer(bucket).write([envelope(id, ("Closed", 1, {}))])
    with pytest.raises(VerificationError):
        Compactor(bucket, clock=Clock()).compact(EVENTS, EVENTS.location(ACME, "2026-11-20"))
    assert [key for key in bucket.contents if "/_merged" in key] == []
    assert len([key for key in bucket.files(EVENTS) if "/batch-" in key]) == 2


def test_the_sources_stay_where_the_merged_file_is_gone():
    made, clock = history(5, commits=10), Clock()
    bucket = written(made)
    run(bucket, clock)(always)
    for key in [key for key in bucket.contents if "/merged-" in key]:
        del bucket.contents[key]
    for _ in range(3):
        clock.now += timedelta(minutes=61)
        run(bucket, clock)(always)
        assert_lake_is(made, bucket)
    assert set(files_by_partition(bucket).values()) == {1}


def test_a_file_of_the_target_size_is_merged_no_more():
    bucket, clock = Bucket(), Clock()
    for id in "abc":
        writer(bucket).write([envelope(id, ("Closed", 1, {}))])
    size = max(map(len, bucket.files(EVENTS).values()))
    done = Compactor(bucket, clock=clock, target=2 * size).compact(EVENTS, EVENTS.location(ACME, "2026-11-20"))
    assert done.merged == 2


def test_a_run_goes_on_where_the_last_one_had_no_time_left():
    made, clock = history(5), Clock()
    bucket = written(made)
    runs = 0
    while True:
        left = [True, True, False]
        runs += 1
        if run(bucket, clock)(lambda left=left: left.pop(0)).done:
            break
        assert bucket.contents[POSITION]
    assert runs > 4
    assert_lake_is(made, bucket)
    partitions = {key.rpartition("/")[0] for key in bucket.contents if "/merged-" in key}
    assert partitions == {key for key, count in files_by_partition(written(made)).items() if count > 1}


def test_a_table_that_the_domain_no_longer_has_is_told_and_left():
    bucket = Bucket()
    for name in ("a", "b"):
        bucket.contents[f"tables/acme/event_forgotten/day=2026-11-20/batch-{name}.parquet"] = b""
    told = run(bucket, Clock())(always)
    assert told.failed == (
        "tables/acme/event_forgotten/day=2026-11-20/: no table of the domain is called so; it is left as it is",
    )
