"""What a DynamoDB request names: partition keys, which `dynamodb:LeadingKeys` is judged on, and PartiQL's tables.

Runs inside the emulator's process, where ministack's tables are at hand.
"""

import re
from typing import Any

_KEY_EQUALS = re.compile(r"(#?[\w.-]+)\s*=\s*(:\w+)")
# No tenant's key: a request whose keys cannot be read must match no pattern but "*".
_UNREADABLE = "\x00unreadable"


def keys_by_table(request: dict) -> dict[str, list[str]]:
    """Table name -> partition keys named by the request; a table that is scanned as a whole is left out."""
    if stated := statements(request):
        return {table: [_UNREADABLE] for table in ("*", *(table for _, table in stated))}
    keys: dict[str, list[str]] = {}

    def add(table: Any, item: Any) -> None:
        name = table_name(table)
        value = _scalar((item or {}).get(_partition_key(name, None)))
        keys.setdefault(name, []).append(_UNREADABLE if value is None else value)

    table = request.get("TableName")
    if "TransactItems" in request:
        for operation in (op for item in request["TransactItems"] for op in item.values()):
            add(operation.get("TableName"), operation.get("Key") or operation.get("Item"))
    elif isinstance(request.get("RequestItems"), dict):
        for name, wanted in request["RequestItems"].items():
            rows = wanted.get("Keys", []) if isinstance(wanted, dict) else [o for r in wanted for o in r.values()]
            for row in rows:
                add(name, row if isinstance(wanted, dict) else row.get("Key") or row.get("Item"))
    elif "Key" in request or "Item" in request:
        add(table, request.get("Key") or request.get("Item"))
    elif "KeyConditionExpression" in request or "KeyConditions" in request:
        keys[table_name(table)] = [_queried_key(request)]
    return keys


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
    legacy = (request.get("KeyConditions") or {}).get(partition) or {}
    if legacy.get("ComparisonOperator") == "EQ":
        return _scalar(legacy["AttributeValueList"][0]) or _UNREADABLE
    names = request.get("ExpressionAttributeNames") or {}
    values = request.get("ExpressionAttributeValues") or {}
    for name, value in _KEY_EQUALS.findall(request.get("KeyConditionExpression") or ""):
        if names.get(name, name) == partition:
            return _scalar(values.get(value)) or _UNREADABLE
    return _UNREADABLE


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
