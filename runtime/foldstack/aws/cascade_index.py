"""The table of cascades: one partition for each entity that something refers to.

reference    {"p": "T#CASCADE#ID", "s": "CATEGORY#ID" of the referring stream, "v": place, "d"?, "r"?}
mark         {"p": "T#CASCADE#ID", "s": "#", "e": the deletion's event, "v": place, "i": step, "o": position,
              "g"?: gained, "x"?: stalled, "f"?: reported}

`d` names the deletion that has an outcome of the reference, `r` the one that removed the stream. No category begins
with #, so the mark is before all references.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from ..kernel.cascade_index import Entity, Mark, Reference, References, floor, stamp
from ..kernel.keys import StreamId
from .sessions import Sessions, client_for
from .store_errors import ask, error_code

_MARK = "#"


class DynamoCascadeIndex:
    """See `CascadeIndex`. `client` makes one attempt: whoever steps on and is not told so must not be told by a
    repetition that somebody else has. With `sessions` each request is made in its tenant's."""

    def __init__(self, client: Callable[[], Any], table: str, sessions: Sessions | None = None) -> None:
        self._client = client
        self._table = table
        self._sessions = sessions

    def refer(self, entity: Entity, reference: Reference) -> None:
        self._update(
            entity,
            reference.stream.path,
            "SET v = :v REMOVE d",
            "attribute_not_exists(p) OR v < :v",
            {":v": {"N": str(reference.at)}},
        )

    def mark(self, entity: Entity, mark: Mark) -> Mark:
        values = {":e": {"S": mark.deletion}, ":v": {"N": str(mark.at)}, ":f": {"N": str(floor(mark.at))}}
        start = {":i": {"N": "0"}, ":o": {"S": ""}}
        change = "SET e = :e, v = :v, i = :i, o = :o REMOVE f, g, x"
        if self._update(entity, _MARK, change, "attribute_not_exists(p) OR v < :f", {**values, **start}):
            return mark
        there = self.marked(entity)
        assert there is not None  # the condition has just found it, and nobody deletes one
        return there

    def marked(self, entity: Entity) -> Mark | None:
        item = self._get(entity, _MARK)
        if item is None:
            return None
        said = [item.get(name, {}).get("BOOL", False) for name in ("g", "x", "f")]
        return Mark(item["e"]["S"], int(item["v"]["N"]), int(item["i"]["N"]), item["o"]["S"], *said)

    def waiting(self, entity: Entity, mark: Mark, after: str, limit: int) -> References:
        found: list[Reference] = []
        looked_at = {"Limit": limit + 1}  # mostly they all wait; after that, as many as an answer holds
        while True:
            answer = self._query(
                entity,
                after or _MARK,
                FilterExpression="attribute_not_exists(d) OR d <> :d",
                values={":d": {"S": stamp(mark)}},
                **looked_at,
            )
            looked_at = {}
            found += [_reference(entity, item) for item in answer["Items"]]
            if len(found) > limit:
                return References(found[:limit], found[limit - 1].stream.path)
            if "LastEvaluatedKey" not in answer:
                return References(found, None)
            after = answer["LastEvaluatedKey"]["s"]["S"]

    def waits(self, entity: Entity, mark: Mark, stream: StreamId) -> Reference | None:
        item = self._get(entity, stream.path)
        if item is None or item.get("d", {}).get("S") == stamp(mark):
            return None
        return _reference(entity, item)

    def settle(self, entity: Entity, mark: Mark, reference: Reference, removed: bool) -> None:
        change = "SET d = :d, r = :d" if removed else "SET d = :d"
        values = {":v": {"N": str(reference.at)}, ":d": {"S": stamp(mark)}}
        settled = self._update(entity, reference.stream.path, change, "v = :v", values)
        if removed and not settled:
            self._update(entity, reference.stream.path, "SET r = :d", "attribute_exists(p)", {":d": values[":d"]})

    def advance(self, entity: Entity, mark: Mark, position: str, *, gained: bool, stalled: bool = False) -> bool:
        return self._update(
            entity,
            _MARK,
            "SET i = :next, o = :o, g = :g, x = :x",
            "v = :v AND i = :i",
            {
                ":v": {"N": str(mark.at)},
                ":i": {"N": str(mark.step)},
                ":next": {"N": str(mark.step + 1)},
                ":o": {"S": position},
                ":g": {"BOOL": gained},
                ":x": {"BOOL": stalled},
            },
        )

    def removed(self, entity: Entity, mark: Mark) -> int:
        count, after = 0, _MARK
        while True:
            answer = self._query(
                entity,
                after,
                FilterExpression="r = :d",
                Select="COUNT",
                values={":d": {"S": stamp(mark)}},
            )
            count += answer["Count"]
            if "LastEvaluatedKey" not in answer:
                return count
            after = answer["LastEvaluatedKey"]["s"]["S"]

    def close(self, entity: Entity, mark: Mark) -> None:
        self._update(entity, _MARK, "SET f = :f", "v = :v", {":f": {"BOOL": True}, ":v": {"N": str(mark.at)}})

    def _get(self, entity: Entity, position: str) -> dict[str, Any] | None:
        get = self._of(entity).get_item
        return ask(get, TableName=self._table, Key=_key(entity, position), ConsistentRead=True).get("Item")

    def _query(self, entity: Entity, after: str, *, values: dict[str, Any], **parameters: Any) -> dict[str, Any]:
        return ask(
            self._of(entity).query,
            TableName=self._table,
            KeyConditionExpression="p = :p AND s > :s",
            ExpressionAttributeValues={":p": {"S": entity.key}, ":s": {"S": after}, **values},
            ConsistentRead=True,
            **parameters,
        )

    def _update(self, entity: Entity, position: str, change: str, condition: str, values: dict[str, Any]) -> bool:
        """False where the condition does not hold."""
        try:
            ask(
                self._of(entity).update_item,
                TableName=self._table,
                Key=_key(entity, position),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _of(self, entity: Entity) -> Any:
        return client_for(self._client(), entity.tenant, self._sessions)


def _key(entity: Entity, position: str) -> dict[str, Any]:
    return {"p": {"S": entity.key}, "s": {"S": position}}


def _reference(entity: Entity, item: dict[str, Any]) -> Reference:
    return Reference(StreamId.parse(f"{entity.tenant}#{item['s']['S']}"), int(item["v"]["N"]))
