"""The road over an SNS topic to queues: no order, or with a FIFO topic each stream's."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from ..store_errors import ask
from .batch_answer import failures
from .road import Failed, Outgoing, short

TYPES = "types"
"""The message attribute that subscriptions filter by."""
_PER_ENTRY = 512  # room for the names and ids around an entry


class Sns:
    """`client` is one of sns, `topic` an ARN. Standard: the group is the tenant, for fair queues. FIFO: the group is
    the stream, and an envelope that is published twice within five minutes arrives once."""

    name = "SNS"
    most_entries = 10
    most_bytes = 256 * 1024

    def __init__(self, client: Any, topic: str) -> None:
        self._client = client
        self._topic = topic
        self.ordered = topic.endswith(".fifo")

    def size(self, outgoing: Outgoing) -> int:
        return len(outgoing.envelope) + len(_types(outgoing)) + _PER_ENTRY

    def put(self, request: Sequence[Outgoing]) -> list[Failed | None]:
        entries = [self._entry(str(number), each) for number, each in enumerate(request)]
        answer = ask(self._client.publish_batch, TopicArn=self._topic, PublishBatchRequestEntries=entries)
        return failures(answer, entries)

    def _entry(self, id: str, outgoing: Outgoing) -> dict[str, Any]:
        group = {"MessageGroupId": outgoing.tenant}
        if self.ordered:
            group = {"MessageGroupId": short(outgoing.stream), "MessageDeduplicationId": short(outgoing.id)}
        return {
            "Id": id,
            "Message": outgoing.envelope.decode(),
            "MessageAttributes": {TYPES: {"DataType": "String.Array", "StringValue": _types(outgoing)}},
            **group,
        }


def _types(outgoing: Outgoing) -> str:
    return to_json(outgoing.types).decode()
