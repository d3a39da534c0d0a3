"""A row model as columns: plain types have a column of their own, what is nested is jsonb.

| field                                         | column                                              |
|-----------------------------------------------|-----------------------------------------------------|
| str, Literal of strings, a StrEnum             | text, in the order of bytes                         |
| int, bool, Decimal, float                      | bigint, boolean, numeric (exact), double precision  |
| datetime                                       | timestamptz: the same moment, in UTC                |
| a model of these alone, e.g. Money             | one column for each part: `price_amount`            |
| `X | None`                                     | X's column, NULL for None                           |
| what is Personal, and anything else            | jsonb                                               |

A field that is called like a column of the table's own gets `row_` before its name.
"""

import json
import sys
import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import sqlalchemy as sa
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB

from ...kernel.errors import DefinitionError
from ...kernel.projection import Projection

MOST_BYTES = 60_000  # the Data API answers rows of 64 KB
_LONGEST_NAME = 63
_OWN = frozenset({"tenant", "id", "generation", "cmin", "cmax", "ctid", "tableoid", "xmin", "xmax"})
_TYPES: dict[str, Any] = {
    "text": sa.Text(collation="C"),
    "bigint": sa.BigInteger(),
    "boolean": sa.Boolean(),
    "numeric": sa.Numeric(),
    "double": DOUBLE_PRECISION(),
    "timestamptz": sa.DateTime(timezone=True),
    "jsonb": JSONB(),
}
_KINDS: tuple[tuple[type, str], ...] = (
    (StrEnum, "text"),
    (str, "text"),
    (bool, "boolean"),
    (int, "bigint"),
    (Decimal, "numeric"),
    (float, "double"),
    (datetime, "timestamptz"),
)


class RowColumn(NamedTuple):
    """`path` leads to the value in the row as plain JSON. `optional` is whether the model takes None there."""

    path: tuple[str, ...]
    name: str
    kind: str
    optional: bool

    @property
    def type(self) -> Any:
        """SQLAlchemy's."""
        return _TYPES[self.kind]


class RowColumns:
    """The columns of a projection's rows, and the way in and out. Raises DefinitionError for names that clash."""

    def __init__(self, projection: Projection) -> None:
        self.all = list(_columns(projection.row_type))
        names = [column.name for column in self.all]
        wrong = [name for name in names if names.count(name) > 1 or len(name.encode()) > _LONGEST_NAME]
        if wrong:
            raise DefinitionError(
                f"projection {projection.name}: {wrong[0]} names two columns, or is longer than {_LONGEST_NAME} "
                "bytes; rename the field"
            )
        self._projection = projection

    def of(self, field: str) -> RowColumn:
        """The column of `field` or `field.part`. Raises DefinitionError where it has none of a plain type."""
        for column in self.all:
            if ".".join(column.path) == field and column.kind != "jsonb":
                return column
        plain = ", ".join(".".join(column.path) for column in self.all if column.kind != "jsonb")
        raise DefinitionError(
            f"projection {self._projection.name}: {field} is no column of a plain type; there are {plain}"
        )

    def values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """By column, as JSON that PostgreSQL casts. Raises ValueError or TypeError for what no column can hold."""
        return {column.name: _written(column, _at(row, column.path)) for column in self.all}

    def row(self, texts: Sequence[str | None]) -> dict[str, Any]:
        """The row as plain JSON, from its columns cast to text. What is NULL and may not be None is left to the
        model's default: the row was written before the column was there."""
        row: dict[str, Any] = {}
        for column, text in zip(self.all, texts, strict=True):
            if text is None and not column.optional:
                continue
            *outer, last = column.path
            target = row
            for name in outer:
                target = target.setdefault(name, {})
            target[last] = None if text is None else _read(column.kind, text)
        return row

    def check(self, row: Mapping[str, Any] | None, sums: Any) -> None:
        """Raises ValueError or TypeError for a row that can't be written, or that, with what it adds to totals, the
        Data API could not answer."""
        values = self.values(row) if row is not None else {}
        texts = [json.dumps(value, ensure_ascii=False) if _is_nested(value) else value for value in values.values()]
        size = len(json.dumps([*texts, json.dumps(sums, ensure_ascii=False)], ensure_ascii=False).encode())
        if size > MOST_BYTES:
            raise ValueError(f"the row has {size} bytes; the Data API answers {MOST_BYTES}: keep less in one row")


