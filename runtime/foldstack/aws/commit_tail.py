"""Commits as they come, from the table's stream: each stream's in order, for a person who watches.

A DynamoDB stream serves two readers at a time: the relay is one, this is the other.
"""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ..kernel.commit import Commit
from .bodies import Bodies
from .commit_item import from_item
from .store_errors import error_code

_GONE = ("ExpiredIteratorException", "TrimmedDataAccessException")


@dataclass
class _Shard:
    id: str
    parent: str | None
    iterator: str | None = None
    done: bool = False
    last: str | None = None


class CommitTail:
    """`streams` is a DynamoDB Streams client. It begins with what the stream still holds, a day at most, or, `new`,
    with what comes from now on."""

    def __init__(self, streams: Any, stream_arn: str, bodies: Bodies, *, new: bool = False) -> None:
        self._client = streams
        self._arn = stream_arn
        self._bodies = bodies
        self._shards: dict[str, _Shard] = {}
        self._find(new)

    def poll(self) -> Iterator[Commit]:
        """What has come since the last call; a pass over all shards that may be read."""
        if any(shard.done for shard in self._shards.values()):
            self._find(new=False)
        for shard in list(self._shards.values()):
            parent = self._shards.get(shard.parent or "")
            if shard.done or (parent is not None and not parent.done):
                continue  # a child goes on where its parent ends
            yield from self._read(shard)

    def last(self, most: int, types: Collection[str] = ()) -> list[Commit]:
        """The newest of what the stream still holds, with one of `types`, none for all; reads it to its present
        end."""
        found: deque[Commit] = deque(maxlen=most)
        while True:
            seen, open_before = 0, sum(not shard.done for shard in self._shards.values())
            for commit in self.poll():
                seen += 1
                if not types or not set(types).isdisjoint(commit.types):
                    found.append(commit)
            if not seen and open_before == sum(not shard.done for shard in self._shards.values()):
                return sorted(found, key=lambda commit: commit.time)

    def _find(self, new: bool) -> None:
        start: dict[str, str] = {}
        while True:
            page = self._client.describe_stream(StreamArn=self._arn, **start)["StreamDescription"]
            for each in page["Shards"]:
                shard = _Shard(each["ShardId"], each.get("ParentShardId"))
                ended = new and "EndingSequenceNumber" in each.get("SequenceNumberRange", {})
                if self._shards.setdefault(shard.id, shard) is shard:
                    shard.done = ended
                    shard.iterator = None if ended else self._open(shard, "LATEST" if new else "TRIM_HORIZON")
            if "LastEvaluatedShardId" not in page:
                return
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def _open(self, shard: _Shard, kind: str) -> str:
        where = {"ShardIteratorType": kind}
        if shard.last:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": shard.last}
        answer = self._client.get_shard_iterator(StreamArn=self._arn, ShardId=shard.id, **where)
        return answer["ShardIterator"]

    def _read(self, shard: _Shard) -> Iterator[Commit]:
        try:
            if shard.iterator is None:
                shard.iterator = self._open(shard, "TRIM_HORIZON")
            page = self._client.get_records(ShardIterator=shard.iterator)
        except ClientError as error:
            if error_code(error) not in _GONE:
                raise
            shard.iterator, shard.last = None, None if "Trimmed" in error_code(error) else shard.last
            return
        shard.iterator = page.get("NextShardIterator")
        shard.done = shard.iterator is None
        for record in page["Records"]:
            shard.last = record["dynamodb"]["SequenceNumber"]
            image = record["dynamodb"].get("NewImage", {})
            if record["eventName"] == "INSERT" and "t" in image:
                yield from_item(image, self._bodies.get)
