"""What a stream's function gets, in which order, and what it does not get."""

import base64

import pytest

from local.credentials import Credentials
from local.emulator import Emulator
from local.event_sources import EventSource, EventSourceProblem, Filters, StreamSource

from ..conftest import make_role
from .consuming import FUNCTION_ARN, Consumer
from .origins import Read, Stream


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
    with pytest.raises(EventSourceProblem, match=r"event source denied: .*dynamodb:DescribeStream"):
        source.idle.wait()
