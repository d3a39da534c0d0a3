"""Misbehaviour on request: repeated, late, out of order, crashed, and nothing lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.event_sources import Faults, wait_idle
from local.invocation import Crash, Invocation

from ..conftest import Function
from .consuming import Consumer
from .origins import Consume, Queue, Read, Stream


def test_faults_are_the_same_for_the_same_seed() -> None:
    def draws(seed: int) -> list[Any]:
        faults = Faults(seed, duplicate=0.5, delay=0.5, shuffle=0.5, throttle=0.5, crash=0.5)
        batch = list(range(9))
        faults.shuffle(batch)
        return [(faults.duplicate(), faults.delay(), faults.throttle(), faults.crash()) for _ in range(20)] + batch

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_faults_are_counted() -> None:
    faults = Faults(1, duplicate=1, shuffle=1, throttle=0.5)
    assert faults.duplicate()
    faults.shuffle([1, 2])
    faults.shuffle([1])  # which is no fault
    throttled = sum(faults.throttle() for _ in range(20))
    assert not faults.delay()
    assert not faults.crash()
    assert 0 < throttled < 20
    assert faults.injected == {"duplicate": 1, "delay": 0, "shuffle": 1, "throttle": throttled, "crash": 0}


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


@pytest.mark.parametrize("stream", ["table"], indirect=True)
def test_crashes_lose_nothing(
    stream: Stream, queue: Queue, read: Read, consume: Consume, function: Callable[..., Function], tmp_path: Path
) -> None:
    """Real sandboxes, killed before, amid and after their work: all of it is done, some of it twice."""
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
    assert {"before", "amid", "after", None} == set(crashes)
    done = (tmp_path / "done").read_text().split()
    assert set(done) == {f"{kind}{i:02}" for kind in "sq" for i in range(12)}
    assert len(done) > 24
    assert list(dict.fromkeys(key for key in done if key[0] == "s")) == [f"s{i:02}" for i in range(12)]
