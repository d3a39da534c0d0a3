"""The road over a Kinesis data stream: the events of one stream of ours in order, on one shard."""

from collections.abc import Sequence
from typing import Any

from ..store_errors import ask
from .road import Failed, Outgoing


class Kinesis:
    """`client` is one of kinesis, `stream` an ARN. The partition key is the stream's key: never random, or a
    stream would be spread over shards, and they have no order between them."""

    name = "Kinesis"
    ordered = True
    most_entries = 500
    most_bytes = 5 * 1024 * 1024

    def __init__(self, client: Any, stream: str) -> None:
        self._client = client
        self._stream = stream

    def size(self, outgoing: Outgoing) -> int:
        return len(outgoing.envelope) + len(outgoing.stream.encode())

    def put(self, request: Sequence[Outgoing]) -> list[Failed | None]:
        records = [{"PartitionKey": each.stream, "Data": each.envelope} for each in request]
        answers = ask(self._client.put_records, StreamARN=self._stream, Records=records)["Records"]
        # The codes of a record are of the moment: a throttled shard, a failure of the service's own.
        return [
            Failed(f"{answer['ErrorCode']}: {answer.get('ErrorMessage', '')}", final=False)
            if answer.get("ErrorCode")
            else None
            for answer in answers
        ]
