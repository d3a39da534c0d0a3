"""What differs between DynamoDB streams and Kinesis when their shards are read: calls and records."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from .filters import Filters
from .records import data_record, stream_record

Records = list[dict[str, Any]]
Clients = Callable[[str], Any]


class Page(NamedTuple):
    """`next` is None at the end of a closed shard."""

    records: Records
    next: str | None


class StreamReader(Protocol):
    """Reads one stream through its service's public API; raises its ClientErrors."""

    def shards(self) -> Iterator[tuple[str, str | None]]:
        """Each shard's id and its parent's."""
        ...

    def iterator(self, shard: str, start: str, after: str | None) -> str:
        """Behind a sequence number, or else at TRIM_HORIZON or LATEST."""
        ...

    def page(self, shard: str, iterator: str, limit: int) -> Page:
        """Records as Lambda has them."""
        ...

    def accepts(self, filters: Filters, record: dict[str, Any]) -> bool: ...


class DynamoDBStreamReader:
    """A table's stream."""

    def __init__(self, stream_arn: str, clients: Clients) -> None:
        self._arn = stream_arn
        self._client = clients("dynamodbstreams")

    def shards(self) -> Iterator[tuple[str, str | None]]:
        start: dict[str, str] = {}
        while True:
            page = self._client.describe_stream(StreamArn=self._arn, **start)["StreamDescription"]
            for shard in page["Shards"]:
                yield shard["ShardId"], shard.get("ParentShardId")
            if "LastEvaluatedShardId" not in page:
                return
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def iterator(self, shard: str, start: str, after: str | None) -> str:
        place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after} if after else _at(start)
        return self._client.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **place)["ShardIterator"]

    def page(self, shard: str, iterator: str, limit: int) -> Page:
        page = self._client.get_records(ShardIterator=iterator, Limit=min(limit, 1000))
        return Page([stream_record(each, self._arn) for each in page["Records"]], page.get("NextShardIterator"))

    def accepts(self, filters: Filters, record: dict[str, Any]) -> bool:
        return filters.accept(record)


class KinesisReader:
    """A Kinesis data stream. The stream is named in each call: a role is allowed by it."""

    def __init__(self, stream_arn: str, clients: Clients, role_arn: str = "") -> None:
        self._arn = stream_arn
        self._client = clients("kinesis")
        self._role_arn = role_arn

    def shards(self) -> Iterator[tuple[str, str | None]]:
        start: dict[str, str] = {"StreamARN": self._arn}
        while True:
            page = self._client.list_shards(**start)
            for shard in page["Shards"]:
                yield shard["ShardId"], shard.get("ParentShardId")
            if not page.get("NextToken"):
                return
            start = {"StreamARN": self._arn, "NextToken": page["NextToken"]}

    def iterator(self, shard: str, start: str, after: str | None) -> str:
        place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after} if after else _at(start)
        return self._client.get_shard_iterator(StreamARN=self._arn, ShardId=shard, **place)["ShardIterator"]

    def page(self, shard: str, iterator: str, limit: int) -> Page:
        page = self._client.get_records(StreamARN=self._arn, ShardIterator=iterator, Limit=min(limit, 10_000))
        records = [data_record(each, shard, self._arn, self._role_arn) for each in page["Records"]]
        return Page(records, page.get("NextShardIterator"))

    def accepts(self, filters: Filters, record: dict[str, Any]) -> bool:
        return filters.accept_data(record)


def reader_of(stream_arn: str, clients: Clients, role_arn: str = "") -> StreamReader:
    """By the service in the stream's ARN."""
    if stream_arn.split(":")[2] == "kinesis":
        return KinesisReader(stream_arn, clients, role_arn)
    return DynamoDBStreamReader(stream_arn, clients)


def _at(start: str) -> dict[str, str]:
    return {"ShardIteratorType": start}
