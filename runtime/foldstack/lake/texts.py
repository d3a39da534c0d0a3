"""What is text in its column, and something else in JSON: fields that keep their JSON, and personal ones."""

from collections.abc import Callable
from typing import Any

from pydantic_core import to_json

from .personal import column_text
from .types import Json, ListOf, MapOf, Sealed, Struct, Type

Change = Callable[[Any], Any]


def json_text(data: Any) -> str | None:
    return None if data is None else to_json(data).decode()


def texts_of(type_: Type) -> Change | None:
    """Makes the value that the column takes of the one in JSON, leaving that as it is; None where they are the same.
    What has another shape stays as it is, and fits no column."""
    match type_:
        case Json():
            return json_text
        case Sealed(default):
            return column_text(default)
        case ListOf(item):
            change = texts_of(item)
            return change and (lambda value: list(map(change, value)) if isinstance(value, list) else value)
        case MapOf(item):
            change = texts_of(item)
            return change and (
                lambda value: {key: change(each) for key, each in value.items()} if isinstance(value, dict) else value
            )
        case Struct(fields):
            return of_fields([(name, its) for name, each in fields if (its := texts_of(each))])
    return None


def of_fields(changes: list[tuple[str, Change]]) -> Change | None:
    """Likewise of a dict, by the names of what changes; a name may be missing."""
    if not changes:
        return None

    def change(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return value | {name: each(value[name]) for name, each in changes if name in value}

    return change
