"""Whether JSON has just the fields that a struct has: Arrow would leave out the others, and say nothing."""

from collections.abc import Callable
from typing import Any

from .types import ListOf, MapOf, Struct, Type

Check = Callable[[Any], bool]


def check_of(type_: Type) -> Check | None:
    """Tells whether a value has no field that its structs do not have; None where there is no struct in it."""
    match type_:
        case ListOf(item):
            check = check_of(item)
            return check and (lambda value: value is None or (isinstance(value, list) and all(map(check, value))))
        case MapOf(item):
            check = check_of(item)
            return check and (
                lambda value: value is None or (isinstance(value, dict) and all(map(check, value.values())))
            )
        case Struct(fields):
            return _of_struct(fields)
    return None


def _of_struct(fields: tuple[tuple[str, Type], ...]) -> Check:
    names = frozenset(name for name, _ in fields)
    checks = [(name, check_of(type_)) for name, type_ in fields]
    nested = [(name, check) for name, check in checks if check is not None]

    def check(value: Any) -> bool:
        if not isinstance(value, dict):
            return value is None
        if value.keys() != names and not value.keys() <= names:
            return False
        return not nested or all(each(value.get(name)) for name, each in nested)

    return check


def plain_names(type_: Type) -> frozenset[str] | None:
    """The fields of a struct that has no struct in it: then their names are all there is to check."""
    if not isinstance(type_, Struct) or any(check_of(each) is not None for _, each in type_.fields):
        return None
    return frozenset(name for name, _ in type_.fields)
