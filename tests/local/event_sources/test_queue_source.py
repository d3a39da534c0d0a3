"""What a queue's function gets, beside what else, and what is left when its source stops."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.credentials import Credentials
from local.emulator import Emulator
from local.event_sources import EventSourceProblem, Filters
from local.invocation import Invocation

from ..conftest import make_role
from .consuming import OK, Consumer
from .origins import Consume, Queue


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
