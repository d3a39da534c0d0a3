"""Events as the services hand them to the functions of a `Stage`, and the road behind a commit, driven to its end."""

import json
from dataclasses import dataclass
from typing import Any

from foldstack.aws import consumption

from local.gateway_event import make_event
from local.http_server import Request

from .stage import FUNCTIONS, Stage

TENANT = "acme"
Taken = dict[str, dict[str, float]]
"""Table name -> reads, writes, read_units, write_units."""
_HOST = "shop.execute-api.us-east-1.amazonaws.com"


@dataclass
class Context:
    """Lambda's context."""

    function_name: str = "shop"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:shop"
    aws_request_id: str = "8f5b6e1c-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


CONTEXT = Context()


def api_event(method: str, path: str, body: Any = None, key: str | None = None) -> dict[str, Any]:
    """What API Gateway hands to the router for one request."""
    headers = [("host", _HOST), ("x-tenant-id", TENANT), ("user-agent", "benchmark"), ("accept", "*/*")]
    if body is not None:
        headers.append(("content-type", "application/json"))
    if key is not None:
        headers.append(("idempotency-key", key))
    request = Request(method, path, headers, b"" if body is None else json.dumps(body).encode(), "127.0.0.1")
    return make_event(request, api_id="shop", account="000000000000", authority=_HOST)


def reserve_event(product_id: str, quantity: int = 1, key: str | None = None) -> dict[str, Any]:
    return api_event("POST", "/reservations", {"productId": product_id, "quantity": quantity}, key)


class Shop:
    """A client of the staged functions, and the road behind them: stream, relay, bus, queue, projector and effects.

    `taken` is what each function has asked of DynamoDB since `start`.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.taken: dict[str, Taken] = {}
        self._streams = stage.root("dynamodbstreams")
        self._iterators = self._open()
        self.start()

    def start(self) -> None:
        """Brings the road to its end and counts from zero."""
        self.drive()
        self.taken = {name: {} for name in FUNCTIONS}

    def send(self, event: dict[str, Any], expect: int) -> dict[str, Any]:
        """The answer's body; AssertionError where it has another status."""
        answer = self._call("http", event)
        assert answer["statusCode"] == expect, answer
        return json.loads(answer["body"]) if answer.get("body") else {}

    def create(self, product_id: str, stock: int = 1000) -> None:
        price = {"amount": "19.99", "currency": "EUR"}
        body = {"productId": product_id, "name": "A chair of oak", "price": price, "stock": stock}
        self.send(api_event("POST", "/products", body), 201)

    def reserve(self, product_id: str, *, quantity: int = 1, key: str | None = None, expect: int = 201) -> Any:
        return self.send(reserve_event(product_id, quantity, key), expect)

    def drive(self) -> None:
        """Takes what was committed along, until nothing is left."""
        while records := self._records():
            self._call("relay", {"Records": records})
            while messages := self._messages():
                for function in ("projector", "effects"):
                    answer = self._call(function, {"Records": messages})
                    assert answer["batchItemFailures"] == [], answer

    def _call(self, function: str, event: dict[str, Any]) -> Any:
        consumption.reset()
        with self.stage.logs():
            answer = self.stage.functions[function].handler(event, CONTEXT)
        for table, use in consumption.taken()["tables"].items():
            known = self.taken.setdefault(function, {}).setdefault(table, dict.fromkeys(use, 0))
            for name, value in use.items():
                known[name] += value
        return answer

    def _open(self) -> list[str]:
        shards = self._streams.describe_stream(StreamArn=self.stage.stream)["StreamDescription"]["Shards"]
        return [
            self._streams.get_shard_iterator(
                StreamArn=self.stage.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            for shard in shards
        ]

    def _records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for n, iterator in enumerate(self._iterators):
            answer = self._streams.get_records(ShardIterator=iterator)
            self._iterators[n] = answer["NextShardIterator"]
            for record in answer["Records"]:
                at = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
                found.append({**record, "dynamodb": {**record["dynamodb"], "ApproximateCreationDateTime": at}})
        return found

    def _messages(self) -> list[dict[str, Any]]:
        sqs = self.stage.root("sqs")
        answer = sqs.receive_message(QueueUrl=self.stage.queue, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=self.stage.queue, ReceiptHandle=message["ReceiptHandle"])
        return [
            {"messageId": each["MessageId"], "body": each["Body"], "attributes": {"ApproximateReceiveCount": "1"}}
            for each in messages
        ]
