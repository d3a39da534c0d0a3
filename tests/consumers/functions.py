"""Handlers as Lambda loads and calls them: a fresh module a sandbox, messages as SQS gives them."""

import base64
import importlib
import itertools
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from foldstack.kernel.commit import Commit
from foldstack.kernel.envelope import Envelope

_ids = itertools.count(1)


@dataclass
class Context:
    """Lambda's context."""

    milliseconds: int = 60_000
    function_name: str = "function"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:function"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def load(monkeypatch: pytest.MonkeyPatch, name: str, environment: Mapping[str, str]) -> Any:
    """The module of a handler in a new sandbox with these FOLDSTACK_* variables."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", environment["SERVICE"])
    for variable, value in environment.items():
        monkeypatch.setenv(f"FOLDSTACK_{variable}", value)
    sys.modules.pop(f"foldstack.handlers.{name}", None)
    return importlib.import_module(f"foldstack.handlers.{name}")


def message(body: Any, receives: int = 1) -> dict[str, Any]:
    """A message of SQS; text is sent as it is, anything else as JSON."""
    return {
        "messageId": f"m{next(_ids)}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(receives)},
    }


def bus_message(commit: Commit | Envelope, source: str = "library", **changes: Any) -> dict[str, Any]:
    """A commit as it comes from the bus."""
    envelope = commit if isinstance(commit, Envelope) else Envelope.of(commit)
    detail = json.loads(json.dumps({**envelope.to_dict(source), **changes}))
    return message({"source": source, "detail-type": "commit", "detail": detail})


def kinesis_record(commit: Commit | Envelope, sequence: str, source: str = "library") -> dict[str, Any]:
    """A commit as it comes from a Kinesis stream."""
    envelope = commit if isinstance(commit, Envelope) else Envelope.of(commit)
    data = base64.b64encode(json.dumps(envelope.to_dict(source)).encode()).decode()
    return {"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": sequence, "data": data}}


def failed(answer: Mapping[str, Any]) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]
