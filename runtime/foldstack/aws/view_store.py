"""Views in DynamoDB: reads, and writes that succeed only on what was read."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

from ..kernel.errors import DefinitionError, StoreThrottled
from ..kernel.generations import Control
from ..kernel.keys import StreamId, Tenant
from ..kernel.projection import Number, Projection
from . import view_rows
from .generations import ControlStore
from .store_errors import NOT_DONE, ask, error_code
from .view_rows import Item, LeadRow

Changes = Mapping[str, Mapping[str, Number]]

_LEAST_PAGE = 25


class RowWrite(NamedTuple):
    """One row's change, as `ViewStore.write` takes it."""

    stream: StreamId
    before: LeadRow | None
    after: LeadRow
    changes: Changes


class ScannedRow(NamedTuple):
    """One lead row, as a sweep finds it."""

    tenant: str
    id: str
    lead: LeadRow


class RowScan(NamedTuple):
    """`after` continues the scan, None at its end."""

    rows: list[ScannedRow]
    after: Any


class ViewStore(ControlStore, Protocol):
    """What projectors write and readers read: rows of the generation that a projection stands for. Raises
    StoreTimeout (it may be done) or StoreThrottled (it is not)."""

    def check(self, projection: Projection, lead: LeadRow) -> None:
        """Raises ValueError or TypeError for a row that can't be written here, ever. No request."""
        ...

    def read(self, projection: Projection, stream: StreamId, consistent: bool = True) -> LeadRow | None:
        """The lead row of one stream."""
        ...

    def write(
        self, projection: Projection, stream: StreamId, before: LeadRow | None, after: LeadRow, changes: Changes
    ) -> bool:
        """Puts the lead row and adds the changes to the totals, all or nothing. False where the row is not the
        one read before: then nothing was written."""
        ...

    def rows(
        self, projection: Projection, tenant: Tenant, after: str | None, expected: int
    ) -> Iterator[tuple[str, LeadRow]]:
        """The rows after an id, tombstones left out, by id. `expected` is how many will be taken, about."""
        ...

    def totals(
        self, projection: Projection, tenant: Tenant, key: str | None = None, consistent: bool = False
    ) -> dict[str, dict[str, Number]]:
        """The sums by key: all of them, or that of one key where it is not zero."""
        ...

    def scan(self, projection: Projection, other_than: int, after: Any) -> RowScan:
        """Some of all tenants' lead rows that were written in another epoch."""
        ...

    def position(self, sweep: str) -> dict[str, Any] | None:
        """Where a sweep stopped, as it was kept."""
        ...

    def keep_position(self, sweep: str, position: dict[str, Any] | None) -> None:
        """Keeps plain JSON; None forgets it."""
        ...


class BatchViewStore(ViewStore, Protocol):
    """A view store that takes many rows at a time. Reads are consistent."""

    def read_many(self, projection: Projection, streams: Iterable[StreamId]) -> dict[StreamId, LeadRow]:
        """The lead rows that there are."""
        ...

    def write_many(self, projection: Projection, writes: Sequence[RowWrite]) -> list[bool]:
        """Writes rows of different streams, each with its changes or not at all. False where a row was not
        written: it is not the one read before, or others were in the way."""
        ...


