"""The road over an EventBridge bus: no order, rules choose the consumers."""

from collections.abc import Sequence
from typing import Any

from ..store_errors import ask
from .road import Failed, Outgoing

DETAIL_TYPE = "commit"
_REFUSED = frozenset({"MalformedDetail", "InvalidArgument", "RedactionFailure"})


class EventBridge:
    """`client` is one of events, `bus` an ARN, `source` the service's name."""

    name = "EventBridge"
    ordered = False
    most_entries = 10
    most_bytes = 256 * 1024

    def __init__(self, client: Any, bus: str, source: str) -> None:
        self._client = client
        self._bus = bus
        self._source = source

    def size(self, outgoing: Outgoing) -> int:
        return len(outgoing.envelope) + len(self._source.encode()) + len(DETAIL_TYPE)

    def put(self, request: Sequence[Outgoing]) -> list[Failed | None]:
        entries = [
            {
                "EventBusName": self._bus,
                "Source": self._source,
                "DetailType": DETAIL_TYPE,
                "Detail": each.envelope.decode(),
            }
            for each in request
        ]
        answers = ask(self._client.put_events, Entries=entries)["Entries"]
        return [_failed(answer) for answer in answers]


def _failed(answer: dict[str, str]) -> Failed | None:
    code = answer.get("ErrorCode")
    if code is None:
        return None
    return Failed(f"{code}: {answer.get('ErrorMessage', '')}", code in _REFUSED)
