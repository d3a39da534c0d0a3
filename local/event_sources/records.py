"""What the services' APIs answer, in the shape of Lambda's events."""

import base64
from typing import Any


def stream_record(record: dict[str, Any], stream_arn: str) -> dict[str, Any]:
    """A record of GetRecords: times become seconds, binaries base64."""
    change = record["dynamodb"]
    made = change["ApproximateCreationDateTime"].timestamp()
    plain = {name: _plain(value) for name, value in change.items() if name != "ApproximateCreationDateTime"}
    return {
        **record,
        "dynamodb": {"ApproximateCreationDateTime": made, **plain},
        "eventSourceARN": stream_arn,
    }


def data_record(record: dict[str, Any], shard: str, stream_arn: str, role_arn: str) -> dict[str, Any]:
    """A record of a Kinesis stream's GetRecords."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role_arn,
        "awsRegion": stream_arn.split(":")[3],
        "eventSourceARN": stream_arn,
    }


def sequence_number(record: dict[str, Any]) -> str:
    """Where in its shard a stream's record is."""
    return record["kinesis"]["sequenceNumber"] if "kinesis" in record else record["dynamodb"]["SequenceNumber"]


def arrival(record: dict[str, Any]) -> float:
    """When a stream's record was made, in seconds."""
    if "kinesis" in record:
        return record["kinesis"]["approximateArrivalTimestamp"]
    return record["dynamodb"]["ApproximateCreationDateTime"]


def queue_record(message: dict[str, Any], queue_arn: str) -> dict[str, Any]:
    """A message of ReceiveMessage."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        attribute["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return attribute


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | set):
        return [_plain(inner) for inner in value]
    return value
