"""FilterCriteria of an event source mapping: which records reach the function at all."""

import base64
import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_ABSENT = object()


class Filters:
    """Patterns, of which one must match; without any, everything does. Raises ValueError on an unknown rule."""

    def __init__(self, patterns: Sequence[Mapping[str, Any] | str] = ()) -> None:
        self.patterns = [json.loads(p) if isinstance(p, str) else dict(p) for p in patterns]
        for pattern in self.patterns:
            _check(pattern)

    def accept(self, record: Mapping[str, Any]) -> bool:
        return not self.patterns or any(_object(pattern, record) for pattern in self.patterns)

    def accept_data(self, record: Mapping[str, Any]) -> bool:
        """As `accept`, for a Kinesis record: a pattern for `data` is of the JSON inside; what holds none is dropped."""
        if not any("data" in pattern for pattern in self.patterns):
            return not self.patterns or any(_object(pattern, record["kinesis"]) for pattern in self.patterns)
        try:
            data = json.loads(base64.b64decode(record["kinesis"]["data"]))
        except ValueError:
            return False
        return any(_object(pattern, {**record["kinesis"], "data": data}) for pattern in self.patterns)

    def accept_message(self, record: Mapping[str, Any]) -> bool:
        """As `accept`, for a queue's message: a pattern for `body` is of the JSON inside, where it is an object."""
        return not self.patterns or any(_object(pattern, _with_body(pattern, record)) for pattern in self.patterns)


def _with_body(pattern: Mapping[str, Any], record: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(pattern.get("body"), Mapping):
        return record
    try:
        body = json.loads(record["body"])
    except ValueError:
        body = record["body"]
    return {**record, "body": body}


def _object(pattern: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, Mapping):
        value = {}
    for key, wanted in pattern.items():
        if key == "$or":
            if not any(_object(choice, value) for choice in wanted):
                return False
        elif isinstance(wanted, Mapping):
            found = value.get(key)
            choices = found if isinstance(found, list) else [found]
            if not any(_object(wanted, choice) for choice in choices):
                return False
        elif not _leaf(wanted, value.get(key, _ABSENT)):
            return False
    return True


def _leaf(rules: Sequence[Any], value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(_rule(rule, candidate) for rule in rules for candidate in values)


def _rule(rule: Any, value: Any) -> bool:
    if not isinstance(rule, Mapping):
        return _same(rule, value)
    name, wanted = next(iter(rule.items()))
    if name == "exists":
        # AWS: of a leaf only, never of an object.
        return (value is not _ABSENT and not isinstance(value, Mapping)) == wanted
    return value is not _ABSENT and _RULES[name](wanted, value)


def _same(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    return value is not _ABSENT and type(wanted) is type(value) and wanted == value


def _anything_but(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        return not _rule(wanted, value)
    choices = wanted if isinstance(wanted, list) else [wanted]
    return not any(_same(choice, value) for choice in choices)


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def apply(wanted: Any, value: Any) -> bool:
        if not isinstance(value, str):
            return False
        if isinstance(wanted, Mapping):
            return test(value.lower(), wanted["equals-ignore-case"].lower())
        return test(value, wanted)

    return apply


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def _numeric(wanted: Sequence[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    pairs = zip(wanted[::2], wanted[1::2], strict=True)
    return all(_COMPARE[operator](value, bound) for operator, bound in pairs)


def _cidr(wanted: str, value: Any) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted)
    except ValueError:
        return False


_RULES: dict[str, Callable[[Any, Any], bool]] = {
    "prefix": _text(str.startswith),
    "suffix": _text(str.endswith),
    "equals-ignore-case": _text(lambda value, wanted: value.lower() == wanted.lower()),
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}


def _check(pattern: Any, where: str = "pattern") -> None:
    if isinstance(pattern, Mapping):
        for key, wanted in pattern.items():
            inner = f"{where}.{key}"
            for choice in wanted if key == "$or" else [wanted]:
                _check(choice, inner)
        return
    if not isinstance(pattern, list) or not pattern:
        raise ValueError(f"filter {where} is {pattern!r}: a leaf is a list of the values or rules that it allows")
    for rule in pattern:
        if isinstance(rule, Mapping):
            name = next(iter(rule), None)
            if len(rule) != 1 or (name != "exists" and name not in _RULES):
                known = ", ".join(sorted([*_RULES, "exists"]))
                raise ValueError(f"filter {where} has the rule {rule!r}; known rules are {known}")
