"""What becomes of stream records that a function will not have: the on-failure destination of the mapping."""

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from ..invocation import Invocation
from .records import arrival, sequence_number

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


class FailureDestination:
    """Sends discarded batches to a bucket (with their payload), a queue or a topic, under the function's role."""

    def __init__(
        self,
        arn: str | None,
        *,
        clients: Callable[[str], Any],
        mapping_id: str,
        function_arn: str,
        stream_arn: str,
    ) -> None:
        self._arn = arn
        self._clients = clients
        self._mapping_id = mapping_id
        self._function_arn = function_arn
        self._stream_arn = stream_arn

    def send(
        self,
        shard: str,
        records: Sequence[dict[str, Any]],
        condition: Condition,
        tries: int,
        answer: Invocation | None,
    ) -> None:
        """Raises ClientError when the destination refuses: nothing is dropped in silence."""
        if self._arn is None:
            return
        now = datetime.now(UTC)
        record = self._describe(shard, records, condition, tries, answer, now)
        service = self._arn.split(":")[2]
        if service == "s3":
            # AWS's own order of the parts of the key.
            moment = now.strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S")
            self._clients("s3").put_object(
                Bucket=self._arn.rsplit(":", 1)[-1],
                Key=f"aws/lambda/{self._mapping_id}/{shard}/{moment}-{uuid.uuid4()}",
                Body=json.dumps({**record, "payload": json.dumps({"Records": list(records)})}).encode(),
            )
        elif service == "sqs":
            queues = self._clients("sqs")
            url = queues.get_queue_url(QueueName=self._arn.rsplit(":", 1)[-1])["QueueUrl"]
            queues.send_message(QueueUrl=url, MessageBody=json.dumps(record))
        elif service == "sns":
            self._clients("sns").publish(TopicArn=self._arn, Message=json.dumps(record))
        else:
            raise LookupError(f"the on-failure destination {self._arn} is no bucket, queue or topic")

    def _describe(
        self,
        shard: str,
        records: Sequence[dict[str, Any]],
        condition: Condition,
        tries: int,
        answer: Invocation | None,
        now: datetime,
    ) -> dict[str, Any]:
        first, last = records[0], records[-1]
        batch = "KinesisBatchInfo" if "kinesis" in first else "DDBStreamBatchInfo"
        described: dict[str, Any] = {
            "requestContext": {
                "requestId": answer.request_id if answer else str(uuid.uuid4()),
                "functionArn": self._function_arn,
                "condition": condition,
                "approximateInvokeCount": tries,
            },
            "version": "1.0",
            "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            batch: {
                "shardId": shard,
                "startSequenceNumber": sequence_number(first),
                "endSequenceNumber": sequence_number(last),
                "approximateArrivalOfFirstRecord": _moment(arrival(first)),
                "approximateArrivalOfLastRecord": _moment(arrival(last)),
                "batchSize": len(records),
                "streamArn": self._stream_arn,
            },
        }
        if answer is not None:
            described["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST"}
            if not answer.ok:
                described["responseContext"]["functionError"] = "Unhandled"
        return described


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
