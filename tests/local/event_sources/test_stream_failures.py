"""A batch of a stream that fails: tried again, cut in two, given up."""

import json
import threading
import time
import uuid
from typing import Any

import pytest

from local.emulator import Emulator
from local.event_sources import EventSourceProblem
from local.event_sources.records import sequence_number
from local.invocation import Invocation

from .consuming import FAILED, FUNCTION_ARN, OK, Consumer, key_of, poison
from .origins import Read, Stream


def test_a_failed_batch_is_tried_again_before_what_follows(stream: Stream, read: Read) -> None:
    left = [FAILED, Invocation("timeout", b"{}", {}), OK, OK]
    consumer = Consumer(lambda keys: left.pop(0))
    stream.put("a", "b", "c")
    assert read(consumer, batch_size=2).idle.wait()
    assert consumer.calls == [["a", "b"], ["a", "b"], ["a", "b"], ["c"]]


def test_bisecting_isolates_poison_and_keeps_the_order(stream: Stream, read: Read) -> None:
    consumer = Consumer(poison("c"))
    stream.put(*"abcde")
    assert read(consumer, bisect=True, max_retries=2).idle.wait()
    assert consumer.calls == [
        list("abcde"),
        ["a", "b"],
        ["c", "d", "e"],
        ["c"],
        ["c"],
        ["c"],
        ["d", "e"],
    ]


def test_without_bisecting_the_whole_batch_is_given_up(stream: Stream, read: Read) -> None:
    consumer = Consumer(poison("b"))
    stream.put(*"abc")
    source = read(consumer, batch_size=2, max_retries=1)
    assert source.idle.wait()
    assert consumer.calls == [["a", "b"], ["a", "b"], ["c"]]


def objects(emulator: Emulator, bucket: str, mapping_id: str) -> list[tuple[str, dict[str, Any]]]:
    s3 = emulator.client("s3")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"aws/lambda/{mapping_id}/").get("Contents", [])
    keys = sorted(entry["Key"] for entry in listed)
    return [(key, json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) for key in keys]


def test_what_is_given_up_goes_to_the_bucket_with_its_payload(
    emulator: Emulator, stream: Stream, read: Read, bucket: str
) -> None:
    consumer = Consumer(poison("b"))
    stream.put("a", "b", "c")
    mapping = str(uuid.uuid4())
    source = read(consumer, bisect=True, max_retries=1, on_failure=f"arn:aws:s3:::{bucket}", mapping_id=mapping)
    assert source.idle.wait()
    [(key, found)] = objects(emulator, bucket, mapping)
    sent = next(record for record in consumer.records if key_of(record) == "b")
    sequence = sequence_number(sent)
    [shard] = source.checkpoint
    assert json.loads(found.pop("payload")) == {"Records": [sent]}
    timestamp = found.pop("timestamp")
    day = timestamp[:10].replace("-", "/")
    assert key.startswith(f"aws/lambda/{mapping}/{shard}/{day}/{timestamp[:10]}T")
    arrived = found[stream.batch_info].pop("approximateArrivalOfFirstRecord")
    assert arrived == found[stream.batch_info].pop("approximateArrivalOfLastRecord")
    assert arrived.endswith("Z")
    assert found == {
        "requestContext": {
            "requestId": "request-1",
            "functionArn": FUNCTION_ARN,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 2,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        stream.batch_info: {
            "shardId": shard,
            "startSequenceNumber": sequence,
            "endSequenceNumber": sequence,
            "batchSize": 1,
            "streamArn": stream.arn,
        },
    }


def test_records_that_are_too_old_are_given_up_without_a_call(
    emulator: Emulator, stream: Stream, read: Read, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer()
    stream.put("a", "b")
    mapping = str(uuid.uuid4())
    now = time.time
    monkeypatch.setattr("local.event_sources.stream_delivery.time.time", lambda: now() + 100)
    source = read(consumer, max_age=60, on_failure=f"arn:aws:s3:::{bucket}", mapping_id=mapping)
    assert source.idle.wait()
    assert not consumer.calls
    [(_, found)] = objects(emulator, bucket, mapping)
    assert found["requestContext"]["condition"] == "RecordAgeExceeded"
    assert "responseContext" not in found
    assert [key_of(record) for record in json.loads(found["payload"])["Records"]] == ["a", "b"]


def test_a_destination_that_refuses_is_told_and_nothing_is_dropped(
    emulator: Emulator, stream: Stream, read: Read
) -> None:
    another = f"of-another-{uuid.uuid4().hex}"
    emulator.client("s3").create_bucket(Bucket=another)
    mended = threading.Event()
    consumer = Consumer(lambda keys: OK if mended.is_set() else FAILED)
    stream.put("a")
    source = read(consumer, max_retries=0, on_failure=f"arn:aws:s3:::{another}")
    with pytest.raises(EventSourceProblem, match="AccessDenied"):
        source.idle.wait()
    mended.set()
    assert source.idle.wait()
    assert len(consumer.calls) > 1
    assert set(consumer.seen) == {"a"}


def test_throttling_is_no_failure(stream: Stream, read: Read) -> None:
    answers = [Invocation("throttled"), Invocation("throttled"), OK]
    consumer = Consumer(lambda keys: answers.pop(0))
    stream.put("a")
    assert read(consumer, max_retries=0).idle.wait()
    assert consumer.calls == [["a"], ["a"], ["a"]]
