"""A function of a stream that names what failed: what comes again, and what that counts as."""

import pytest

from local.event_sources.records import sequence_number
from local.invocation import Invocation

from .consuming import OK, Consumer, key_of, partial
from .origins import Read, Stream


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
    return next(sequence_number(r) for r in reversed(consumer.records) if key_of(r) == key)


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
