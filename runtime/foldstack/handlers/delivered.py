"""What Lambda delivers, whatever the road: the record's identity, and the envelope in it."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from ..kernel.envelope import Envelope
from ..kernel.errors import UndecodableEvent

Delivered = Mapping[str, Any]


def envelope_of(record: Delivered) -> Envelope:
    """The envelope of a Kinesis record, or of a message that came from EventBridge, from SNS (raw) or straight from
    the relay. Raises UndecodableEvent."""
    try:
        content = base64.b64decode(record["kinesis"]["data"]) if "kinesis" in record else record["body"]
        document = json.loads(content)
        return Envelope.parse(document.get("detail", document))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UndecodableEvent(f"no JSON of an envelope: {error!r}") from error


def identifier(record: Delivered) -> str:
    """What a partial batch response calls it."""
    if "dynamodb" in record:
        return record["dynamodb"]["SequenceNumber"]
    return record["kinesis"]["sequenceNumber"] if "kinesis" in record else record["messageId"]


def group_of(record: Delivered) -> str:
    """The message group of a FIFO queue; empty where there is no order to keep, or Lambda itself keeps it."""
    if not record.get("eventSourceARN", "").endswith(".fifo"):
        return ""
    return record["attributes"]["MessageGroupId"]
