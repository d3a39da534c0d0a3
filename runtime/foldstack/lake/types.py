"""From the fields of a pydantic model to columns: fixed in advance by the model, never guessed from values.

| field                                         | column                | in Athena                         |
|-----------------------------------------------|-----------------------|-----------------------------------|
| str, UUID, time, timedelta, URL, text enums   | text                  | string                            |
| int, and enums of whole numbers               | 64 bits               | bigint                            |
| bool                                          | true, false or null   | boolean                           |
| float                                         | 64 bits               | double                            |
| Decimal                                       | exact                 | decimal(38,9)                     |
| Decimal, `Field(max_digits=9, decimal_places=2)` | exact              | decimal(9,2)                      |
| datetime                                      | microseconds, UTC     | timestamp                         |
| date                                          | days                  | date                              |
| list, set, frozenset, tuple[X, ...]           | list                  | array<X>                          |
| dict[str, X]                                  | map                   | map<string,X>                     |
| a model                                       | struct                | struct<field:X,...>               |
| `Field(json_schema_extra={"lake": "json"})`   | text: its JSON        | string                            |
| any that is `Personal`                        | text: ciphertext      | string                            |

Every column may be null: a field that a later schema adds is null in files written before.
"""

import datetime
import re
import types
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import AnyUrl, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ..kernel.errors import DefinitionError
from .personal import personal_names

MOST_DIGITS = 38
DIGITS, DECIMALS = 38, 9
"""Of a Decimal whose field says nothing else."""

Scalar = Literal["string", "bigint", "boolean", "double", "timestamp", "date"]

_AS_TEXT = (str, uuid.UUID, datetime.time, datetime.timedelta, AnyUrl)
_LISTS = (list, set, frozenset)
_NAME = re.compile(r"[a-z_][a-z0-9_]*").fullmatch
_JSON_FIELD = 'or keep its JSON, as text, with Field(json_schema_extra={"lake": "json"})'


@dataclass(frozen=True)
class Plain:
    """A scalar, by its name in Athena."""

    athena: Scalar


@dataclass(frozen=True)
class Exact:
    """A decimal of `digits` in all, `decimals` of them after the point."""

    digits: int = DIGITS
    decimals: int = DECIMALS

    @property
    def athena(self) -> str:
        return f"decimal({self.digits},{self.decimals})"


@dataclass(frozen=True)
class Json:
    """Anything, as the text of its JSON."""

    athena: str = "string"


@dataclass(frozen=True)
class Sealed:
    """What is personal, as `personal.column_text` shows it. `default` is the field's, as JSON has it."""

    default: str | None = None
    athena: str = "string"


@dataclass(frozen=True)
class ListOf:
    item: "Type"

    @property
    def athena(self) -> str:
        return f"array<{self.item.athena}>"


@dataclass(frozen=True)
class MapOf:
    """From text to `item`."""

    item: "Type"

    @property
    def athena(self) -> str:
        return f"map<string,{self.item.athena}>"


@dataclass(frozen=True)
class Struct:
    fields: tuple[tuple[str, "Type"], ...]

    @property
    def athena(self) -> str:
        return f"struct<{','.join(f'{name}:{type.athena}' for name, type in self.fields)}>"


Type = Plain | Exact | Json | Sealed | ListOf | MapOf | Struct


@dataclass(frozen=True)
class Column:
    """`field` is the model's field that it holds, empty for what every table has."""

    name: str
    type: Type
    field: str = ""

    @property
    def athena(self) -> str:
        return self.type.athena


TEXT, WHOLE, TRUTH, REAL, MOMENT, DAY = map(Plain, ("string", "bigint", "boolean", "double", "timestamp", "date"))


def columns_of(model: type[BaseModel], taken: frozenset[str] = frozenset()) -> tuple[Column, ...]:
    """The model's fields in their order. A field whose name is `taken` is called `data_` + name.

    Raises DefinitionError for what has no column.
    """
    columns = []
    for name, type_ in _fields(model, model.__name__, ()):
        column = f"data_{name}" if name in taken else name
        if column != name and column in model.model_fields:
            raise DefinitionError(f"{model.__name__}: {name} would be the column {column}, which is a field too")
        columns.append(Column(column, type_, name))
    return tuple(columns)


def _fields(model: type[BaseModel], path: str, above: tuple[type, ...]) -> Iterator[tuple[str, Type]]:
    if model in above:
        raise DefinitionError(f"{path}: {model.__name__} holds itself, and a column has an end: {_JSON_FIELD}")
    if not model.__pydantic_complete__:
        model.model_rebuild()
    personal = personal_names(model)
    for name, field in model.model_fields.items():
        if not _NAME(name):
            raise DefinitionError(
                f"{path}.{name}: Athena knows names in a-z, 0-9 and _ only, and Customer and customer as one; rename it"
            )
        yield name, _sealed(field) if name in personal else _of_field(field, f"{path}.{name}", (*above, model))


