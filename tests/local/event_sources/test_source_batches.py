"""How many records a batch holds, and how long it is waited for."""

import json
import threading
from typing import Any

from local.event_sources.base import MAX_PAYLOAD, batches

from .consuming import Consumer
from .origins import Consume, Queue, Read, Stream


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
        if service == stream.service:
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


def test_a_queue_window_gathers_a_batch(queue: Queue, consume: Consume) -> None:
    consumer = Consumer()
    source = consume(consumer, batch_size=12, window=300)
    queue.send(*"abcdefghijkl")
    assert source.idle.wait()
    assert [sorted(call) for call in consumer.calls] == [list("abcdefghijkl")]


def test_a_batch_fits_one_invocation() -> None:
    records = [{"body": "é" * 500_000} for _ in range(13)]
    cut = list(batches(records, 100))
    assert [len(batch) for batch in cut] == [6, 6, 1]
    for batch in cut:
        assert len(json.dumps({"Records": batch}, ensure_ascii=False).encode()) <= MAX_PAYLOAD
