"""The delayed queue of effects, fed by the relay itself where the road cannot delay (Kinesis)."""

from collections.abc import Sequence
from typing import Any

from ..store_errors import ask
from .batch_answer import failures
from .road import Failed, Outgoing


class EffectsQueue:
    """`client` is one of sqs, `url` a standard queue's. A road of its own, beside the one that consumers read."""

    name = "SQS"
    ordered = False
    most_entries = 10
    most_bytes = 256 * 1024

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def size(self, outgoing: Outgoing) -> int:
        return len(outgoing.envelope)

    def put(self, request: Sequence[Outgoing]) -> list[Failed | None]:
        entries = [
            {"Id": str(number), "MessageBody": each.envelope.decode(), "MessageGroupId": each.tenant}
            for number, each in enumerate(request)
        ]
        return failures(ask(self._client.send_message_batch, QueueUrl=self._url, Entries=entries), entries)
