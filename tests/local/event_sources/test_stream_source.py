"""What a stream's function gets, in which order, and what it does not get."""

import base64
import json
import threading

import pytest

from local.credentials import Credentials
from local.emulator import Emulator
from local.event_sources import EventSource, EventSourceProblem, Filters, StreamOptions, StreamSource
from local.invocation import Invocation

from ..conftest import make_role
from .consuming import FAILED, FUNCTION_ARN, OK, Consumer
from .origins import DataStream, Read, Stream

of_tables = pytest.mark.parametrize("stream", ["table"], indirect=True)
of_kinesis = pytest.mark.parametrize("stream", ["kinesis"], indirect=True)


@of_tables
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


@of_kinesis
def test_data_records_come_in_order_as_lambda_has_them(stream: DataStream, read: Read) -> None:
    consumer = Consumer()
    stream.put("a", "b", name="käse")
    source = read(consumer)
    stream.put("c")
    assert source.idle.wait()
    assert consumer.seen == ["a", "b", "c"]
    [shard] = source.checkpoint
    first = consumer.records[0]
    inner = first.pop("kinesis")
    assert isinstance(inner.pop("approximateArrivalTimestamp"), float)
    sequence = inner.pop("sequenceNumber")
    assert inner == {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": "p",
        "data": base64.b64encode(json.dumps({"key": "a", "name": "käse"}).encode()).decode(),
    }
    assert first == {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "",
        "awsRegion": "us-east-1",
        "eventSourceARN": stream.arn,
    }


def test_each_shard_keeps_its_order(
    emulator: Emulator, credentials: Credentials, bucket: str, started: list[EventSource]
) -> None:
    """A poisoned shard waits by itself; what the others hold goes on."""
    stream = DataStream(emulator, credentials, bucket, shards=3)
    for n in range(30):
        stream.put(f"{n % 5}-{n:02}", partition=f"p{n % 5}")
    consumer = Consumer(lambda keys: FAILED if "0-10" in keys else OK)
    source = StreamSource(
        "shards",
        function_arn=FUNCTION_ARN,
        stream_arn=stream.arn,
        clients=stream.clients,
        invoke=consumer,
        options=StreamOptions(bisect=True, max_retries=3),
        retry_pause=0.001,
    )
    source.start()
    started.append(source)
    assert source.idle.wait()
    assert len(source.checkpoint) > 1
    handled = list(dict.fromkeys(consumer.seen))
    assert len(handled) == 30
    for partition in range(5):
        mine = [key for key in handled if key.startswith(f"{partition}-")]
        assert mine == sorted(mine)


@of_kinesis
def test_a_data_filter_looks_into_the_data(stream: DataStream, read: Read) -> None:
    stream.put("a", types=["A"])
    stream.put("b", types=["B", "C"])
    stream.put("c")
    stream.kinesis.put_record(StreamARN=stream.arn, PartitionKey="p", Data=b"no JSON")
    stream.put("d", types=["A", "C"])
    consumer = Consumer()
    assert read(consumer, filters=Filters([{"data": {"types": ["C", "D"]}}])).idle.wait()
    assert consumer.seen == ["b", "d"]
    by_key = Consumer()
    assert read(by_key, filters=Filters([{"partitionKey": ["other"]}])).idle.wait()
    assert by_key.calls == []


@of_tables
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
    with pytest.raises(EventSourceProblem, match=f"event source denied: .*{stream.first_call}"):
        source.idle.wait()


def test_it_is_idle_also_while_it_looks_and_not_while_it_hands_on(stream: Stream, read: Read) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(keys: list[str]) -> Invocation:
        begun.set()
        go_on.wait(30)
        return OK

    source = read(Consumer(slow))
    assert source.idle.wait()
    looked = source._round
    while source._round < looked + 5:
        assert source.idle.is_set(), "a look that finds nothing is no work"
    stream.put("a")
    assert begun.wait(30)
    assert not source.idle.is_set()
    go_on.set()
    assert source.idle.wait()
    assert source.idle.is_set()
