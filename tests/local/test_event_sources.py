"""Streams and queues as event sources: order, batches, every rule of failure, and misbehaviour on request."""

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.credentials import Credentials
from local.emulator import Emulator
from local.event_sources import (
    EventSource,
    EventSourceProblem,
    Faults,
    Filters,
    QueueOptions,
    QueueSource,
    StreamOptions,
    StreamSource,
    stop_all,
    wait_idle,
)
from local.event_sources.base import MAX_PAYLOAD, batches
from local.invocation import Crash, Invocation

from .conftest import Function, allow, make_role

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:consumer"
OK = Invocation("ok", b"null")
FAILED = Invocation("error", b'{"errorType":"ValueError"}', {"errorType": "ValueError"}, "request-1")


class Consumer:
    """A function in this process: remembers its calls, and answers by `rule(keys of the batch)`."""

    def __init__(self, rule: Callable[[list[str]], Invocation] = lambda keys: OK) -> None:
        self.rule = rule
        self.calls: list[list[str]] = []
        self.records: list[dict[str, Any]] = []
        self.crashes: list[Crash | None] = []

    def __call__(self, payload: bytes, *, crash: Crash | None = None) -> Invocation:
        records = json.loads(payload)["Records"]
        keys = [key_of(record) for record in records]
        self.calls.append(keys)
        self.records += records
        self.crashes.append(crash)
        return self.rule(keys)

    @property
    def seen(self) -> list[str]:
        return [key for call in self.calls for key in call]


def key_of(record: dict[str, Any]) -> str:
    return record["body"] if "body" in record else record["dynamodb"]["Keys"]["pk"]["S"]


def partial(*identifiers: str) -> Invocation:
    failures = [{"itemIdentifier": identifier} for identifier in identifiers]
    return Invocation("ok", json.dumps({"batchItemFailures": failures}).encode())


@pytest.fixture
def started() -> Iterator[list[EventSource]]:
    running: list[EventSource] = []
    yield running
    stop_all(running)


# ---- streams


class Stream:
    """A table, its stream, and a role that may read exactly that."""

    def __init__(self, emulator: Emulator, credentials: Credentials, table: str, bucket: str) -> None:
        self.table = table
        self.dynamodb = emulator.client("dynamodb")
        self.arn = self.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
        read = ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"]
        put = allow(["s3:PutObject"], [f"arn:aws:s3:::{bucket}/*"])
        self.clients = credentials.clients(make_role(emulator, allow(read, [self.arn]), put))

    def put(self, *keys: str, **attributes: Any) -> None:
        for key in keys:
            self.dynamodb.put_item(TableName=self.table, Item={"pk": {"S": key}, **attributes})


@pytest.fixture(scope="module")
def bucket(emulator: Emulator) -> str:
    name = f"failures-{uuid.uuid4().hex}"
    emulator.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def stream(emulator: Emulator, credentials: Credentials, table: str, bucket: str) -> Stream:
    return Stream(emulator, credentials, table, bucket)


@pytest.fixture
def read(stream: Stream, started: list[EventSource]) -> Callable[..., StreamSource]:
    """Starts a source over `stream`; the options are those of StreamOptions."""

    def start(invoke: Any, **more: Any) -> StreamSource:
        around = {name: more.pop(name) for name in ("checkpoint", "faults", "mapping_id") if name in more}
        source = StreamSource(
            f"stream-{len(started)}",
            function_arn=FUNCTION_ARN,
            stream_arn=stream.arn,
            clients=stream.clients,
            invoke=invoke,
            options=StreamOptions(**more),
            retry_pause=0.001,
            **around,
        )
        source.start()
        started.append(source)
        return source

    return start


Read = Callable[..., StreamSource]


