"""What a source reads: a table's stream, a data stream, a queue."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from local.credentials import Credentials
from local.emulator import Emulator
from local.event_sources import QueueSource, StreamSource

from ..conftest import allow, make_role


class Stream:
    """A table, its stream, and a role that may read exactly that."""

    service = "dynamodbstreams"
    batch_info = "DDBStreamBatchInfo"
    first_call = "dynamodb:DescribeStream"

    def __init__(self, emulator: Emulator, credentials: Credentials, table: str, bucket: str) -> None:
        self.table = table
        self.dynamodb = emulator.client("dynamodb")
        self.arn = self.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
        read = ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"]
        put = allow(["s3:PutObject"], [f"arn:aws:s3:::{bucket}/*"])
        self.clients = credentials.clients(make_role(emulator, allow(read, [self.arn]), put))

    def put(self, *keys: str, **attributes: Any) -> None:
        for key in keys:
            self.dynamodb.put_item(TableName=self.table, Item={"pk": {"S": key}, **attributes})


class DataStream:
    """A Kinesis stream, and a role that may read exactly that."""

    service = "kinesis"
    batch_info = "KinesisBatchInfo"
    first_call = "kinesis:ListShards"

    def __init__(self, emulator: Emulator, credentials: Credentials, bucket: str, shards: int = 1) -> None:
        self.kinesis = emulator.client("kinesis")
        self.name = f"stream-{uuid.uuid4().hex}"
        self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)
        self.arn = self.kinesis.describe_stream_summary(StreamName=self.name)["StreamDescriptionSummary"]["StreamARN"]
        read = ["kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"]
        put = allow(["s3:PutObject"], [f"arn:aws:s3:::{bucket}/*"])
        self.clients = credentials.clients(make_role(emulator, allow(read, [self.arn]), put))

    def put(self, *keys: str, partition: str = "p", **more: Any) -> None:
        for key in keys:
            data = json.dumps({"key": key, **more}).encode()
            self.kinesis.put_record(StreamARN=self.arn, PartitionKey=partition, Data=data)


Read = Callable[..., StreamSource]


class Queue:
    """A queue with a dead-letter queue, and a role that may consume exactly it."""

    def __init__(self, emulator: Emulator, credentials: Credentials, *, receives: int = 100, **attributes: str):
        self.sqs = emulator.client("sqs")
        fifo = ".fifo" if attributes.get("FifoQueue") else ""
        kind = {"FifoQueue": "true"} if fifo else {}
        name = f"queue-{uuid.uuid4().hex}"
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead{fifo}", Attributes=kind)["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": self.arn_of(self.dead), "maxReceiveCount": receives})
        attributes = {"VisibilityTimeout": "60", **attributes, "RedrivePolicy": redrive}
        self.url = self.sqs.create_queue(QueueName=f"{name}{fifo}", Attributes=attributes)["QueueUrl"]
        self.arn = self.arn_of(self.url)
        actions = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility"]
        role = make_role(emulator, allow([f"sqs:{action}" for action in actions], [self.arn]))
        self.clients = credentials.clients(role)

    def arn_of(self, url: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return found["Attributes"]["QueueArn"]

    def send(self, *bodies: str, **more: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)

    def dead_letters(self) -> list[str]:
        found = self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10).get("Messages", [])
        return sorted(message["Body"] for message in found)


Consume = Callable[..., QueueSource]