class DynamoViewStore:
    """`tables` maps projection names to table names."""

    def __init__(self, client: Any, tables: Mapping[str, str], *, rng: random.Random | None = None) -> None:
        self._client = client
        self._tables = tables
        self._rng = rng or random.Random()

    def check(self, projection: Projection, lead: LeadRow) -> None:
        view_rows.check_item(lead)

    def read(self, projection: Projection, stream: StreamId, consistent: bool = True) -> LeadRow | None:
        key = {"p": {"S": view_rows.partition(projection, stream.tenant)}, "s": {"S": stream.id}}
        found = ask(self._client.get_item, TableName=self._table(projection), Key=key, ConsistentRead=consistent)
        return view_rows.from_item(found["Item"]) if "Item" in found else None

    def write(
        self, projection: Projection, stream: StreamId, before: LeadRow | None, after: LeadRow, changes: Changes
    ) -> bool:
        table = self._table(projection)
        item = view_rows.to_item(view_rows.partition(projection, stream.tenant), stream.id, after)
        put = {"TableName": table, "Item": item, **unchanged(before)}
        try:
            if not changes:
                ask(self._client.put_item, **put)
            else:
                partition = view_rows.totals_partition(projection, stream.tenant)
                updates = [{"Update": self._addition(table, partition, *change)} for change in changes.items()]
                ask(self._client.transact_write_items, TransactItems=[{"Put": put}, *updates])
        except ClientError as error:
            if _lost(error):
                return False
            raise
        return True

    def rows(
        self, projection: Projection, tenant: Tenant, after: str | None, expected: int
    ) -> Iterator[tuple[str, LeadRow]]:
        condition, values = "p = :p", {":p": {"S": view_rows.partition(projection, tenant)}}
        if after is not None:
            condition, values = f"{condition} AND s > :after", {**values, ":after": {"S": after}}
        limit = max(expected, _LEAST_PAGE)
        for item in self._query(
            projection,
            KeyConditionExpression=condition,
            FilterExpression="attribute_not_exists(dead)",
            ExpressionAttributeValues=values,
            Limit=limit,
        ):
            yield item["s"]["S"], view_rows.from_item(item)

    def totals(
        self, projection: Projection, tenant: Tenant, key: str | None = None, consistent: bool = False
    ) -> dict[str, dict[str, Number]]:
        condition, values = "p = :p", {":p": {"S": view_rows.totals_partition(projection, tenant)}}
        if key is not None:
            condition += " AND s BETWEEN :low AND :high"
            values[":low"] = {"S": view_rows.shard_key(key, 0)}
            values[":high"] = {"S": view_rows.shard_key(key, view_rows.SHARDS - 1)}
        items = self._query(
            projection,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=consistent,
        )
        found = view_rows.totals_from(items)
        return found if key is None else {key: found[key]} if key in found else {}

    def scan(self, projection: Projection, other_than: int, after: Any) -> RowScan:
        suffix = view_rows.suffix(projection)
        more = {"ExclusiveStartKey": after} if after else {}
        found = ask(
            self._client.scan,
            TableName=self._table(projection),
            FilterExpression="e <> :e AND attribute_exists(n)",
            ExpressionAttributeValues={":e": {"N": str(other_than)}},
            **more,
        )
        rows = [
            ScannedRow(item["p"]["S"].removesuffix(suffix), item["s"]["S"], view_rows.from_item(item))
            for item in found["Items"]
            if item["p"]["S"].endswith(suffix)
        ]
        return RowScan(rows, found.get("LastEvaluatedKey"))

    def position(self, sweep: str) -> dict[str, Any] | None:
        found = ask(self._client.get_item, TableName=self._first_table(), Key=_sweep_key(sweep), ConsistentRead=True)
        return json.loads(found["Item"]["at"]["S"]) if "Item" in found else None

    def keep_position(self, sweep: str, position: dict[str, Any] | None) -> None:
        if position is None:
            ask(self._client.delete_item, TableName=self._first_table(), Key=_sweep_key(sweep))
        else:
            item = {**_sweep_key(sweep), "at": {"S": json.dumps(position)}}
            ask(self._client.put_item, TableName=self._first_table(), Item=item)

    def control(self, projection: Projection, consistent: bool = True) -> Control:
        key = _control_key(projection)
        found = ask(self._client.get_item, TableName=self._table(projection), Key=key, ConsistentRead=consistent)
        return Control.from_dict(json.loads(found["Item"]["at"]["S"])) if "Item" in found else Control()

    def keep_control(self, projection: Projection, before: Control, after: Control) -> bool:
        at, revision = {"S": json.dumps(after.to_dict())}, {"N": str(after.revision)}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(p)"}
        if before.revision:
            values = {":r": {"N": str(before.revision)}}
            condition = {"ConditionExpression": "r = :r", "ExpressionAttributeValues": values}
        item = {**_control_key(projection), "at": at, "r": revision}
        try:
            ask(self._client.put_item, TableName=self._table(projection), Item=item, **condition)
        except ClientError as error:
            if _lost(error):
                return False
            raise
        return True

    def _query(self, projection: Projection, **query: Any) -> Iterator[Item]:
        query["TableName"] = self._table(projection)
        while True:
            found = ask(self._client.query, **query)
            yield from found["Items"]
            if "LastEvaluatedKey" not in found:
                return
            query["ExclusiveStartKey"] = found["LastEvaluatedKey"]

    def _addition(self, table: str, partition: str, key: str, changes: Mapping[str, Number]) -> dict[str, Any]:
        # Any shard will do: writers of one total that pick by chance seldom meet.
        shard = self._rng.randrange(view_rows.SHARDS)
        fields = view_rows.added(changes)
        return {
            "TableName": table,
            "Key": {"p": {"S": partition}, "s": {"S": view_rows.shard_key(key, shard)}},
            "UpdateExpression": "ADD " + ", ".join(f"#{n} :{n}" for n in range(len(fields))),
            "ExpressionAttributeNames": {f"#{n}": name for n, name in enumerate(fields)},
            "ExpressionAttributeValues": {f":{n}": change for n, change in enumerate(fields.values())},
        }

    def _first_table(self) -> str:
        return self._tables[min(self._tables)]

    def _table(self, projection: Projection) -> str:
        try:
            return self._tables[projection.name]
        except KeyError:
            raise DefinitionError(
                f"no table for the view {projection.name}: this function has {', '.join(self._tables) or 'none'}; "
                f"name it in the `views` of a ProjectionPipeline, and give its queries to this function"
            ) from None


def _sweep_key(sweep: str) -> Item:
    return {"p": {"S": "#sweep"}, "s": {"S": sweep}}  # no tenant's: none is empty


def _control_key(projection: Projection) -> Item:
    return {"p": {"S": "#control"}, "s": {"S": f"{projection.name}#{projection.version}"}}


def unchanged(before: LeadRow | None) -> dict[str, Any]:
    """The condition that the row is the one read before: its cursor, and whether it is parked."""
    if before is None:
        return {"ConditionExpression": "attribute_not_exists(p)"}
    values = {":n": {"N": str(before.cursor)}, ":e": {"N": str(before.epoch)}}
    parked = "attribute_not_exists(parked)"
    if before.parked is not None:
        parked, values[":parked"] = "parked = :parked", view_rows.parked_attribute(before.parked)
    return {
        "ConditionExpression": f"n = :n AND e = :e AND {parked}",
        "ExpressionAttributeValues": values,
    }


def _lost(error: ClientError) -> bool:
    """Whether another writer was faster, on the row or, in a transaction, on a total."""
    if error_code(error) == "ConditionalCheckFailedException":
        return True
    if error_code(error) != "TransactionCanceledException":
        return False
    codes = {reason["Code"] for reason in error.response["CancellationReasons"]} - {"None"}
    if codes & {"ConditionalCheckFailed", "TransactionConflict"}:
        return True
    if codes <= NOT_DONE:
        raise StoreThrottled(f"refused: {error}") from error
    return False
