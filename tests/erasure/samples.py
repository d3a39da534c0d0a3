"""Random instances of pydantic models, by their fields: enough for the commands and events of a domain."""

import types
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from hypothesis import assume
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

IDS = st.sampled_from(["c1", "c2", "x-7"])
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(0, 50),
    float: st.floats(0, 50),
    Decimal: st.decimals(0, 100, places=2),
    date: st.dates(date(1930, 1, 1), date(2010, 1, 1)),
    datetime: st.integers(0, 7200).map(lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)),
}


@cache
def instances(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Raises TypeError for a field of a type that is not known here, so that none is left out."""

    fields = {name: (field.is_required(), _of(field.annotation, field)) for name, field in model.model_fields.items()}

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        values = {name: draw(some) for name, (required, some) in fields.items() if required or draw(st.booleans())}
        try:
            return model.model_validate(values, by_name=True)
        except ValidationError:
            assume(False)

    return build()


def _of(annotation: Any, field: FieldInfo | None = None) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(arguments[0], FieldInfo.from_annotation(annotation))
    if origin in (Union, types.UnionType):
        return st.one_of(st.none() if each is type(None) else _of(each, field) for each in arguments)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (list, tuple):
        return st.just([]) if arguments[0] is Any else st.lists(_of(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(_of(arguments[0]), _of(arguments[1]), max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return instances(annotation)
    if annotation is str:
        return _text(field)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if annotation is Any:
        return st.sampled_from([None, 1, "x", [1], {"a": 1}])
    if annotation in (UUID, bytes, time, timedelta) or (isinstance(annotation, type) and issubclass(annotation, Enum)):
        return st.from_type(annotation)
    raise TypeError(f"no samples of {annotation}: say here how to make some")


def _text(field: FieldInfo | None) -> st.SearchStrategy[str]:
    for mark in field.metadata if field else ():
        pattern = getattr(mark, "pattern", None)
        if pattern:
            return st.from_regex(pattern, fullmatch=True)
    return st.one_of(IDS, st.sampled_from(["EUR", "Ada", "19.90"]))
