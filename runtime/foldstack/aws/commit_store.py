"""The commit store on DynamoDB: a table of commits, a table of command ids, a bucket for large bodies."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from ..kernel.commit import Commit
from ..kernel.errors import StoreThrottled, StoreTimeout
from ..kernel.keys import StreamId, Tenant
from ..kernel.store import IdRow, Page
from . import consumption
from .bodies import Bodies
from .commit_item import Item, from_item, stored_size, to_item
from .sessions import Sessions, client_for
from .store_errors import NOT_DONE, ask, error_code

ID_DAYS = 30
_BATCH = 25
_TRIES = 3
_BATCH_TRIES = 6
_IF_ABSENT = {"ConditionExpression": "attribute_not_exists(p)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


class DynamoCommitStore:
    """See `CommitStore`. `dynamodb` is a client that makes one attempt (`clients.commit_table`): puts are repeated
    by the executor, who alone knows until when; reads, which change nothing, are tried three times here. With
    `sessions` each request is made in its tenant's.

    The row of an id is `{tenant}#{command id}` where a strict command used it up for the whole tenant, and
    `{tenant}#{command id}#{category}#{id}` where a stream's ring dropped it: one key may serve two streams.
    """

    def __init__(
        self,
        dynamodb: Any,
        commit_table: str,
        id_table: str,
        bodies: Bodies,
        *,
        sessions: Sessions | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._sessions = sessions
        self._commits = commit_table
        self._ids = id_table
        self._bodies = bodies
        self._sleep = sleep
        self._now = now

    def append(self, commit: Commit) -> Commit | None:
        item = self._item(commit)
        try:
            ask(self._client(commit.stream.tenant).put_item, TableName=self._commits, Item=item, **_IF_ABSENT)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return self._commit(error.response["Item"])
        consumption.store(stored_size(item, commit))
        return None

    def append_strict(self, commit: Commit) -> Commit | IdRow | None:
        """The SDK gives each request a token of its own, so a repetition is judged by its conditions again."""
        item, row = self._item(commit), IdRow(commit.command_id, commit.request_hash, commit.stream, commit.first)
        puts = [
            {"TableName": self._commits, "Item": item, **_IF_ABSENT},
            {"TableName": self._ids, "Item": self._row_item(_strict_key(commit.stream.tenant, row.command_id), row)},
        ]
        puts[1].update(_IF_ABSENT)
        try:
            ask(self._client(commit.stream.tenant).transact_write_items, TransactItems=[{"Put": put} for put in puts])
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            return self._cancelled(commit, error)
        consumption.store(stored_size(item, commit))
        return None

    def newest(self, stream: StreamId, limit: int, before: int | None = None, consistent: bool = False) -> Page:
        values: dict[str, Any] = {}
        condition = "p = :p"
        if before is not None:
            condition += " AND s < :s"
            values[":s"] = {"N": str(before)}
        return self._query(stream, condition, values, limit, consistent, ScanIndexForward=False)

    def since(self, stream: StreamId, version: int, limit: int = 100, consistent: bool = True) -> Page:
        return self._query(stream, "p = :p AND s >= :s", {":s": {"N": str(version)}}, limit, consistent)

    def find_id(self, stream: StreamId, command_id: str) -> IdRow | None:
        key = {"p": {"S": _ring_key(stream, command_id)}}
        get = self._client(stream.tenant).get_item
        item = self._read(get, TableName=self._ids, Key=key, ConsistentRead=True).get("Item")
        return _row(item, command_id) if item else None

    def keep_ids(self, rows: Sequence[IdRow]) -> None:
        """A row is put again unconditionally: an id has one commit on its stream, so the row is always the same."""
        for tenant in dict.fromkeys(row.stream.tenant for row in rows):
            mine = [row for row in rows if row.stream.tenant == tenant]
            items = [self._row_item(_ring_key(row.stream, row.command_id), row) for row in mine]
            for start in range(0, len(items), _BATCH):
                self._write_batch(tenant, [{"PutRequest": {"Item": item}} for item in items[start : start + _BATCH]])

    def _client(self, tenant: Tenant) -> Any:
        return client_for(self._dynamodb, tenant, self._sessions)

    def _query(
        self, stream: StreamId, condition: str, values: dict[str, Any], limit: int, consistent: bool, **order: bool
    ) -> Page:
        if consistent:
            order["ConsistentRead"] = True
        answer = self._read(
            self._client(stream.tenant).query,
            TableName=self._commits,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={":p": {"S": stream.key}, **values},
            Limit=limit,
            **order,
        )
        commits = [from_item(item, self._bodies.get, stream) for item in answer["Items"]]
        return Page(commits, "LastEvaluatedKey" in answer)

    def _cancelled(self, commit: Commit, error: ClientError) -> Commit | IdRow:
        """What a transaction that was not done found in its way."""
        slot, row = error.response["CancellationReasons"]
        found = _row(row["Item"], commit.command_id) if row["Code"] == "ConditionalCheckFailed" else None
        winner = self._commit(slot["Item"]) if slot["Code"] == "ConditionalCheckFailed" else None
        if winner is not None and (found is None or winner.command_id == commit.command_id):
            return winner
        if found is not None and (found.stream, found.first) != (commit.stream, commit.first):
            return found
        codes = {slot["Code"], row["Code"]} - {"None", "ConditionalCheckFailed"}
        if found is not None or (codes and codes <= NOT_DONE):
            raise StoreThrottled(f"refused: {error}") from error
        raise error

    def _write_batch(self, tenant: Tenant, puts: list[dict[str, Any]]) -> None:
        for tried in range(_BATCH_TRIES):
            answer = self._read(self._client(tenant).batch_write_item, RequestItems={self._ids: puts})
            puts = answer.get("UnprocessedItems", {}).get(self._ids, [])
            if not puts:
                return
            self._pause(tried)
        raise StoreThrottled(f"{len(puts)} command ids were left unprocessed")

    def _read(self, operation: Callable[..., Any], **parameters: Any) -> Any:
        """A request that may be repeated blindly."""
        for tried in range(_TRIES - 1):
            try:
                return ask(operation, **parameters)
            except (StoreTimeout, StoreThrottled):
                self._pause(tried)
        return ask(operation, **parameters)

    def _pause(self, tried: int) -> None:
        self._sleep(random.uniform(0, 0.05 * 2**tried))

    def _item(self, commit: Commit) -> Item:
        try:
            return to_item(commit, self._bodies.put)
        except StoreTimeout as error:
            raise StoreThrottled("the body could not be stored, so the commit was not put") from error

    def _commit(self, item: Item) -> Commit:
        return from_item(item, self._bodies.get)

    def _row_item(self, key: str, row: IdRow) -> Item:
        return {
            "p": {"S": key},
            "k": {"S": row.stream.key},
            "h": {"S": row.request_hash},
            "s": {"N": str(row.first)},
            "ttl": {"N": str(int(self._now()) + ID_DAYS * 86400)},
        }


def _strict_key(tenant: Tenant, command_id: str) -> str:
    return f"{tenant}#{command_id}"


def _ring_key(stream: StreamId, command_id: str) -> str:
    return f"{stream.tenant}#{command_id}#{stream.path}"


def _row(item: Item, command_id: str) -> IdRow:
    return IdRow(command_id, item["h"]["S"], StreamId.parse(item["k"]["S"]), int(item["s"]["N"]))
