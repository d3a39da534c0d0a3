"""A stream of DynamoDB or Kinesis as an event source: each shard in order, failures by AWS's rules, positions kept."""

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
from .records import sequence_number
from .stream_delivery import StreamDelivery
from .stream_failures import FailureDestination
from .stream_readers import StreamReader, reader_of

_NEVER = -2
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
    """`clients` answers a service's name with a client under the function's own role, `role_arn`.

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
        role_arn: str = "",
        retry_pause: float = 0.1,
    ) -> None:
        super().__init__(name, invoke, faults)
        self.options = options or StreamOptions()
        self._stream_arn = stream_arn
        self._clients = clients
        self._role_arn = role_arn
        self._reader: StreamReader | None = None
        self._checkpoint = dict(checkpoint or {})
        self._shards: dict[str, _Shard] = {}
        failures = FailureDestination(
            self.options.on_failure,
            clients=clients,
            mapping_id=mapping_id or str(uuid.uuid4()),
            function_arn=function_arn,
            stream_arn=stream_arn,
        )
        self._quiet_round = _NEVER
        self._delivery = StreamDelivery(self.options, self._call, failures, self._stopping, retry_pause)

    @property
    def checkpoint(self) -> dict[str, str]:
        """Shard -> sequence number up to which everything is handled; for a source that goes on from here."""
        return dict(self._checkpoint)

    def _poll(self) -> None:
        if self._reader is None:
            self._reader = reader_of(self._stream_arn, self._clients, self._role_arn)
        if not self._shards or any(shard.closed for shard in self._shards.values()):
            self._discover(self._reader)
        # A child shard waits for its parent's end.
        open_shards = [s for s in self._shards.values() if not s.closed and not self._has_open_parent(s)]
        if not any([self._serve(self._reader, shard) for shard in open_shards]):
            self._quiet_round = self._round
            self._rest_longer()
        else:
            self._pause = SHORTEST_PAUSE

    def _serve(self, reader: StreamReader, shard: _Shard) -> bool:
        """Read and hand on once; whether there was anything to read."""
        records, last = self._collect(reader, shard)
        if last is None:
            return False
        self._quiet_round = _NEVER

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

    def _discover(self, reader: StreamReader) -> None:
        for name, parent in reader.shards():
            if name not in self._shards:
                self._shards[name] = _Shard(name, parent, self._checkpoint.get(name))

    def _collect(self, reader: StreamReader, shard: _Shard) -> tuple[list[dict[str, Any]], str | None]:
        """Records that pass the filter, and the last sequence number read; waits for the batching window."""
        records: list[dict[str, Any]] = []
        last: str | None = None
        ends: float | None = None
        while True:
            page = self._read(reader, shard, self.options.batch_size - len(records))
            records += [record for record in page if reader.accepts(self.options.filters, record)]
            if page:
                last = sequence_number(page[-1])
                ends = ends or time.monotonic() + self.options.window
            full = len(records) >= self.options.batch_size
            if ends is None or full or shard.closed or time.monotonic() >= ends or self._stopping.is_set():
                return records, last
            self._stopping.wait(min(SHORTEST_PAUSE, max(0.0, ends - time.monotonic())))

    def _read(self, reader: StreamReader, shard: _Shard, limit: int) -> list[dict[str, Any]]:
        try:
            if shard.iterator is None:
                shard.iterator = reader.iterator(shard.id, self.options.starting_position, shard.position)
            page = reader.page(shard.id, shard.iterator, limit)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _STALE:
                raise
            if error.response["Error"]["Code"] == "TrimmedDataAccessException":
                shard.position = None
            shard.iterator = None
            return []
        shard.iterator = page.next
        shard.closed = shard.iterator is None
        return page.records
