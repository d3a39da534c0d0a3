"""The settings of an event source mapping, as the Pulumi program names them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .filters import Filters

_PARTIAL = "ReportBatchItemFailures"

# Read by whoever creates the mapping, or without a meaning on a laptop.
_OTHER = frozenset({"eventSourceArn", "functionName", "enabled", "tags", "region", "metricsConfig", "kmsKeyArn"})
_SHARED = {
    "batchSize": "batch_size",
    "maximumBatchingWindowInSeconds": "window",
    "filterCriteria": "filters",
    "functionResponseTypes": "partial",
}
_STREAM = {
    **_SHARED,
    "startingPosition": "starting_position",
    "bisectBatchOnFunctionError": "bisect",
    "maximumRetryAttempts": "max_retries",
    "maximumRecordAgeInSeconds": "max_age",
    "destinationConfig": "on_failure",
    "parallelizationFactor": "parallelization",
}
_QUEUE = {**_SHARED, "scalingConfig": "max_concurrency"}


@dataclass(frozen=True)
class StreamOptions:
    """Seconds for `window` and `max_age`; -1 is no limit. `on_failure` is the ARN of a bucket, queue or topic."""

    batch_size: int = 100
    window: float = 0
    filters: Filters = field(default_factory=Filters)
    partial: bool = False
    bisect: bool = False
    max_retries: int = -1
    max_age: int = -1
    on_failure: str | None = None
    starting_position: str = "TRIM_HORIZON"
    parallelization: int = 1

    def __post_init__(self) -> None:
        _between("batchSize", self.batch_size, 1, 10_000)
        _between("maximumBatchingWindowInSeconds", self.window, 0, 300)
        if self.starting_position not in ("TRIM_HORIZON", "LATEST"):
            raise ValueError(
                f"startingPosition is {self.starting_position!r}; on the laptop a stream has TRIM_HORIZON and LATEST"
            )
        if self.parallelization != 1:
            raise ValueError(
                f"parallelizationFactor is {self.parallelization}; on the laptop a shard has one batch in flight: set 1"
            )

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "StreamOptions":
        """From the inputs of `aws:lambda/eventSourceMapping:EventSourceMapping`."""
        return cls(**_read(inputs, _STREAM, "a stream"))


@dataclass(frozen=True)
class QueueOptions:
    """`retry_seconds`: how soon a failed message is seen again; None is the queue's own visibility, as on AWS."""

    batch_size: int = 10
    window: float = 0
    filters: Filters = field(default_factory=Filters)
    partial: bool = False
    max_concurrency: int = 4
    retry_seconds: int | None = None

    def __post_init__(self) -> None:
        _between("batchSize", self.batch_size, 1, 10_000)
        _between("maximumBatchingWindowInSeconds", self.window, 0, 300)
        _between("maximumConcurrency", self.max_concurrency, 1, 1000)
        if self.batch_size > 10 and not self.window:
            raise ValueError(
                f"batchSize is {self.batch_size}: over 10, AWS asks for maximumBatchingWindowInSeconds of 1 or more"
            )

    @classmethod
    def of(cls, inputs: Mapping[str, Any], *, retry_seconds: int | None = None) -> "QueueOptions":
        """From the inputs of `aws:lambda/eventSourceMapping:EventSourceMapping`."""
        return cls(**_read(inputs, _QUEUE, "a queue"), retry_seconds=retry_seconds)


def _read(inputs: Mapping[str, Any], known: Mapping[str, str], source: str) -> dict[str, Any]:
    unknown = sorted(key for key in inputs if key not in known and key not in _OTHER and inputs[key] is not None)
    if unknown:
        raise ValueError(
            f"the event source mapping sets {', '.join(unknown)}, which the laptop does not know for {source};"
            f" known are {', '.join(sorted(known))}"
        )
    given = {known[key]: value for key, value in inputs.items() if key in known and value is not None}
    for name in ("batch_size", "max_retries", "max_age", "parallelization"):
        if name in given:
            given[name] = int(given[name])
    if "filters" in given:
        given["filters"] = Filters([json.loads(f["pattern"]) for f in given["filters"].get("filters") or []])
    if "partial" in given:
        given["partial"] = _PARTIAL in given["partial"]
    if "on_failure" in given:
        given["on_failure"] = (given["on_failure"].get("onFailure") or {}).get("destinationArn")
    if "max_concurrency" in given:
        given["max_concurrency"] = int(given["max_concurrency"].get("maximumConcurrency") or 4)
    return given


def _between(name: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; AWS allows {low} to {high}")