def test_stream_records_come_in_order_as_lambda_has_them(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    stream.put("a", b={"B": b"\x00\xff"}, s={"BS": [b"x"]}, m={"M": {"l": {"L": [{"B": b"y"}]}}})
    source = read(consumer)
    stream.put("b", "c")
    assert source.idle.wait()
    assert consumer.seen == ["a", "b", "c"]
    first = consumer.records[0]
    assert first["eventName"] == "INSERT"
    assert first["eventSource"] == "aws:dynamodb"
    assert first["eventSourceARN"] == stream.arn
    change = first["dynamodb"]
    assert isinstance(change["ApproximateCreationDateTime"], float)
    assert change["Keys"] == {"pk": {"S": "a"}}

    def text(raw: bytes) -> str:
        return base64.b64encode(raw).decode()

    assert change["NewImage"] == {
        "pk": {"S": "a"},
        "b": {"B": text(b"\x00\xff")},
        "s": {"BS": [text(b"x")]},
        "m": {"M": {"l": {"L": [{"B": text(b"y")}]}}},
    }


def test_stream_batches_keep_their_size(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    stream.put(*"abcdefg")
    assert read(consumer, batch_size=3).idle.wait()
    assert consumer.calls == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_a_stream_window_gathers_a_batch(stream: Stream, read: Read) -> None:
    partly = threading.Event()
    clients = stream.clients

    def watched(service: str) -> Any:
        """Tells when records have been read."""
        client = clients(service)
        if service == "dynamodbstreams":
            get = client.get_records

            def get_records(**arguments: Any) -> Any:
                page = get(**arguments)
                if page["Records"]:
                    partly.set()
                return page

            client.get_records = get_records
        return client

    stream.clients = watched
    consumer = Consumer()
    stream.put("a", "b")
    source = read(consumer, batch_size=3, window=300)
    assert partly.wait(30)
    stream.put("c")
    assert source.idle.wait()
    assert consumer.calls == [["a", "b", "c"]]


def test_a_stream_window_ends(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    stream.put("a", "b")
    assert read(consumer, batch_size=100, window=0.05).idle.wait()
    assert consumer.calls == [["a", "b"]]


def test_a_stream_filter_lets_through_what_matches_and_passes_over_the_rest(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    wanted = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"t": {"S": [{"exists": True}]}}}}
    stream.put("a", "b")
    stream.put("c", t={"S": "x"})
    stream.put("c", t={"S": "changed"})
    source = read(consumer, filters=Filters([wanted]))
    assert source.idle.wait()
    assert consumer.seen == ["c"]
    again = read(consumer, filters=Filters([wanted]), checkpoint=source.checkpoint)
    assert again.idle.wait()
    assert consumer.seen == ["c"]


def test_a_failed_batch_is_tried_again_before_what_follows(stream: Stream, read: Read) -> None:
    left = [FAILED, Invocation("timeout", b"{}", {}), OK, OK]
    consumer = Consumer(lambda keys: left.pop(0))
    stream.put("a", "b", "c")
    assert read(consumer, batch_size=2).idle.wait()
    assert consumer.calls == [["a", "b"], ["a", "b"], ["a", "b"], ["c"]]


def test_a_partial_response_goes_on_from_the_lowest_failure(stream: Stream, read: Read) -> None:
    """What came before it is done with; what came after it is handed on again, though it succeeded."""
    failures = ["d", "b"]

    def rule(keys: list[str]) -> Invocation:
        named = [number(consumer, key) for key in failures if key in keys]
        if "b" in failures:
            failures.clear()
        return partial(*named)

    consumer = Consumer(rule)
    stream.put(*"abcde")
    assert read(consumer, partial=True).idle.wait()
    assert consumer.calls == [list("abcde"), list("bcde")]


def test_a_partial_failure_counts_as_a_try(stream: Stream, read: Read) -> None:
    consumer = Consumer(lambda keys: partial(number(consumer, "c")))
    stream.put(*"abc")
    assert read(consumer, partial=True, max_retries=1).idle.wait()
    assert consumer.calls == [["a", "b", "c"], ["c"]]


def number(consumer: Consumer, key: str) -> str:
    return next(r["dynamodb"]["SequenceNumber"] for r in reversed(consumer.records) if key_of(r) == key)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"batchItemFailures":[{"itemIdentifier":"unheard-of"}]}',
        b'{"batchItemFailures":[{"itemIdentifier":""}]}',
        b'{"batchItemFailures":[{"itemIdentifier":null}]}',
        b'{"batchItemFailures":[{"wrong":"x"}]}',
        b'"a string"',
    ],
)
def test_a_partial_response_that_makes_no_sense_fails_the_batch(stream: Stream, read: Read, payload: bytes) -> None:
    answers = [Invocation("ok", payload), OK]
    consumer = Consumer(lambda keys: answers.pop(0))
    stream.put("a", "b")
    assert read(consumer, partial=True).idle.wait()
    assert consumer.calls == [["a", "b"], ["a", "b"]]


