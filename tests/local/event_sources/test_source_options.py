"""The options of a source: read from the program's inputs, within what AWS and the laptop allow."""

from typing import Any

import pytest

from local.event_sources import QueueOptions, StreamOptions


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
