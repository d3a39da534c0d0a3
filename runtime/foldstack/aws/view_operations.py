"""Views as those who operate them need them: many rows at a time, of all tenants, and a generation's end."""

import re
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

from botocore.exceptions import ClientError

from ..kernel.errors import StoreThrottled
from ..kernel.projection import Number, Projection
from . import view_rows
from .store_errors import NOT_DONE, ask, error_code
from .view_batches import DynamoViewBatches
from .view_store import BatchViewStore, RowScan, RowWrite, ScannedRow, unchanged

_MOST_IN_TRANSACTION = 100
_MOST_TRANSACTION_BYTES = 3_500_000  # DynamoDB takes 4 MB, and counts names too
_MOST_DELETED = 25
_TRIES = 6
_PAUSE = 0.05
_LOST = ("ConditionalCheckFailed", "TransactionConflict")


class OperatedViews(BatchViewStore, Protocol):
    """A view store, for operators."""

    def leads(self, projection: Projection, after: Any = None, parked: bool = False) -> RowScan:
        """Some of all tenants' lead rows, or some of those that are parked."""
        ...

    def remove(self, projection: Projection, keep: Collection[int], latest: int, after: Any = None) -> tuple[int, Any]:
        """Removes some of what generations up to `latest` hold, those in `keep` left out. How many items it was,
        and where to go on; None at the end."""
        ...


class DynamoViewOperations(DynamoViewBatches):
    """See `OperatedViews`. Transactions cost twice the write units of single writes: a rebuild pays that for having
    the rows and the totals of a hundred streams in one request."""

    def write_many(self, projection: Projection, writes: Sequence[RowWrite]) -> list[bool]:
        written = [False] * len(writes)
        for numbers in _fitting(writes):
            left = numbers
            for tries in range(_TRIES):
                lost = self._transact(projection, [writes[n] for n in left])
                if lost is None:
                    for n in left:
                        written[n] = True
                    break
                # Whoever lost is out; where only a total was in the way, all go again, with other shards.
                left = [n for place, n in enumerate(left) if place not in lost]
                if not left:
                    break
                if not lost:
                    time.sleep(_PAUSE * 2**tries)
        return written

    def leads(self, projection: Projection, after: Any = None, parked: bool = False) -> RowScan:
        suffix = view_rows.suffix(projection)
        only = "attribute_exists(n) AND contains(p, :suffix)" + (" AND attribute_exists(parked)" if parked else "")
        found = ask(
            self._client.scan,
            TableName=self._table(projection),
            ConsistentRead=True,
            FilterExpression=only,
            ExpressionAttributeValues={":suffix": {"S": suffix}},
            **({"ExclusiveStartKey": after} if after else {}),
        )
        rows = [
            ScannedRow(item["p"]["S"].removesuffix(suffix), item["s"]["S"], view_rows.from_item(item))
            for item in found["Items"]
            if item["p"]["S"].endswith(suffix)
        ]
        return RowScan(rows, found.get("LastEvaluatedKey"))

    def remove(self, projection: Projection, keep: Collection[int], latest: int, after: Any = None) -> tuple[int, Any]:
        table = self._table(projection)
        start = {"ExclusiveStartKey": after} if after else {}
        found = ask(self._client.scan, TableName=table, ProjectionExpression="p, s", ConsistentRead=True, **start)
        numbers = ((item, generation_of(projection, item["p"]["S"])) for item in found["Items"])
        doomed = [{"p": item["p"], "s": item["s"]} for item, n in numbers if n and n <= latest and n not in keep]
        for begin in range(0, len(doomed), _MOST_DELETED):
            left = [{"DeleteRequest": {"Key": key}} for key in doomed[begin : begin + _MOST_DELETED]]
            for tries in range(_TRIES):
                left = ask(self._client.batch_write_item, RequestItems={table: left})["UnprocessedItems"].get(table)
                if not left:
                    break
                time.sleep(_PAUSE * 2**tries)
            else:
                raise StoreThrottled(f"{len(left)} rows of {projection.name} could not be removed now")
        return len(doomed), found.get("LastEvaluatedKey")

    def _transact(self, projection: Projection, writes: list[RowWrite]) -> set[int] | None:
        """One transaction: None where it was done. Else which of the writes were in the way, by place; that may be
        none of them."""
        table = self._table(projection)
        items: list[dict[str, Any]] = [
            {
                "Put": {
                    "TableName": table,
                    "Item": view_rows.to_item(
                        view_rows.partition(projection, each.stream.tenant), each.stream.id, each.after
                    ),
                    **unchanged(each.before),
                }
            }
            for each in writes
        ]
        for (partition, key), fields in _summed(projection, writes).items():
            items.append({"Update": self._addition(table, partition, key, fields)})
        try:
            ask(self._client.transact_write_items, TransactItems=items)
        except StoreThrottled:
            return set()
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
            if not set(codes) <= NOT_DONE | {"None", "ConditionalCheckFailed"}:
                raise
            return {n for n, code in enumerate(codes[: len(writes)]) if code in _LOST}
        return None


def generation_of(projection: Projection, partition: str) -> int | None:
    """The generation whose rows or totals have this partition key; None where they are not the projection's."""
    found = re.fullmatch(rf"[^#]+#{projection.name}#{projection.version}\.([0-9]+)(#totals)?", partition)
    return int(found[1]) if found else None


def _fitting(writes: Sequence[RowWrite]) -> Iterator[list[int]]:
    """The places of writes that go into one transaction: rows and the totals they change, together."""
    group: list[int] = []
    totals: set[tuple[str, str]] = set()
    size = 0
    for n, write in enumerate(writes):
        own = {(str(write.stream.tenant), key) for key in write.changes}
        more = totals | own
        bytes_more = view_rows.size_of(write.after)
        if group and (len(group) + 1 + len(more) > _MOST_IN_TRANSACTION or size + bytes_more > _MOST_TRANSACTION_BYTES):
            yield group
            group, size = [], 0
            more = own
        group.append(n)
        totals, size = more, size + bytes_more
    if group:
        yield group


def _summed(projection: Projection, writes: list[RowWrite]) -> dict[tuple[str, str], dict[str, Number]]:
    """What the writes add to each total, together: a transaction touches an item once."""
    sums: dict[tuple[str, str], dict[str, Number]] = {}
    for write in writes:
        partition = view_rows.totals_partition(projection, write.stream.tenant)
        for key, fields in write.changes.items():
            total = sums.setdefault((partition, key), {})
            for name, change in fields.items():
                total[name] = total.get(name, 0) + change
    found = {key: {name: n for name, n in fields.items() if n} for key, fields in sums.items()}
    return {key: fields for key, fields in found.items() if fields}
