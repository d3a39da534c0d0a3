"""The parking queue: what needs a person, each with its reason. Its alarm is the call."""

import json
from typing import Any, Protocol

from ..kernel.errors import DefinitionError
from .store_errors import ask


class Park(Protocol):
    """Tells a person, at least once. `pointer` is plain JSON: where to look. Only the relay adds the `payload`: what
    it cannot publish may be found nowhere else in a form that can be sent."""

    def __call__(self, kind: str, reason: str, **pointer: Any) -> None: ...


class ParkingQueue:
    """Messages are `{"kind", "reason", ...pointer}`. Raises StoreTimeout or StoreThrottled."""

    def __init__(self, client: Any, url: str) -> None:
        if not url:
            raise DefinitionError("FOLDSTACK_PARKED_QUEUE is not set: this function needs a queue to park in")
        self._client = client
        self._url = url

    def __call__(self, kind: str, reason: str, **pointer: Any) -> None:
        body = json.dumps({"kind": kind, "reason": reason, **pointer}, separators=(",", ":"))
        ask(self._client.send_message, QueueUrl=self._url, MessageBody=body)
