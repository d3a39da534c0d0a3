"""Nothing is acknowledged that is not stored; the lake, read through its views, is the fold of the store."""

import itertools
import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from urllib.parse import unquote, urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from foldstack.aws import clients
from foldstack.kernel.errors import StoreThrottled
from foldstack.kernel.generations import Control
from foldstack.lake.entities import Unusable
from foldstack.lake.objects import S3Objects
from foldstack.lake.writer import LakeWriter
from urllib3 import HTTPResponse

from tests.lake.domain import service
from tests.lake.folds import assert_lake_is
from tests.lake.histories import History, history, image, shuffled
from tests.lake.support import ACME, TABLES, Bucket, DyingAt, Parked, envelope, read_view, writer
from tests.store.faults import Crash

SEEDS = range(4)


def deliver(made: History, bucket: Bucket, rng: random.Random) -> int:
    """As Lambda does: what failed comes again later, with others. Answers how many batches failed."""
    failed = 0
    left = [("envelope", each) for each in made.envelopes] + [("image", each) for each in made.images]
    batches = shuffled(rng, left)
    while batches:
        batch = batches.pop(0)
        envelopes = [each for kind, each in batch if kind == "envelope"]
        images = [each for kind, each in batch if kind == "image"]
        try:
            writer(bucket).write(envelopes, made.changes(images))
        except (StoreThrottled, Crash):
            failed += 1
            half = len(batch) // 2
            batches += [part for part in (batch[half:], batch[:half]) if part]
            bucket.around = lambda when, call: None
    return failed


@pytest.mark.parametrize("seed", SEEDS)
def test_duplicates_in_any_order_and_refused_puts_leave_the_fold_of_the_store(seed):
    made, refusing = history(seed), random.Random(seed)
    bucket = Bucket(lambda put: refusing.randrange(3) == 0)
    assert deliver(made, bucket, random.Random(seed)) > 0
    assert_lake_is(made, bucket)


