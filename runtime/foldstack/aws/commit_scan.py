"""The whole commit table, a page at a time, in parallel segments: what rebuilds and republishing read."""

from collections.abc import Collection
from typing import Any, NamedTuple, Protocol

from ..kernel.keys import StreamId, Tenant
from .bodies import Bodies
from .commit_item import from_item
from .store_errors import ask

_MOST_TYPES = 60  # an expression has 300 operators at most
_NO_SNAPSHOT = "p, s, n, t, v, i, h, c, u, a, d, x, e, b, o"
_WHOLE = f"{_NO_SNAPSHOT}, z"
_TO_FOLD = "p, s, n, t, v, d, e, b, o"


class Scanned(NamedTuple):
    """Some commits that were asked for, in no order; `seen` counts the others too. `after` goes on, None at the end."""

    commits: list[Any]
    seen: int
    after: Any


class CommitScan(Protocol):
    def page(self, category: str | None, types: Collection[str], after: Any, segment: int, segments: int) -> Scanned:
        """Commits of a category, None for all, with one of `types`, none for all; read consistently. Only what a
        projection needs is in them: who commanded what is not."""
        ...

    def estimate(self) -> int:
        """How many commits there are, about; 0 for unknown."""
        ...


class CommitTableScan:
    """See `CommitScan`. A page is at most 1 MB of what is stored, whatever it selects."""

    def __init__(self, client: Any, table: str, bodies: Bodies) -> None:
        self._client = client
        self._table = table
        self._bodies = bodies

    def page(self, category: str | None, types: Collection[str], after: Any, segment: int, segments: int) -> Scanned:
        found = self._scan(_TO_FOLD, category, types, after, segment, segments, "", None)
        return found._replace(commits=[from_item(item, self._bodies.get) for item in found.commits])

    def items(
        self,
        category: str | None,
        types: Collection[str],
        after: Any,
        *,
        since: str = "",
        tenant: Tenant | None = None,
    ) -> Scanned:
        """Commits as items, without their snapshots; those alone of `tenant`, and not older than `since`, RFC 3339."""
        return self._scan(_NO_SNAPSHOT, category, types, after, 0, 1, since, tenant)

    def whole(self, tenant: Tenant, after: Any) -> Scanned:
        """Commits of one tenant with all that is stored of them."""
        found = self._scan(_WHOLE, None, (), after, 0, 1, "", tenant)
        return found._replace(commits=[from_item(item, self._bodies.get) for item in found.commits])

    def _scan(
        self,
        attributes: str,
        category: str | None,
        types: Collection[str],
        after: Any,
        segment: int,
        segments: int,
        since: str,
        tenant: Tenant | None,
    ) -> Scanned:
        found = ask(
            self._client.scan,
            TableName=self._table,
            ConsistentRead=True,
            Segment=segment,
            TotalSegments=segments,
            ProjectionExpression=attributes,
            **_filter(category, types, since, tenant),
            **({"ExclusiveStartKey": after} if after else {}),
        )
        return Scanned(found["Items"], found["ScannedCount"], found.get("LastEvaluatedKey"))

    def stream(self, stream: StreamId, types: Collection[str], after: Any, since: str = "") -> Scanned:
        """The same of one stream, in its order."""
        chosen = _filter(None, types, since)
        values = {":p": {"S": stream.key}, **chosen.pop("ExpressionAttributeValues", {})}
        found = ask(
            self._client.query,
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="p = :p",
            ExpressionAttributeValues=values,
            ProjectionExpression=_NO_SNAPSHOT,
            **chosen,
            **({"ExclusiveStartKey": after} if after else {}),
        )
        return Scanned(found["Items"], found["ScannedCount"], found.get("LastEvaluatedKey"))

    def estimate(self) -> int:
        """As DynamoDB counts items, every six hours."""
        return ask(self._client.describe_table, TableName=self._table)["Table"].get("ItemCount", 0)


def _filter(category: str | None, types: Collection[str], since: str, tenant: Tenant | None = None) -> dict[str, Any]:
    """Spares the network, not the read units."""
    conditions, values = [], {}
    if category is not None:
        conditions.append("contains(p, :category)")
        values[":category"] = {"S": f"#{category}#"}
    if 0 < len(types) <= _MOST_TYPES:
        names = {f":t{n}": {"S": name} for n, name in enumerate(sorted(types))}
        conditions.append("(" + " OR ".join(f"contains(t, {name})" for name in names) + ")")
        values.update(names)
    if tenant is not None:
        conditions.append("begins_with(p, :tenant)")
        values[":tenant"] = {"S": f"{tenant}#"}
    if since:
        conditions.append("d >= :since")
        values[":since"] = {"S": since}
    if not conditions:
        return {}
    return {"FilterExpression": " AND ".join(conditions), "ExpressionAttributeValues": values}
