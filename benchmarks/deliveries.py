"""Commits of `stock` as the roads hand them to a function: records of Lambda's own shapes, in batches."""

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from foldstack.kernel.envelope import Envelope
from foldstack.kernel.keys import StreamId, Tenant

from .stock import history

Record = dict[str, Any]
VISITS = 4
"""How many batches each stream has events in: a row is created once and changed three times."""

_REGION, _ACCOUNT = "us-east-1", "000000000000"
_numbers = itertools.count(1)


def batches(tenant: str, events: int, batch: int, together: int) -> Iterator[list[Envelope]]:
    """`events` commits of one event each, in batches; `together` of a batch are of one stream, one after another."""
    streams_a_batch = max(1, batch // together)
    for number in range(0, events, batch):
        group, visit = divmod(number // batch, VISITS)
        places = range(min(batch, events - number))
        yield [
            _envelope(tenant, group * streams_a_batch + place // together, visit * together + place % together + 1)
            for place in places
        ]


def from_eventbridge(envelope: Envelope) -> Record:
    """Of a queue that a rule feeds."""
    event = {
        "version": "0",
        "id": f"00000000-0000-4000-8000-{next(_numbers):012}",
        "detail-type": "commit",
        "source": "stock",
        "account": _ACCOUNT,
        "time": "2026-01-01T00:00:00Z",
        "region": _REGION,
        "resources": [],
        "detail": envelope.to_dict("stock"),
    }
    return _message(event)


def from_sns(envelope: Envelope) -> Record:
    """Of a queue that is subscribed to a topic, raw."""
    return _message(envelope.to_dict("stock"))


def from_kinesis(envelope: Envelope) -> Record:
    sequence = f"{next(_numbers):056}"
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": envelope.stream.key,
            "sequenceNumber": sequence,
            "data": base64.b64encode(_json(envelope.to_dict("stock")).encode()).decode(),
            "approximateArrivalTimestamp": 1767225600.0,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{_ACCOUNT}:role/projector",
        "awsRegion": _REGION,
        "eventSourceARN": f"arn:aws:kinesis:{_REGION}:{_ACCOUNT}:stream/stock",
    }


SHAPES: dict[str, Callable[[Envelope], Record]] = {
    "eventbridge": from_eventbridge,
    "sns": from_sns,
    "kinesis": from_kinesis,
}


def document_of(record: Record) -> dict[str, Any]:
    """The envelope's JSON in a record, found as anybody would who knows its road."""
    if "kinesis" in record:
        return json.loads(base64.b64decode(record["kinesis"]["data"]))
    body = json.loads(record["body"])
    return body.get("detail", body)


def _envelope(tenant: str, stream: int, version: int) -> Envelope:
    commit = history(StreamId(Tenant(tenant), "stock", f"oak-{stream}"), version)
    return Envelope.of(commit)


def _message(body: Any) -> Record:
    number = next(_numbers)
    return {
        "messageId": f"00000000-0000-4000-9000-{number:012}",
        "receiptHandle": "AQEB" + "x" * 300,
        "body": _json(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1767225600000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1767225600001",
        },
        "messageAttributes": {},
        "md5OfBody": f"{number:032x}",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{_REGION}:{_ACCOUNT}:stock",
        "awsRegion": _REGION,
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