def _columns(model: type[BaseModel]):
    for name, field in model.model_fields.items():
        annotation, optional = _without_none(field.annotation)
        kind = _kind(annotation) if not _is_personal(field) else None
        if kind is None and not optional and _is_flat(annotation):
            for part, inner in annotation.model_fields.items():
                inside, nullable = _without_none(inner.annotation)
                kind = "jsonb" if _is_personal(inner) else _kind(inside) or "jsonb"
                yield RowColumn((name, part), f"{name}_{part}", kind, nullable)
            continue
        yield RowColumn((name,), f"row_{name}" if name in _OWN else name, kind or "jsonb", optional)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, annotation in (None, type(None), Any)
    others = [each for each in get_args(annotation) if each is not type(None)]
    optional = len(others) < len(get_args(annotation))
    return (others[0] if len(others) == 1 else Union[tuple(others)]), optional  # noqa: UP007 - made at run time


def _kind(annotation: Any) -> str | None:
    if get_origin(annotation) is Literal:
        return "text" if all(isinstance(each, str) for each in get_args(annotation)) else None
    if isinstance(annotation, type):
        return next((kind for base, kind in _KINDS if issubclass(annotation, base)), None)
    return None


def _is_personal(field: FieldInfo) -> bool:
    """Whether the column holds ciphertext: `{"~": token}`."""
    personal = sys.modules.get("foldstack.kernel.personal")
    return personal is not None and any(isinstance(mark, personal.Personal) for mark in field.metadata)


def _is_flat(annotation: Any) -> bool:
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return False
    parts = [_without_none(field.annotation)[0] for field in annotation.model_fields.values()]
    return bool(parts) and all(_kind(part) for part in parts)


def _at(row: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = row
    for name in path:
        value = value[name]
    return value


def _written(column: RowColumn, value: Any) -> Any:
    where = ".".join(column.path)
    if value is None:
        return None
    if column.kind == "jsonb":
        _refuse_nul(where, value)
        return value
    if column.kind == "bigint":
        if type(value) is not int or not -(2**63) <= value < 2**63:
            raise ValueError(f"{where} must be a whole number of 64 bits; got {str(value)[:60]}")
    elif column.kind == "boolean":
        if type(value) is not bool:
            raise TypeError(f"{where} must be true or false; got {value!r}")
    elif column.kind == "double":
        if type(value) not in (int, float):
            raise TypeError(f"{where} must be a number; got {value!r}")
    elif not isinstance(value, str):
        raise TypeError(f"{where} must be text in JSON; got a {type(value).__name__}")
    elif column.kind == "numeric":
        _refuse_inexact(where, value)
    elif column.kind == "timestamptz":
        if datetime.fromisoformat(value).tzinfo is None:
            raise ValueError(f"{where} is a time without its zone: {value}")
    else:
        _refuse_nul(where, value)
    return value


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _read(kind: str, text: str) -> Any:
    if kind == "bigint":
        return int(text)
    if kind == "double":
        return float(text)
    if kind == "boolean":
        return text == "true"
    if kind in ("jsonb", "timestamptz"):  # a time comes as JSON's text: nobody's DateStyle is in it
        return json.loads(text)
    return text


def _refuse_inexact(where: str, text: str) -> None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{where} is no number: {text[:60]}") from None
    if not number.is_finite() or abs(number.adjusted()) > 1000 or len(number.as_tuple().digits) > 1000:
        raise ValueError(f"{where} has more digits than a column can hold: {text[:60]}")


def _refuse_nul(where: str, value: Any) -> None:
    """PostgreSQL has no text with the character NUL, and no half of a surrogate pair."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError(f"{where} holds the character NUL")
        value.encode()
    elif isinstance(value, Mapping):
        for key, each in value.items():
            _refuse_nul(where, key)
            _refuse_nul(where, each)
    elif isinstance(value, list | tuple):
        for each in value:
            _refuse_nul(where, each)