@pytest.mark.parametrize("payload", [b"", b"null", b"{}", b'{"batchItemFailures":[]}', b'{"batchItemFailures":null}'])
def test_a_partial_response_that_names_nothing_is_success(stream: Stream, read: Read, payload: bytes) -> None:
    consumer = Consumer(lambda keys: Invocation("ok", payload))
    stream.put("a", "b")
    assert read(consumer, partial=True).idle.wait()
    assert consumer.calls == [["a", "b"]]


def test_without_report_batch_item_failures_the_response_means_nothing(stream: Stream, read: Read) -> None:
    consumer = Consumer(lambda keys: partial(number(consumer, "a")))
    stream.put("a", "b")
    assert read(consumer, partial=False).idle.wait()
    assert consumer.calls == [["a", "b"]]


def poison(*bad: str) -> Callable[[list[str]], Invocation]:
    return lambda keys: FAILED if set(bad) & set(keys) else OK


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
    sequence = sent["dynamodb"]["SequenceNumber"]
    [shard] = source.checkpoint
    assert json.loads(found.pop("payload")) == {"Records": [sent]}
    timestamp = found.pop("timestamp")
    day = timestamp[:10].replace("-", "/")
    assert key.startswith(f"aws/lambda/{mapping}/{shard}/{day}/{timestamp[:10]}T")
    arrived = found["DDBStreamBatchInfo"].pop("approximateArrivalOfFirstRecord")
    assert arrived == found["DDBStreamBatchInfo"].pop("approximateArrivalOfLastRecord")
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
        "DDBStreamBatchInfo": {
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
    emulator.client("s3").create_bucket(Bucket="of-another")
    mended = threading.Event()
    consumer = Consumer(lambda keys: OK if mended.is_set() else FAILED)
    stream.put("a")
    source = read(consumer, max_retries=0, on_failure="arn:aws:s3:::of-another")
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


def test_a_source_goes_on_where_an_earlier_one_had_come_to(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    stream.put("a", "b")
    first = read(consumer)
    assert first.idle.wait()
    first.stop()
    stream.put("c")
    assert read(consumer, checkpoint=first.checkpoint).idle.wait()
    assert consumer.seen == ["a", "b", "c"]


def test_a_position_that_the_stream_has_forgotten_means_from_the_start(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    stream.put("a")
    first = read(consumer)
    assert first.idle.wait()
    [shard] = first.checkpoint
    assert read(consumer, checkpoint={shard: "000000000000000000000000000001"}).idle.wait()
    assert consumer.seen == ["a", "a"]


def test_stopping_in_the_middle_of_failure_keeps_the_position(stream: Stream, read: Read) -> None:
    failing = threading.Event()

    def rule(keys: list[str]) -> Invocation:
        if keys == ["a"]:
            return OK
        failing.set()
        return FAILED

    stream.put("a", "b")
    source = read(Consumer(rule), batch_size=1)
    assert failing.wait(30)
    source.stop()
    consumer = Consumer()
    assert read(consumer, checkpoint=source.checkpoint).idle.wait()
    assert consumer.seen == ["b"]


def test_latest_passes_over_what_was_there(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    stream.put("a")
    source = read(consumer, starting_position="LATEST")
    assert source.idle.wait()
    stream.put("b")
    assert source.idle.wait()
    assert consumer.seen == ["b"]


def test_a_source_reads_under_the_functions_own_role(
    emulator: Emulator, credentials: Credentials, stream: Stream, started: list[EventSource]
) -> None:
    source = StreamSource(
        "denied",
        function_arn=FUNCTION_ARN,
        stream_arn=stream.arn,
        clients=credentials.clients(make_role(emulator)),
        invoke=Consumer(),
    )
    source.start()
    started.append(source)
    with pytest.raises(EventSourceProblem, match=r"event source denied: .*dynamodb:DescribeStream"):
        source.idle.wait()


def test_one_slow_source_does_not_delay_another(stream: Stream, read: Read) -> None:
    go = threading.Event()

    def slow(keys: list[str]) -> Invocation:
        assert go.wait(60)
        return OK

    consumer = Consumer()
    stuck, quick = read(Consumer(slow)), read(consumer)
    stream.put("a")
    assert quick.idle.wait()
    assert consumer.seen == ["a"]
    assert not stuck.idle.wait(0.05)
    go.set()
    assert stuck.idle.wait()


# ---- queues


class Queue:
    """A queue with a dead-letter queue, and a role that may consume exactly it."""

    def __init__(self, emulator: Emulator, credentials: Credentials, *, receives: int = 100, **attributes: str):
        self.sqs = emulator.client("sqs")
        fifo = ".fifo" if attributes.get("FifoQueue") else ""
        kind = {"FifoQueue": "true"} if fifo else {}
        name = f"queue-{uuid.uuid4().hex}"
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead{fifo}", Attributes=kind)["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": self.arn_of(self.dead), "maxReceiveCount": receives})
        attributes = {"VisibilityTimeout": "60", **attributes, "RedrivePolicy": redrive}
        self.url = self.sqs.create_queue(QueueName=f"{name}{fifo}", Attributes=attributes)["QueueUrl"]
        self.arn = self.arn_of(self.url)
        actions = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility"]
        role = make_role(emulator, allow([f"sqs:{action}" for action in actions], [self.arn]))
        self.clients = credentials.clients(role)

    def arn_of(self, url: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return found["Attributes"]["QueueArn"]

    def send(self, *bodies: str, **more: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)

    def dead_letters(self) -> list[str]:
        found = self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10).get("Messages", [])
        return sorted(message["Body"] for message in found)


@pytest.fixture
def queue(emulator: Emulator, credentials: Credentials) -> Queue:
    return Queue(emulator, credentials)


Consume = Callable[..., QueueSource]


@pytest.fixture
def consume(queue: Queue, started: list[EventSource]) -> Consume:
    """Starts a source over `queue`, or another; the options are those of QueueOptions."""

    def start(invoke: Any, of: Queue = queue, faults: Faults | None = None, **options: Any) -> QueueSource:
        source = QueueSource(
            f"queue-{len(started)}",
            queue_url=of.url,
            queue_arn=of.arn,
            clients=of.clients,
            invoke=invoke,
            options=QueueOptions(**options),
            faults=faults,
        )
        source.start()
        started.append(source)
        return source

    return start


def test_messages_come_as_lambda_has_them(queue: Queue, consume: Consume) -> None:
    consumer = Consumer()
    queue.send(
        "é",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "x"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\xff"},
        },
    )
    assert consume(consumer).idle.wait()
    [record] = consumer.records
    attributes = record.pop("attributes")
    assert attributes["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(attributes)
    assert record.pop("messageId")
    assert record.pop("receiptHandle")
    assert record.pop("md5OfBody")
    lists = {"stringListValues": [], "binaryListValues": []}
    assert record == {
        "body": "é",
        "messageAttributes": {
            "text": {"stringValue": "x", "dataType": "String", **lists},
            "raw": {"binaryValue": base64.b64encode(b"\xff").decode(), "dataType": "Binary", **lists},
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": "us-east-1",
    }


def test_what_succeeded_is_deleted_and_the_rest_comes_again(queue: Queue, consume: Consume) -> None:
    failing = {"b"}

    def rule(keys: list[str]) -> Invocation:
        named = [r["messageId"] for r in consumer.records[-len(keys) :] if r["body"] in failing]
        failing.clear()
        return partial(*named)

    consumer = Consumer(rule)
    queue.send("a", "b", "c")
    assert consume(consumer, partial=True, retry_seconds=0, max_concurrency=1).idle.wait()
    assert sorted(consumer.seen) == ["a", "b", "b", "c"]
    counts = [r["attributes"]["ApproximateReceiveCount"] for r in consumer.records if r["body"] == "b"]
    assert counts == ["1", "2"]


def test_a_failed_batch_comes_again_whole(queue: Queue, consume: Consume) -> None:
    answers = [FAILED, OK]
    consumer = Consumer(lambda keys: answers.pop(0))
    queue.send("a", "b")
    assert consume(consumer, retry_seconds=0, batch_size=2, max_concurrency=1).idle.wait()
    assert [sorted(call) for call in consumer.calls] == [["a", "b"], ["a", "b"]]


def test_without_another_word_a_failure_waits_for_the_queues_own_visibility(
    emulator: Emulator, credentials: Credentials, consume: Consume
) -> None:
    queue = Queue(emulator, credentials, VisibilityTimeout="1")
    answers = [FAILED, OK]
    consumer = Consumer(lambda keys: answers.pop(0))
    queue.send("a")
    source = consume(consumer, of=queue)
    assert source.idle.wait()
    assert consumer.seen == ["a", "a"]


def test_the_queues_own_redrive_policy_takes_poison_away(
    emulator: Emulator, credentials: Credentials, consume: Consume
) -> None:
    queue = Queue(emulator, credentials, receives=3)
    consumer = Consumer(poison("bad"))
    queue.send("good", "bad")
    assert consume(consumer, of=queue, batch_size=1, retry_seconds=0).idle.wait()
    assert consumer.seen.count("bad") == 3
    assert consumer.seen.count("good") == 1
    assert queue.dead_letters() == ["bad"]


def test_throttling_counts_no_receive(emulator: Emulator, credentials: Credentials, consume: Consume) -> None:
    """The message stays hidden for as long as it takes, though that is longer than its visibility."""
    queue = Queue(emulator, credentials, receives=1, VisibilityTimeout="3")
    until = time.monotonic() + 3.5
    consumer = Consumer(lambda keys: Invocation("throttled") if time.monotonic() < until else OK)
    queue.send("a")
    assert consume(consumer, of=queue).idle.wait()
    assert len(consumer.calls) > 2
    assert {record["attributes"]["ApproximateReceiveCount"] for record in consumer.records} == {"1"}
    assert queue.dead_letters() == []


def test_batches_run_beside_each_other_up_to_the_maximum(queue: Queue, consume: Consume) -> None:
    both = threading.Barrier(2, timeout=60)
    lock = threading.Lock()
    running: list[int] = [0, 0]

    def rule(keys: list[str]) -> Invocation:
        with lock:
            running[0] += 1
            running[1] = max(running)
        both.wait()
        with lock:
            running[0] -= 1
        return OK

    queue.send(*"abcdef")
    assert consume(Consumer(rule), batch_size=1, max_concurrency=2).idle.wait()
    assert running == [0, 2]


def test_a_queue_window_gathers_a_batch(queue: Queue, consume: Consume) -> None:
    consumer = Consumer()
    source = consume(consumer, batch_size=12, window=300)
    queue.send(*"abcdefghijkl")
    assert source.idle.wait()
    assert [sorted(call) for call in consumer.calls] == [list("abcdefghijkl")]


def test_a_queue_filter_deletes_what_does_not_match(queue: Queue, consume: Consume) -> None:
    consumer = Consumer()
    queue.send('{"kind":"wanted"}', '{"kind":"other"}', "no json")
    assert consume(consumer, filters=Filters([{"body": {"kind": ["wanted"]}}])).idle.wait()
    assert consumer.seen == ['{"kind":"wanted"}']


def test_a_delayed_message_is_waited_for(emulator: Emulator, credentials: Credentials, consume: Consume) -> None:
    queue = Queue(emulator, credentials, DelaySeconds="1")
    consumer = Consumer()
    source = consume(consumer, of=queue)
    queue.send("a")
    assert not source.idle.is_set()
    assert source.idle.wait()
    assert consumer.seen == ["a"]


def test_a_fifo_group_keeps_its_order_and_blocks_no_other(
    emulator: Emulator, credentials: Credentials, consume: Consume
) -> None:
    queue = Queue(emulator, credentials, FifoQueue="true", ContentBasedDeduplication="true")
    failing = ["a1"]

    def rule(keys: list[str]) -> Invocation:
        return FAILED if failing and failing[0] in keys and failing.pop() else OK

    consumer = Consumer(rule)
    for body in ("a1", "b1", "a2", "b2"):
        queue.send(body, MessageGroupId=body[0])
    assert consume(consumer, of=queue, batch_size=1, retry_seconds=0).idle.wait()
    assert [key for key in consumer.seen if key[0] == "a"] == ["a1", "a1", "a2"]
    assert [key for key in consumer.seen if key[0] == "b"] == ["b1", "b2"]


def test_stopping_ends_what_is_in_flight_and_gives_the_rest_back(queue: Queue, consume: Consume) -> None:
    begun, go = threading.Event(), threading.Event()

    def rule(keys: list[str]) -> Invocation:
        begun.set()
        assert go.wait(60)
        return OK

    first = Consumer(rule)
    queue.send("a", "b")
    source = consume(first, batch_size=1, max_concurrency=1)
    assert begun.wait(60)
    with ThreadPoolExecutor(1) as threads:
        stopped = threads.submit(source.stop)
        go.set()
        stopped.result()
    second = Consumer()
    assert consume(second).idle.wait()
    assert sorted(first.seen + second.seen) == ["a", "b"]


def test_a_queue_is_read_under_the_functions_own_role(
    emulator: Emulator, credentials: Credentials, queue: Queue, consume: Consume
) -> None:
    queue.clients = credentials.clients(make_role(emulator))
    source = consume(Consumer())
    with pytest.raises(EventSourceProblem, match="sqs:GetQueueAttributes"):
        source.idle.wait()


# ---- several sources


def test_waiting_for_idle_follows_what_feeds_what(queue: Queue, stream: Stream, read: Read, consume: Consume) -> None:
    """The stream's function sends to the queue, whose function writes to the stream, three times round."""

    def forward(keys: list[str]) -> Invocation:
        queue.send(*keys)
        return OK

    def back(keys: list[str]) -> Invocation:
        stream.put(*(f"{key}+" for key in keys if len(key) < 4))
        return OK

    consumer = Consumer(back)
    sources = [consume(consumer), read(Consumer(forward))]
    stream.put("a")
    assert wait_idle(sources)
    assert consumer.seen == ["a", "a+", "a++", "a+++"]


# ---- faults


def test_faults_are_the_same_for_the_same_seed() -> None:
    def draws(seed: int) -> list[Any]:
        faults = Faults(seed, duplicate=0.5, delay=0.5, shuffle=0.5, throttle=0.5, crash=0.5)
        batch = list(range(9))
        faults.shuffle(batch)
        return [(faults.duplicate(), faults.delay(), faults.throttle(), faults.crash()) for _ in range(20)] + batch

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_a_fault_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="duplicate is 2"):
        Faults(duplicate=2)


def test_a_stream_under_faults_repeats_but_keeps_its_order(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    faults = Faults(7, duplicate=0.5, delay=0.3, delay_seconds=0.002, throttle=0.3)
    keys = [f"{i:02}" for i in range(30)]
    stream.put(*keys)
    source = read(consumer, batch_size=2, faults=faults)
    assert source.idle.wait()
    assert len(consumer.seen) > len(keys)
    assert source.calls > len(consumer.calls)
    first_seen = list(dict.fromkeys(consumer.seen))
    assert first_seen == keys
    pairs = [keys[i : i + 2] for i in range(0, 30, 2)]
    assert all(call in pairs for call in consumer.calls)


def test_a_queue_under_faults_delivers_everything_out_of_order_and_twice(queue: Queue, consume: Consume) -> None:
    consumer = Consumer()
    faults = Faults(7, duplicate=0.5, delay=0.5, delay_seconds=0.05, shuffle=0.5, throttle=0.2)
    keys = [f"{i:02}" for i in range(40)]
    queue.send(*keys)
    assert consume(consumer, faults=faults, max_concurrency=1).idle.wait()
    assert set(consumer.seen) == set(keys)
    assert len(consumer.seen) > len(keys)
    assert list(dict.fromkeys(consumer.seen)) != keys
    assert {record["attributes"]["ApproximateReceiveCount"] for record in consumer.records} == {"1"}


def test_crashes_lose_nothing(
    stream: Stream, queue: Queue, read: Read, consume: Consume, function: Callable[..., Function], tmp_path: Path
) -> None:
    """Real sandboxes, killed before and after their work: all of it is done, some of it twice."""
    made = function(
        """
        import os
        def handler(event, context):
            for record in event["Records"]:
                key = record["body"] if "body" in record else record["dynamodb"]["Keys"]["pk"]["S"]
                with open(os.environ["DONE"], "a") as done: done.write(key + "\\n")
        """,
        environment={"DONE": str(tmp_path / "done")},
    )
    crashes: list[Crash | None] = []

    def invoke(payload: bytes, *, crash: Crash | None = None) -> Invocation:
        crashes.append(crash)
        return made.host.invoke(made.spec.name, payload, crash=crash)

    stream.put(*(f"s{i:02}" for i in range(12)))
    queue.send(*(f"q{i:02}" for i in range(12)))
    sources = [
        read(invoke, batch_size=3, faults=Faults(3, crash=0.5)),
        consume(invoke, batch_size=3, retry_seconds=0, faults=Faults(4, crash=0.5)),
    ]
    assert wait_idle(sources)
    assert {"before", "after", None} == set(crashes)
    done = (tmp_path / "done").read_text().split()
    assert set(done) == {f"{kind}{i:02}" for kind in "sq" for i in range(12)}
    assert len(done) > 24
    assert list(dict.fromkeys(key for key in done if key[0] == "s")) == [f"s{i:02}" for i in range(12)]


# ---- pure parts


def test_a_batch_fits_one_invocation() -> None:
    records = [{"body": "é" * 500_000} for _ in range(13)]
    cut = list(batches(records, 100))
    assert [len(batch) for batch in cut] == [6, 6, 1]
    for batch in cut:
        assert len(json.dumps({"Records": batch}, ensure_ascii=False).encode()) <= MAX_PAYLOAD


@pytest.mark.parametrize(
    ("rules", "yes", "no"),
    [
        (["x", 1, None, True], ["x", 1, None, True, ["y", "x"]], ["y", 2, 0, False, "1", "", 1.5, {}]),
        ([{"prefix": "ab"}], ["ab", "abc"], ["b", 1, None]),
        ([{"suffix": "bc"}], ["bc", "abc"], ["b", 1]),
        ([{"equals-ignore-case": "Ab"}], ["aB", "AB"], ["b", 1]),
        ([{"anything-but": ["x", 1]}], ["y", 2, None], ["x", 1]),
        ([{"anything-but": {"prefix": "a"}}], ["b"], ["ab"]),
        ([{"numeric": [">", 0, "<=", 5]}], [1, 5, 0.5], [0, 6, "1", True, None]),
        ([{"numeric": ["=", 3]}], [3, 3.0], [4]),
        ([{"cidr": "10.0.0.0/8"}], ["10.1.2.3"], ["11.0.0.1", "x", 1]),
        ([{"exists": True}], ["x", None, 0], [{}]),
    ],
)
def test_filter_rules(rules: list[Any], yes: list[Any], no: list[Any]) -> None:
    filters = Filters([{"a": {"b": rules}}])
    assert [value for value in yes if not filters.accept({"a": {"b": value}})] == []
    assert [value for value in no if filters.accept({"a": {"b": value}})] == []
    assert not filters.accept({"a": {}})
    assert not filters.accept({})


def test_filters_combine() -> None:
    record = {"a": "1", "b": {"c": ["x", "y"]}}
    assert Filters([{"a": ["2"]}, {"a": ["1"]}]).accept(record)
    assert not Filters([{"a": ["1"], "b": {"c": ["z"]}}]).accept(record)
    assert Filters([{"$or": [{"a": ["2"]}, {"b": {"c": ["y"]}}]}]).accept(record)
    assert Filters([{"d": [{"exists": False}]}]).accept(record)
    assert Filters(['{"a": ["1"]}']).accept(record)


@pytest.mark.parametrize("pattern", [{"a": "x"}, {"a": []}, {"a": [{"wildcard": "x*"}]}, {"a": {"b": [{}]}}])
def test_a_filter_that_is_not_known_is_refused(pattern: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"filter pattern\.a"):
        Filters([pattern])


def test_options_are_read_from_the_programs_own_inputs() -> None:
    shared = {
        "eventSourceArn": "arn",
        "functionName": "f",
        "batchSize": 50.0,
        "maximumBatchingWindowInSeconds": 2,
        "functionResponseTypes": ["ReportBatchItemFailures"],
        "filterCriteria": {"filters": [{"pattern": '{"a": ["1"]}'}]},
    }
    stream = StreamOptions.of(
        {
            **shared,
            "startingPosition": "TRIM_HORIZON",
            "bisectBatchOnFunctionError": True,
            "maximumRetryAttempts": 10,
            "maximumRecordAgeInSeconds": 82800,
            "parallelizationFactor": 1,
            "destinationConfig": {"onFailure": {"destinationArn": "arn:aws:s3:::b"}},
        }
    )
    assert (stream.batch_size, stream.window, stream.partial, stream.bisect) == (50, 2, True, True)
    assert (stream.max_retries, stream.max_age, stream.on_failure) == (10, 82800, "arn:aws:s3:::b")
    assert stream.filters.patterns == [{"a": ["1"]}]
    queue = QueueOptions.of({**shared, "scalingConfig": {"maximumConcurrency": 3}}, retry_seconds=1)
    assert (queue.batch_size, queue.max_concurrency, queue.retry_seconds) == (50, 3, 1)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"tumblingWindowInSeconds": 5}, "sets tumblingWindowInSeconds, which the laptop does not know"),
        ({"parallelizationFactor": 2}, "parallelizationFactor is 2"),
        ({"batchSize": 0}, "batchSize is 0; AWS allows 1 to 10000"),
        ({"startingPosition": "AT_TIMESTAMP"}, "startingPosition is 'AT_TIMESTAMP'"),
    ],
)
def test_options_that_the_laptop_does_not_keep_are_refused(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StreamOptions.of(inputs)


def test_a_big_queue_batch_needs_a_window() -> None:
    with pytest.raises(ValueError, match="AWS asks for maximumBatchingWindowInSeconds"):
        QueueOptions(batch_size=11)