def _sealed(field: FieldInfo) -> Sealed:
    default = None if field.is_required() else to_jsonable_python(field.get_default())
    return Sealed(default if isinstance(default, str) else None)


def _of_field(field: FieldInfo, path: str, above: tuple[type, ...]) -> Type:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "lake" in extra:
        if extra["lake"] != "json":
            raise DefinitionError(f'{path}: json_schema_extra says {{"lake": {extra["lake"]!r}}}; it may say "json"')
        return Json()
    return _of(field.annotation, tuple(field.metadata), path, above)


def _of(annotation: Any, metadata: tuple[Any, ...], path: str, above: tuple[type, ...]) -> Type:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        nested = [each for part in arguments[1:] for each in (part.metadata if isinstance(part, FieldInfo) else [part])]
        return _of(arguments[0], (*nested, *metadata), path, above)
    if isinstance(annotation, types.UnionType) or origin is Union:
        return _of_union(annotation, arguments, metadata, path, above)
    if origin is Literal:
        return _of_values(list(arguments), annotation, path)
    if origin in _LISTS or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        return ListOf(_of(arguments[0], (), f"{path}[]", above))
    if origin is dict:
        if not _is_text(arguments[0]):
            raise _refused(annotation, path, "the keys of a map are text")
        return MapOf(_of(arguments[1], (), f"{path}{{}}", above))
    if type(annotation).__name__ == "TypeAliasType":
        return _of(annotation.__value__, metadata, path, above)
    if isinstance(annotation, type) and origin is None:
        return _of_class(annotation, metadata, path, above)
    raise _refused(annotation, path, "it has no one type")


def _of_class(kind: type, metadata: tuple[Any, ...], path: str, above: tuple[type, ...]) -> Type:
    if issubclass(kind, Enum):
        return _of_values([member.value for member in kind], kind, path)
    if issubclass(kind, BaseModel):
        if not kind.model_fields:
            raise _refused(kind, path, "a model without fields would be a struct without fields")
        return Struct(tuple(_fields(kind, path, above)))
    if issubclass(kind, Decimal):
        return _exact(metadata, path)
    for known, type_ in (
        (_AS_TEXT, TEXT),
        (bool, TRUTH),
        (int, WHOLE),
        (float, REAL),
        (datetime.datetime, MOMENT),
        (datetime.date, DAY),
    ):
        if issubclass(kind, known):
            return type_
    if kind in _LISTS or kind in (dict, tuple):
        raise _refused(kind, path, f"say what is in it, as in {kind.__name__}[...]")
    raise _refused(kind, path, "no column holds it")


def _of_union(union: Any, members: tuple[Any, ...], metadata: tuple[Any, ...], path: str, above: Any) -> Type:
    found = {_of(member, metadata, path, above) for member in members if member is not types.NoneType}
    if len(found) != 1:
        raise _refused(union, path, "a column has one type")
    return found.pop()


def _of_values(values: list[Any], annotation: Any, path: str) -> Type:
    for kind, type_ in ((str, TEXT), (bool, TRUTH), (int, WHOLE)):
        if all(isinstance(value, kind) for value in values if value is not None):
            return type_
    raise _refused(annotation, path, "its values are of several types")


def _exact(metadata: tuple[Any, ...], path: str) -> Exact:
    said: dict[str, Any] = {}
    for each in metadata:
        for name in ("max_digits", "decimal_places"):
            value = getattr(each, name, None)
            said |= {name: value} if value is not None else {}
    digits = said.get("max_digits", DIGITS)
    decimals = said.get("decimal_places", min(DECIMALS, digits))
    if not 1 <= digits <= MOST_DIGITS or not 0 <= decimals <= digits:
        raise DefinitionError(
            f"{path}: a decimal has 1 to {MOST_DIGITS} digits, and no more of them after the point; this one has "
            f"max_digits={digits}, decimal_places={decimals}"
        )
    return Exact(digits, decimals)


def _is_text(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return all(isinstance(value, str) for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return all(isinstance(member.value, str) for member in annotation)
    return isinstance(annotation, type) and issubclass(annotation, _AS_TEXT)


def _refused(annotation: Any, path: str, why: str) -> DefinitionError:
    if isinstance(annotation, TypeVar):
        why = "it is a type variable: name the type"
    shown = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
    return DefinitionError(
        f"{path}: {shown} has no column in the lake: {why}. Give it a type of its own, {_JSON_FIELD}"
    )
