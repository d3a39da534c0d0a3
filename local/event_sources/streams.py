"""A DynamoDB stream as an event source: each shard in order, failures by AWS's rules, positions kept."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ..invocation import Invoke
from .base import EventSource
from .faults import Faults
from .options import StreamOptions
from .records import stream_record
from .stream_delivery import StreamDelivery
from .stream_failures import FailureDestination

_BUSY_SECONDS = 2.0
_POLL_SECONDS = 0.02
_QUIET_POLL_SECONDS = 0.2
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
        self._round = 0
        self._quiet_round = 0
        self._last_record = time.monotonic()
        self._delivery = StreamDelivery(self.options, self._call, failures, self._stopping, retry_pause)

    @property
    def checkpoint(self) -> dict[str, str]:
        """Shard -> sequence number up to which everything is handled; for a source that goes on from here."""
        return dict(self._checkpoint)

    def _poll(self) -> None:
        self._round += 1
        this_round = self._round
        if self._client is None:
            self._client = self._clients("dynamodbstreams")
        if not self._shards or any(shard.closed for shard in self._shards.values()):
            self._discover()
        found = False
        for shard in list(self._shards.values()):
            parent = self._shards.get(shard.parent or "")
            if shard.closed or (parent is not None and not parent.closed):
                continue
            records, last = self._collect(shard)
            found = found or last is not None
            if last is None:
                continue

            def advance(sequence_number: str, shard: _Shard = shard) -> None:
                shard.position = self._checkpoint[shard.id] = sequence_number

            if self._delivery.deliver(shard.id, records, advance, self.faults):
                advance(last)
            else:
                shard.iterator = None
        with self._changed:
            if not found:
                self._quiet_round = this_round
            else:
                self._last_record = time.monotonic()
            self._changed.notify_all()
            if not found and not self._stopping.is_set():
                busy = time.monotonic() - self._last_record < _BUSY_SECONDS
                self._changed.wait(_POLL_SECONDS if busy else _QUIET_POLL_SECONDS)

    def _caught_up(self, timeout: float) -> bool:
        with self._changed:
            if timeout <= 0:
                return self._quiet_round == self._round
            # A round that is under way may have read before the caller's last write.
            asked = self._round + 1
            self._last_record = time.monotonic()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._quiet_round >= asked or self.problem is not None, timeout)
            if self._quiet_round >= asked:
                return True
        self._raise_problem()
        return False

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
            self._stopping.wait(min(_POLL_SECONDS, max(0.0, ends - time.monotonic())))

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
