"""What one invocation asked of DynamoDB: requests and capacity units per table, as the service reports them; and how
many bytes of commits it stored."""

from dataclasses import asdict, dataclass
from typing import Any

_WRITES = frozenset(
    {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "BatchExecuteStatement"}
)
_READS = frozenset({"GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"})


@dataclass
class TableUse:
    """`reads` and `writes` count requests that were answered or lost; a batch over two tables counts in both."""

    reads: int = 0
    writes: int = 0
    read_units: float = 0.0
    write_units: float = 0.0


_taken: dict[str, TableUse] = {}
_stored = 0


def watch(client: Any) -> None:
    """Makes a DynamoDB client ask for its consumption and note it here. A failed condition reports no units."""
    client.meta.events.register("before-parameter-build.dynamodb", _ask)
    client.meta.events.register("after-call.dynamodb", _note)
    client.meta.events.register("after-call-error.dynamodb", _note_lost)


def reset() -> None:
    """Forgets everything: called when an invocation begins."""
    global _stored
    _taken.clear()
    _stored = 0


def store(size: int) -> None:
    """A commit of so many bytes was stored."""
    global _stored
    _stored += size


def taken() -> dict[str, Any]:
    """Since the last reset: the sums, `stored_bytes` of commits, and `tables` by name."""
    uses = _taken.values()
    return {
        "requests": sum(use.reads + use.writes for use in uses),
        "read_units": sum(use.read_units for use in uses),
        "write_units": sum(use.write_units for use in uses),
        "stored_bytes": _stored,
        "tables": {name: asdict(use) for name, use in sorted(_taken.items())},
    }


def _ask(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    if model.name in _READS or model.name in _WRITES:
        params["ReturnConsumedCapacity"] = "TOTAL"
        context["foldstack_request"] = model.name in _WRITES, _tables(params)


def _note(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    _count(context)
    consumed = parsed.get("ConsumedCapacity", [])
    for part in consumed if isinstance(consumed, list) else [consumed]:
        use = _use(part["TableName"])
        if context["foldstack_request"][0]:
            use.write_units += part["CapacityUnits"]
        else:
            use.read_units += part["CapacityUnits"]


def _note_lost(context: dict[str, Any], **_: Any) -> None:
    _count(context)


def _count(context: dict[str, Any]) -> None:
    is_write, tables = context.get("foldstack_request", (False, ()))
    for table in tables:
        if is_write:
            _use(table).writes += 1
        else:
            _use(table).reads += 1


def _use(table: str) -> TableUse:
    return _taken.setdefault(table.rpartition("/")[2], TableUse())


def _tables(params: dict[str, Any]) -> set[str]:
    if "TableName" in params:
        return {params["TableName"]}
    if "TransactItems" in params:
        return {operation["TableName"] for item in params["TransactItems"] for operation in item.values()}
    if "Statements" in params:
        return {each["Statement"].split('"')[1] for each in params["Statements"]}
    return set(params["RequestItems"])
