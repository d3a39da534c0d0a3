"""Sources beside each other: none waits for another, and all are waited for."""

import threading

from local.event_sources import wait_idle
from local.invocation import Invocation

from .consuming import OK, Consumer
from .origins import Consume, Queue, Read, Stream


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
