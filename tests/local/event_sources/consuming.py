"""A function that only remembers what it is called with, and the answers it may give."""

import base64
import json
from collections.abc import Callable
from typing import Any

from local.invocation import Crash, Invocation

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:consumer"
OK = Invocation("ok", b"null")
FAILED = Invocation("error", b'{"errorType":"ValueError"}', {"errorType": "ValueError"}, "request-1")


class Consumer:
    """A function in this process: remembers its calls, and answers by `rule(keys of the batch)`."""

    def __init__(self, rule: Callable[[list[str]], Invocation] = lambda keys: OK) -> None:
        self.rule = rule
        self.calls: list[list[str]] = []
        self.records: list[dict[str, Any]] = []
        self.crashes: list[Crash | None] = []

    def __call__(self, payload: bytes, *, crash: Crash | None = None) -> Invocation:
        records = json.loads(payload)["Records"]
        keys = [key_of(record) for record in records]
        self.calls.append(keys)
        self.records += records
        self.crashes.append(crash)
        return self.rule(keys)

    @property
    def seen(self) -> list[str]:
        return [key for call in self.calls for key in call]


def key_of(record: dict[str, Any]) -> str:
    if "kinesis" in record:
        return json.loads(base64.b64decode(record["kinesis"]["data"]))["key"]
    return record["body"] if "body" in record else record["dynamodb"]["Keys"]["pk"]["S"]


def partial(*identifiers: str) -> Invocation:
    failures = [{"itemIdentifier": identifier} for identifier in identifiers]
    return Invocation("ok", json.dumps({"batchItemFailures": failures}).encode())


def poison(*bad: str) -> Callable[[list[str]], Invocation]:
    return lambda keys: FAILED if set(bad) & set(keys) else OK
