"""What a DynamoDB request names: partition keys, which `dynamodb:LeadingKeys` is judged on, and PartiQL's tables.

Runs inside the emulator's process, where ministack's tables are at hand.
"""

import re
from collections.abc import Iterator
from typing import Any

_KEY_EQUALS = re.compile(r"(#?[\w.-]+)\s*=\s*(:\w+)")
# No tenant's key: a request whose keys cannot be read must match no pattern but "*".
_UNREADABLE = "\x00unreadable"


def keys_by_table(request: dict) -> dict[str, list[str]]:
    """Table name -> partition keys named by the request; a table that is scanned as a whole is left out.

    A request in several forms at once, which no SDK sends, is judged in each of them.
    """
    keys: dict[str, list[str]] = {}
    if stated := statements(request):
        keys = {table: [_UNREADABLE] for table in ("*", *(table for _, table in stated))}
    for name, operation in _operations(request):
        partition = _partition_key(name, None)
        items = [operation[each] for each in ("Key", "Item") if each in operation] or [{}]
        found = [_scalar(item.get(partition)) if isinstance(item, dict) else None for item in items]
        keys.setdefault(name, []).extend(_UNREADABLE if value is None else value for value in found)
    if "KeyConditionExpression" in request or "KeyConditions" in request:
        keys.setdefault(table_name(request.get("TableName")), []).append(_queried_key(request))
    return keys


def _operations(request: dict) -> Iterator[tuple[str, dict]]:
    """Each operation on one item, with the name of its table."""
    for entry in request.get("TransactItems") or []:
        for operation in entry.values():
            yield table_name(operation.get("TableName")), operation
    for name, wanted in (request.get("RequestItems") or {}).items():
        if isinstance(wanted, dict):
            yield from ((table_name(name), {"Key": key}) for key in wanted.get("Keys") or [])
        else:
            yield from ((table_name(name), operation) for entry in wanted for operation in entry.values())
    if "Key" in request or "Item" in request:
        yield table_name(request.get("TableName")), request


def statements(request: dict) -> list[tuple[str, str]]:
    """For each statement of PartiQL what it does (Insert, Update, Delete, Select) and its table, "" and "*" where that
    can't be read."""
    from ministack.services import dynamodb

    found = request.get("Statements") or request.get("TransactStatements") or []
    if "Statement" in request:
        found = [request]
    stated = []
    for each in found:
        try:
            parsed = dynamodb._parse_partiql(each["Statement"], each.get("Parameters", []))
            stated.append((parsed["op"].capitalize(), table_name(parsed["table"])))
        except (ValueError, LookupError, TypeError):
            stated.append(("", "*"))
    return stated


def _queried_key(request: dict) -> str:
    partition = _partition_key(table_name(request.get("TableName")), request.get("IndexName"))
    named: set[str | None] = set()
    if legacy := request.get("KeyConditions"):
        wanted = legacy.get(partition) or {}
        equal = wanted.get("ComparisonOperator") == "EQ"
        named.add(_scalar(wanted["AttributeValueList"][0]) if equal else None)
    if expression := request.get("KeyConditionExpression"):
        names = request.get("ExpressionAttributeNames") or {}
        values = request.get("ExpressionAttributeValues") or {}
        equals = [value for name, value in _KEY_EQUALS.findall(expression) if names.get(name, name) == partition]
        named |= {_scalar(values.get(value)) for value in equals} or {None}
    (key,) = named if len(named) == 1 else {None}
    return key or _UNREADABLE


def _partition_key(table: str, index: str | None) -> str | None:
    from ministack.services import dynamodb

    found = dynamodb._tables.get(table)
    if not found or index is None:
        return found and found["pk_name"]
    indexes = [*(found.get("GlobalSecondaryIndexes") or []), *(found.get("LocalSecondaryIndexes") or [])]
    schemas = [entry["KeySchema"] for entry in indexes if entry.get("IndexName") == index]
    return next((k["AttributeName"] for schema in schemas for k in schema if k["KeyType"] == "HASH"), None)


def table_name(table: Any) -> str:
    name = table if isinstance(table, str) else ""
    return name.split(":table/", 1)[-1].split("/", 1)[0]


def _scalar(value: Any) -> str | None:
    return str(next(iter(value.values()))) if isinstance(value, dict) and len(value) == 1 else None
