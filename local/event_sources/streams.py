"""A DynamoDB stream as an event source: each shard in order, failures by AWS's rules, positions kept."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ..invocation import Invoke
from .base import SHORTEST_PAUSE, EventSource
from .faults import Faults
from .options import StreamOptions
from .records import stream_record
from .stream_delivery import StreamDelivery
from .stream_failures import FailureDestination

_STALE = ("ExpiredIteratorException", "TrimmedDataAccessException")


@dataclass
class _Shard:
    """`position`: sequence number up to which everything is handled, or None at the start."""

    id: str
    parent: str | None
    position: str | None
    iterator: str | None = None
    closed: bool = False


class StreamSource(EventSource):
    """`clients` answers a service's name with a client under the function's own role.

    `checkpoint` is where an earlier source of this stream had come to, by shard. `retry_pause` is in seconds,
    doubled with each failure of a batch.
    """

    def __init__(
        self,
        name: str,
        *,
        function_arn: str,
        stream_arn: str,
        clients: Callable[[str], Any],
        invoke: Invoke,
        options: StreamOptions | None = None,
        checkpoint: Mapping[str, str] | None = None,
        mapping_id: str | None = None,
        faults: Faults | None = None,
        retry_pause: float = 0.1,
    ) -> None:
        super().__init__(name, invoke, faults)
        self.options = options or StreamOptions()
        self._stream_arn = stream_arn
        self._clients = clients
        self._client: Any = None
        self._checkpoint = dict(checkpoint or {})
        self._shards: dict[str, _Shard] = {}
        failures = FailureDestination(
            self.options.on_failure,
            clients=clients,
            mapping_id=mapping_id or str(uuid.uuid4()),
            function_arn=function_arn,
            stream_arn=stream_arn,
        )
        self._quiet_round = 0
        self._delivery = StreamDelivery(self.options, self._call, failures, self._stopping, retry_pause)

    @property
    def checkpoint(self) -> dict[str, str]:
        """Shard -> sequence number up to which everything is handled; for a source that goes on from here."""
        return dict(self._checkpoint)

    def _poll(self) -> None:
        if self._client is None:
            self._client = self._clients("dynamodbstreams")
        if not self._shards or any(shard.closed for shard in self._shards.values()):
            self._discover()
        # A child shard waits for its parent's end.
        open_shards = [s for s in self._shards.values() if not s.closed and not self._has_open_parent(s)]
        if not any([self._serve(shard) for shard in open_shards]):
            self._quiet_round = self._round
            self._rest_longer()
        else:
            self._pause = SHORTEST_PAUSE

    def _serve(self, shard: _Shard) -> bool:
        """Read and hand on once; whether there was anything to read."""
        records, last = self._collect(shard)
        if last is None:
            return False

        def advance(sequence_number: str) -> None:
            shard.position = self._checkpoint[shard.id] = sequence_number

        if self._delivery.deliver(shard.id, records, advance, self.faults):
            advance(last)
        else:
            shard.iterator = None
        return True

    def _has_open_parent(self, shard: _Shard) -> bool:
        parent = self._shards.get(shard.parent or "")
        return parent is not None and not parent.closed

    def _caught_up(self, asked: int) -> bool:
        return self._quiet_round >= asked

    def _recover(self) -> None:
        for shard in self._shards.values():
            shard.iterator = None

    def _discover(self) -> None:
        start: dict[str, str] = {}
        while True:
            page = self._client.describe_stream(StreamArn=self._stream_arn, **start)["StreamDescription"]
            for shard in page["Shards"]:
                name = shard["ShardId"]
                if name not in self._shards:
                    position = self._checkpoint.get(name)
                    self._shards[name] = _Shard(name, shard.get("ParentShardId"), position)
            if "LastEvaluatedShardId" not in page:
                return
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def _collect(self, shard: _Shard) -> tuple[list[dict[str, Any]], str | None]:
        """Records that pass the filter, and the last sequence number read; waits for the batching window."""
        records: list[dict[str, Any]] = []
        last: str | None = None
        ends: float | None = None
        while True:
            page = self._read(shard, self.options.batch_size - len(records))
            records += [record for record in page if self.options.filters.accept(record)]
            if page:
                last = page[-1]["dynamodb"]["SequenceNumber"]
                ends = ends or time.monotonic() + self.options.window
            full = len(records) >= self.options.batch_size
            if ends is None or full or shard.closed or time.monotonic() >= ends or self._stopping.is_set():
                return records, last
            self._stopping.wait(min(SHORTEST_PAUSE, max(0.0, ends - time.monotonic())))

    def _read(self, shard: _Shard, limit: int) -> list[dict[str, Any]]:
        try:
            if shard.iterator is None:
                shard.iterator = self._open(shard)
            page = self._client.get_records(ShardIterator=shard.iterator, Limit=min(limit, 1000))
        except ClientError as error:
            if error.response["Error"]["Code"] not in _STALE:
                raise
            if error.response["Error"]["Code"] == "TrimmedDataAccessException":
                shard.position = None
            shard.iterator = None
            return []
        shard.iterator = page.get("NextShardIterator")
        shard.closed = shard.iterator is None
        return [stream_record(record, self._stream_arn) for record in page["Records"]]

    def _open(self, shard: _Shard) -> str:
        start = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": shard.position}
            if shard.position
            else {"ShardIteratorType": self.options.starting_position}
        )
        answer = self._client.get_shard_iterator(StreamArn=self._stream_arn, ShardId=shard.id, **start)
        return answer["ShardIterator"]
