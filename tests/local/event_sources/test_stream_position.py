"""Where in its stream a source begins, and goes on after a stop."""

import threading

import pytest

from local.invocation import Invocation

from .consuming import FAILED, OK, Consumer
from .origins import Read, Stream


def test_a_source_goes_on_where_an_earlier_one_had_come_to(stream: Stream, read: Read) -> None:
    consumer = Consumer()
    stream.put("a", "b")
    first = read(consumer)
    assert first.idle.wait()
    first.stop()
    stream.put("c")
    assert read(consumer, checkpoint=first.checkpoint).idle.wait()
    assert consumer.seen == ["a", "b", "c"]


@pytest.mark.parametrize("stream", ["table"], indirect=True)
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