def test_s3_that_refuses_every_third_request_costs_no_batch(monkeypatch):
    """By the real client, whose next attempt is granted: so not even a batch of three objects waits for ever."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    made, bucket, numbers = history(1), Bucket(), itertools.count(1)
    refused: list[str] = []
    s3 = botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://bucket",
        aws_access_key_id="one",
        aws_secret_access_key="two",
        config=Config(retries={"mode": "standard", "total_max_attempts": clients.ATTEMPTS}),
    )

    def answer(request, **_):
        status, key = 200, unquote(urlsplit(request.url).path).removeprefix("/lake/")
        if next(numbers) % 3 == 0:
            status = 503
            refused.append(key)
        else:
            bucket.put(key, request.body.read())
        return AWSResponse(request.url, status, {}, HTTPResponse(BytesIO(), preload_content=False))

    s3.meta.events.register("before-send.s3.PutObject", answer)
    put = S3Objects(s3, "lake").put
    for batch in shuffled(random.Random(1), made.envelopes):
        LakeWriter(put, service, TABLES.values(), Parked()).write(batch)
    LakeWriter(put, service, TABLES.values(), Parked()).write([], made.changes())
    assert len(refused) == (bucket.puts + len(refused)) // 3 >= 10
    assert_lake_is(made, bucket)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(0, 30, 5))
def test_a_writer_that_dies_leaves_the_fold_of_the_store(step, when):
    made, bucket = history(step), Bucket()
    bucket.around = DyingAt(step, when)
    assert deliver(made, bucket, random.Random(step)) == 1
    assert_lake_is(made, bucket)


def test_a_batch_whose_put_fails_is_not_acknowledged():
    bucket, parked = Bucket(lambda put: True), Parked()
    with pytest.raises(StoreThrottled):
        writer(bucket, parked).write([envelope("a", ("Closed", 1, {}), ("Closed", 1, {"no": 1}))])
    assert (bucket.contents, parked) == ({}, [])


def test_what_cannot_be_parked_is_not_acknowledged():
    def refusing(kind, reason, **pointer):
        raise StoreThrottled("no queue")

    made = LakeWriter(Bucket().put, service, TABLES.values(), refusing)
    with pytest.raises(StoreThrottled):
        made.write([envelope("a", ("Closed", 1, {"no": 1}))])


def test_one_object_for_each_table_tenant_and_day():
    made, bucket = history(3), Bucket()
    done = writer(bucket).write(made.envelopes, made.changes())
    partitions = {key.rpartition("/")[0] for key in bucket.contents}
    assert len(partitions) == len(bucket.contents) == bucket.puts == done.objects
    assert partitions >= {f"tables/acme/events/day={day}" for day in ("2026-11-19", "2026-11-20")}
    assert all(key.startswith(("tables/acme/", "tables/blue/")) for key in partitions)
    assert_lake_is(made, bucket)


@pytest.mark.parametrize(
    ("type_", "schema", "data", "reason"),
    [
        ("Paid", 1, {"amount": "1E-10", "at": "2026-11-20T00:00:00Z"}, r"amount does not fit decimal\(38,9\): it has"),
        ("Paid", 1, {"amount": "1", "at": "2026-11-20T00:00:00"}, "at does not fit timestamp: it needs an offset"),
        ("Paid", 1, {"amount": "1"}, "at: Field required"),
        ("Paid", 1, {"amount": "1", "at": "2026-11-20T00:00:00Z", "tip": 1}, "tip: Extra inputs are not permitted"),
        ("Paid", 1, {"amount": ["secret"], "at": "2026-11-20T00:00:00Z"}, "amount: "),
        ("Paid", 1, ["secret"], "Input should be"),
        ("Paid", 1, {"amount": {"a": 1}, "at": "2026-11-20T00:00:00Z"}, "amount: "),
        ("Paid", 9, {"amount": "1"}, "this code knows it up to version 1"),
        ("Strange", 1, {}, "unknown to this code"),
        ("Opened", 1, {}, "its upcaster raised KeyError"),
    ],
)  # fmt: skip
def test_what_fits_no_table_is_parked_with_its_reason_and_all_else_is_stored(type_, schema, data, reason):
    bucket, parked = Bucket(), Parked()
    good = ("Paid", 1, {"amount": "2.5", "at": "2026-11-20T00:00:00Z"})
    done = writer(bucket, parked).write([envelope("a", good, (type_, schema, data), good)])
    assert done.parked == len(parked) == 1
    (told,) = parked
    assert (told["kind"], told["tenant"], told["stream"], told["version"]) == ("lake", "acme", "account#a", 2)
    assert re.search(reason, told["reason"])
    assert "secret" not in str(told)
    assert [row["version"] for row in read_view(bucket, TABLES["event_paid"])] == [1, 3]
    assert [row["version"] for row in read_view(bucket, TABLES["events"])] == [1, 2, 3]


def test_text_that_is_no_unicode_is_parked():
    bucket, parked = Bucket(), Parked()
    writer(bucket, parked).write([envelope("a", ("Closed", 1, {"reason": "\ud800"}), ("Closed", 1, {}))])
    assert [(each["version"], each["reason"]) for each in parked] == [
        (1, "its data is no JSON: a text in it is no Unicode")
    ]
    assert [row["version"] for row in read_view(bucket, TABLES["events"])] == [2]


def test_values_that_the_model_takes_are_stored_as_it_writes_them():
    bucket, parked = Bucket(), Parked()
    writer(bucket, parked).write([envelope("a", ("Paid", 1, {"amount": 5, "at": 1_000_000_000}))])
    (row,) = read_view(bucket, TABLES["event_paid"])
    assert (str(row["amount"]), row["data_at"], parked) == (
        "5.000000000",
        datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC),
        [],
    )


def test_a_field_that_a_later_schema_added_is_null_in_events_before_it():
    bucket, parked = Bucket(), Parked()
    writer(bucket, parked).write([envelope("a", ("Opened", 2, {"owner": "o"}), ("Closed", 1, {}))])
    assert [row["limit"] for row in read_view(bucket, TABLES["event_opened"])] == [None]
    assert [row["reason"] for row in read_view(bucket, TABLES["event_closed"])] == [None]
    assert parked == []


def test_a_time_that_is_not_utc_has_no_day():
    parked = Parked()
    writer(Bucket(), parked).write([envelope("a", ("Closed", 1, {}), time="2026-11-20T23:30:00-05:00")])
    assert "no RFC 3339 in UTC" in parked[0]["reason"]


def test_events_that_did_not_travel_are_to_be_read_first():
    with pytest.raises(ValueError, match="read the store first"):
        writer(Bucket()).write([replace(envelope("a", ("Closed", 1, {})), stored=None)])


def test_what_was_unusable_before_is_parked_too():
    parked = Parked()
    done = writer(Bucket(), parked).write([], [], [Unusable({"view": "accounts", "id": "a"}, "no row")])
    assert (done.parked, parked) == (1, [{"kind": "lake", "reason": "no row", "view": "accounts", "id": "a"}])


def test_the_newest_epoch_wins():
    bucket = Bucket()
    after = envelope("a", ("Closed", 1, {"reason": "after"}), epoch=2)
    for each in (after, envelope("a", ("Closed", 1, {"reason": "before"}))):
        writer(bucket).write([each])
    assert [row["reason"] for row in read_view(bucket, TABLES["event_closed"])] == ["after"]


def test_a_row_removed_from_its_table_is_removed_from_the_lake():
    made, bucket = history(1), Bucket()
    stream, lead = next((s, lead) for s, lead in made.rows.items() if s.tenant == ACME and lead.row)
    removed = image(stream, lead, None, datetime(2026, 11, 21, tzinfo=UTC))
    writer(bucket).write([], made.changes([removed]))
    writer(bucket).write([], made.changes())
    assert stream.id not in {row["id"] for row in read_view(bucket, TABLES["accounts"])}


def test_only_rows_of_the_generation_that_is_read_count_and_a_turn_of_it_wins():
    made, bucket = history(2), Bucket()
    stream, lead = next((s, lead) for s, lead in made.rows.items() if s.tenant == ACME and lead.row)
    at = datetime(2026, 11, 21, tzinfo=UTC)
    older, newer = lead, lead._replace(cursor=2, row={**(lead.row or {}), "owner": "new"})
    records = [image(stream, None, older, at, 1), image(stream, None, newer, at, 2)]
    owners = []
    for control in (Control(), Control(live=2, other=1, turn=1), Control(live=1, other=2, turn=2)):
        changes, _ = made.entities(control).of_stream(records)
        assert len(changes) == 1
        writer(bucket).write([], changes)
        owners += [row["owner"] for row in read_view(bucket, TABLES["accounts"])]
    assert owners == [older.row["owner"], "new", older.row["owner"]]


def test_items_that_are_no_rows_are_left_out():
    made = history(1)
    stream, lead = next(iter(made.rows.items()))
    at = datetime(2026, 11, 21, tzinfo=UTC)
    keys = ["#control", "#sweep", f"{stream.tenant}#accounts#1.1#totals", f"{stream.tenant}#accounts#2.1"]
    records = []
    for key in keys:
        record = image(stream, None, lead, at)
        record["dynamodb"]["Keys"]["p"]["S"] = key
        records.append(record)
    records.append(image(stream, lead, lead, at))  # something else of the item changed
    assert made.entities().of_stream(records) == ([], [])


def test_an_item_that_is_no_row_of_the_view_is_parked():
    made = history(1)
    stream, lead = next(iter(made.rows.items()))
    record = image(stream, None, lead, datetime(2026, 11, 21, tzinfo=UTC))
    del record["dynamodb"]["NewImage"]["n"]
    changes, unusable = made.entities().of_stream([record])
    assert changes == []
    assert [(each.pointer["id"], each.reason) for each in unusable] == [(stream.id, "no row of accounts: KeyError")]


def test_a_row_whose_stream_has_no_first_commit_is_parked():
    made = history(1)
    made.days.clear()
    changes, unusable = made.entities().of_stream(made.images)
    assert changes == []
    assert len(unusable) == len(made.images)
