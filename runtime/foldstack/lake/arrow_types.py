"""Column types in Arrow, the wire types that JSON values go through, and the exact cast from one to the other.

Decimals, times and days are text on the wire, whole numbers decimals without a fraction: Arrow would cut 1.5 to 1, and
knows no decimal in a text.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from .types import Exact, Json, ListOf, MapOf, Plain, Sealed, Struct, Type

WRONG = (pa.ArrowException, ValueError, TypeError, OverflowError, KeyError)
"""What a value that does not fit its type raises, in Arrow and in Python (text that is no Unicode)."""


_SCALARS = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}
_WIRE = {"timestamp": pa.string(), "date": pa.string(), "bigint": pa.decimal128(38, 0)}


def arrow(type_: Type) -> pa.DataType:
    return _made(type_, _SCALARS, lambda exact: pa.decimal128(exact.digits, exact.decimals))


def wire(type_: Type) -> pa.DataType:
    return _made(type_, _SCALARS | _WIRE, lambda exact: pa.string())


def _made(type_: Type, scalars: dict[str, pa.DataType], exact: Callable[[Exact], pa.DataType]) -> pa.DataType:
    match type_:
        case Plain(name):
            return scalars[name]
        case Exact():
            return exact(type_)
        case Json() | Sealed():
            return pa.string()
        case ListOf(item):
            return pa.list_(_made(item, scalars, exact))
        case MapOf(item):
            return pa.map_(pa.string(), _made(item, scalars, exact))
        case Struct(fields):
            return pa.struct([(name, _made(each, scalars, exact)) for name, each in fields])


def cast(array: pa.Array, type_: Type) -> pa.Array:
    """From the wire type. Arrow's own cast looks at what lies below a null too, and finds text that is no decimal."""
    to = arrow(type_)
    if array.type == to:
        return array
    match type_:
        case ListOf(item):
            return pa.ListArray.from_arrays(array.offsets, cast(array.values, item), to, mask=array.is_null())
        case MapOf(item):
            return pa.MapArray.from_arrays(array.offsets, array.keys, cast(array.items, item), to, mask=array.is_null())
        case Struct(fields):
            children = [cast(child, each) for child, (_, each) in zip(array.flatten(), fields, strict=True)]
            return pa.StructArray.from_arrays(children, fields=list(to), mask=array.is_null())
    return array.cast(to)


def fits(value: Any, type_: Type) -> bool:
    try:
        cast(pa.array([value], wire(type_)), type_)
    except WRONG:
        return False
    return True
