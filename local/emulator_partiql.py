"""The emulator's PartiQL: what a statement changes is in the table's stream, as any change. Part of its patches."""

import copy
from collections.abc import Callable
from typing import Any


def apply() -> None:
    from ministack.services import dynamodb

    def streamed(change: Callable[..., tuple]) -> Callable[..., tuple]:
        def changed(table: dict, parsed: dict, *rest: Any) -> tuple:
            key = _key(dynamodb, table, parsed)
            before = copy.deepcopy(_item(table, key))
            answer = change(table, parsed, *rest)
            after = _item(table, key)
            if answer[0] == 200 and before != after:
                what = "INSERT" if before is None else "REMOVE" if after is None else "MODIFY"
                dynamodb._emit_stream_event(table["TableName"], what, before, copy.deepcopy(after))
            return answer

        return changed

    for name in ("_partiql_insert", "_partiql_update", "_partiql_delete"):
        setattr(dynamodb, name, streamed(getattr(dynamodb, name)))


def _key(dynamodb: Any, table: dict, parsed: dict) -> tuple[Any, Any]:
    """Of the item that a statement is about: an INSERT has it, the others name it."""
    item = parsed.get("item") or {}
    item = item.get("M", item) if set(item) == {"M"} else item
    named = {attribute: value for attribute, operator, value in parsed.get("conditions") or [] if operator == "="}
    values = item or named
    sort = dynamodb._extract_key_val(values.get(table["sk_name"])) if table["sk_name"] else "__no_sort__"
    return dynamodb._extract_key_val(values.get(table["pk_name"])), sort


def _item(table: dict, key: tuple[Any, Any]) -> dict | None:
    return table["items"].get(key[0], {}).get(key[1])
