"""A Kinesis stream in front of a function: in order by shard, with bounded retries; what it gives up goes to S3."""

import json

import pulumi
import pulumi_aws as aws

from .. import alarms, environment, permissions
from ..consumer_queue import SOON, Batch
from ..function import Function
from ..handles import Handle, optional
from ..scope import Scope

BATCH_SIZE = 100
LONGEST_AGE = 23 * 3600  # a stream keeps 24 hours at least


class ConsumerStream:
    """What one function reads of a stream. Its failures go to the bucket of the service, which is there on every
    road: a bucket of its own would hold data, and stand in the way of another road."""

    url = ""
    """Of a queue: there is none, and nobody counts what waits. The alarm is on the iterator's age."""

    def __init__(self, scope: Scope, suffix: str, events: Handle, types: list[str], batch: Batch = SOON) -> None:
        self._scope = scope
        self._suffix = suffix
        self._types = types
        self._batch = batch
        self._stream_arn: pulumi.Input[str] = events["bus_arn"]
        self.variables: environment.Variables = {}  # for its function: Lambda itself retries a stream
        self._key_arn = optional(events, "bus_key_arn")
        self._failures_arn: pulumi.Input[str] = events["failures_bucket_arn"]
        self._failures_key: pulumi.Input[str] = events["domain"]["key_arn"]

    @property
    def statements(self) -> list[permissions.Statement]:
        """For the role of the function."""
        return [
            *permissions.read_data_stream(self._stream_arn),
            *permissions.under_key("ReadUnderKey", ["Decrypt"], [self._key_arn], "kinesis"),
            *permissions.keep_failures(self._failures_arn),
            *permissions.under_key("KeepFailuresUnderKey", ["GenerateDataKey"], [self._failures_key], "s3"),
        ]

    def drain_into(self, function: Function) -> None:
        """Give the function the records in batches; it answers from which on they failed."""
        pattern = json.dumps({"data": {"types": sorted(self._types)}}, sort_keys=True)
        aws.lambda_.EventSourceMapping(
            self._scope.child(f"{self._suffix}-source"),
            function_name=function.arn,
            event_source_arn=self._stream_arn,
            starting_position="TRIM_HORIZON",
            batch_size=max(BATCH_SIZE, self._batch.size),
            maximum_batching_window_in_seconds=self._batch.window or None,
            parallelization_factor=1,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=10,
            maximum_record_age_in_seconds=LONGEST_AGE,
            function_response_types=["ReportBatchItemFailures"],
            filter_criteria={"filters": [{"pattern": pattern}]} if self._types else None,
            destination_config={"on_failure": {"destination_arn": self._failures_arn}},
            tags=self._scope.tags,
            opts=self._scope.options(function.ready),
        )
        alarms.on_iterator_age(self._scope, self._suffix, function.name)
