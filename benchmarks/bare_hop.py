"""The least that any event needs from a put to its consumer: an item, its stream record, one hop of the road.

No function, no pause and no code of ours: one thread asks the services without rest. What is faster than this is not
possible on the same emulator with the same services.
"""

import itertools
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

_TABLE, _NAME = "bare-hop", "bare-hop"
_DEADLINE = 30.0

Clients = Callable[[str], Any]
Hop = Callable[[str], None]
"""Publishes a text, and returns when that was received."""


class BareHop:
    """Its own table and its own road, of the same kind as the shop's, on the same emulator."""

    def __init__(self, clients: Clients, road: str) -> None:
        self._dynamodb = clients("dynamodb")
        self._streams = clients("dynamodbstreams")
        made = self._dynamodb.create_table(
            TableName=_TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        stream = made["TableDescription"]["LatestStreamArn"]
        (shard,) = self._streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
        self._iterator = self._streams.get_shard_iterator(
            StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        self._hop = _ROADS[road](clients)
        self._keys = itertools.count()

    def measure(self, body: str) -> float:
        """Seconds from the put to the receipt."""
        key = f"{next(self._keys)}"
        began = time.perf_counter()
        self._dynamodb.put_item(TableName=_TABLE, Item={"p": {"S": key}, "b": {"S": body}})
        _until(lambda: self._record(key))
        self._hop(json.dumps({"key": key, "body": body}))
        return time.perf_counter() - began

    def _record(self, key: str) -> bool:
        found = self._streams.get_records(ShardIterator=self._iterator)
        self._iterator = found["NextShardIterator"]
        return any(record["dynamodb"]["Keys"]["p"]["S"] == key for record in found["Records"])


def _eventbridge(clients: Clients) -> Hop:
    events, (url, arn) = clients("events"), _queue(clients, _NAME)
    events.create_event_bus(Name=_NAME)
    events.put_rule(Name=_NAME, EventBusName=_NAME, EventPattern=json.dumps({"source": [_NAME]}))
    events.put_targets(Rule=_NAME, EventBusName=_NAME, Targets=[{"Id": "queue", "Arn": arn}])

    def hop(text: str) -> None:
        entry = {"EventBusName": _NAME, "Source": _NAME, "DetailType": "hop", "Detail": text}
        assert not events.put_events(Entries=[entry])["FailedEntryCount"]
        _until(lambda: _received(clients, url, text))

    return hop


def _sns(clients: Clients, fifo: bool = False) -> Hop:
    sns, name = clients("sns"), f"{_NAME}.fifo" if fifo else _NAME
    url, arn = _queue(clients, name)
    kind = {"FifoTopic": "true"} if fifo else {}
    topic = sns.create_topic(Name=name, Attributes=kind)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    numbers = itertools.count()

    def hop(text: str) -> None:
        more = {"MessageGroupId": "g", "MessageDeduplicationId": str(next(numbers))} if fifo else {}
        sns.publish(TopicArn=topic, Message=text, **more)
        _until(lambda: _received(clients, url, text))

    return hop


def _kinesis(clients: Clients) -> Hop:
    kinesis = clients("kinesis")
    kinesis.create_stream(StreamName=_NAME, ShardCount=1)
    _until(lambda: _status(kinesis) == "ACTIVE")
    (shard,) = kinesis.describe_stream(StreamName=_NAME)["StreamDescription"]["Shards"]
    iterator = kinesis.get_shard_iterator(StreamName=_NAME, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]

    def received(text: str) -> bool:
        nonlocal iterator
        found = kinesis.get_records(ShardIterator=iterator)
        iterator = found["NextShardIterator"]
        return any(record["Data"] == text.encode() for record in found["Records"])

    def hop(text: str) -> None:
        kinesis.put_record(StreamName=_NAME, PartitionKey="k", Data=text.encode())
        _until(lambda: received(text))

    return hop


def _status(kinesis: Any) -> str:
    return kinesis.describe_stream_summary(StreamName=_NAME)["StreamDescriptionSummary"]["StreamStatus"]


def _queue(clients: Clients, name: str) -> tuple[str, str]:
    """The URL and the ARN of a new queue, which takes what comes."""
    sqs = clients("sqs")
    kind = {"VisibilityTimeout": "2", **({"FifoQueue": "true"} if name.endswith(".fifo") else {})}
    url = sqs.create_queue(QueueName=name, Attributes=kind)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def _received(clients: Clients, url: str, text: str) -> bool:
    """Whether a message holds that text. What comes is removed, as by whoever has dealt with it."""
    sqs = clients("sqs")
    messages = sqs.receive_message(QueueUrl=url).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    bodies = [json.loads(message["Body"]) for message in messages]
    return any(body.get("detail", body) == json.loads(text) for body in bodies)


def _until(found: Callable[[], bool]) -> None:
    """Without a pause."""
    until = time.perf_counter() + _DEADLINE
    while not found():
        if time.perf_counter() > until:
            raise TimeoutError(f"nothing came within {_DEADLINE} s")


_ROADS: dict[str, Callable[[Clients], Hop]] = {
    "eventbridge": _eventbridge,
    "sns": _sns,
    "sns-fifo": partial(_sns, fifo=True),
    "kinesis": _kinesis,
}
