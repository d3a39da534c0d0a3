"""Messages that fail: what comes again, when, and how often."""

import time

from local.credentials import Credentials
from local.emulator import Emulator
from local.invocation import Invocation

from .consuming import FAILED, OK, Consumer, partial, poison
from .origins import Consume, Queue


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
