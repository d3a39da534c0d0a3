"""Rows of a view table as items: one lead row a stream, which holds the row and its cursor, and shards of totals.

| key                                                        | item                                                |
|------------------------------------------------------------|-----------------------------------------------------|
| p `tenant#projection#version.generation`, s stream id      | n cursor, e epoch, row, dead, sums, parked, skipped |
| p `tenant#projection#version.generation#totals`, s `key#shard` | `f.` + field: this shard's part of the sum      |
| p `#control`, s `projection#version`                       | at: the view's `Control` as JSON, r its revision    |

`row` is a native map: numbers are N, decimals and times text, as the row model writes them to JSON.
A lead row is plain outside of items: what other stores hold is the same.
"""

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from ..kernel.keys import Tenant
from ..kernel.messages import State
from ..kernel.projection import Contribution, Number, Projection

Attribute = dict[str, Any]
Item = dict[str, Attribute]
Row = dict[str, Any]

MOST_ITEM_BYTES = 400 * 1024
MOST_TOTALS = 99  # a transaction has 100 items, one of them the lead row
SHARDS = 8
_MOST_DIGITS = 38
_DEEPEST = 30
_MOST_KEY_BYTES = 1000
_SPARE_BYTES = 4096  # for keys, parked and skipped
_FIELD = "f."
_INTEGER = re.compile(r"-?[0-9]+").fullmatch


class Parked(NamedTuple):
    """The commit at `first` made the projection's code raise; nothing after it is applied. `at` is RFC 3339."""

    first: int
    reason: str
    at: str


class Skipped(NamedTuple):
    """Somebody decided to go on without the commit at `first`."""

    first: int
    who: str
    why: str
    at: str


class LeadRow(NamedTuple):
    """What a view knows of one stream. `cursor` is `next` of the last applied commit, in store epoch `epoch`.

    `row` is the row as its model writes it to JSON, None for a tombstone; `sums` is what this stream has added to
    the totals.
    """

    cursor: int
    epoch: int
    row: Row | None
    sums: Contribution
    parked: Parked | None = None
    skipped: tuple[Skipped, ...] = ()


def suffix(projection: Projection) -> str:
    """What follows the tenant in the keys of one generation."""
    return f"#{projection.name}#{projection.version}.{projection.generation}"


def partition(projection: Projection, tenant: Tenant) -> str:
    return f"{tenant}{suffix(projection)}"


def totals_partition(projection: Projection, tenant: Tenant) -> str:
    return f"{partition(projection, tenant)}#totals"


def row_of(model: State, reading: Any = None) -> Row:
    """The model as plain JSON values; personal fields as they are stored, with the projection's `reading`."""
    return model.model_dump(mode="json", round_trip=True, context=reading)


def model_of(projection: Projection, row: Row | None) -> Any:
    """The row as its model; raises pydantic's ValidationError where it was written by another model."""
    if row is None:
        return None
    return projection.row_type.__pydantic_validator__.validate_python(row, strict=False, context=projection.reading)


def sums_of(contribution: Contribution) -> Contribution:
    """The contribution, checked: ValueError or TypeError for what totals can't add exactly."""
    if len(contribution) * 2 > MOST_TOTALS:
        raise ValueError(f"a stream adds to {len(contribution)} totals; at most {MOST_TOTALS // 2} change at once")
    for key, fields in contribution.items():
        if not 0 < len(key.encode()) <= _MOST_KEY_BYTES:
            raise ValueError(f"a total's key has 1 to {_MOST_KEY_BYTES} bytes; got {key[:80]!r}")
        for name, number in fields.items():
            if isinstance(number, bool) or not isinstance(number, int | Decimal):
                raise TypeError(
                    f"total {key}: {name} must be an int or a Decimal, since sums are exact; got {number!r}"
                )
            _number(number)
    return {key: dict(fields) for key, fields in contribution.items()}


def check_item(lead: LeadRow) -> None:
    """Raises ValueError for a row that an item can't hold, or that is too large for one."""
    size = size_of(lead)
    if size > MOST_ITEM_BYTES - _SPARE_BYTES:
        raise ValueError(f"the row has {size} bytes; an item holds {MOST_ITEM_BYTES}: keep less in one row")


def size_of(lead: LeadRow) -> int:
    """Bytes of its item, about."""
    return _size(_attribute_of_row(lead.row or {})) + _size(_attribute_of_sums(lead.sums))


def to_item(partition: str, id: str, lead: LeadRow) -> Item:
    item: Item = {"p": {"S": partition}, "s": {"S": id}, "n": {"N": str(lead.cursor)}, "e": {"N": str(lead.epoch)}}
    if lead.row is None:
        item["dead"] = {"BOOL": True}
    else:
        item["row"] = _attribute_of_row(lead.row)
    if lead.sums:
        item["sums"] = _attribute_of_sums(lead.sums)
    if lead.parked:
        item["parked"] = parked_attribute(lead.parked)
    if lead.skipped:
        item["skipped"] = {
            "L": [_attribute({"first": s.first, "who": s.who, "why": s.why, "at": s.at}) for s in lead.skipped]
        }
    return item


def from_item(item: Item) -> LeadRow:
    sums = item["sums"]["M"] if "sums" in item else {}
    return LeadRow(
        int(item["n"]["N"]),
        int(item["e"]["N"]),
        _value(item["row"]) if "row" in item else None,
        {key: {name: exact(n["N"]) for name, n in fields["M"].items()} for key, fields in sums.items()},
        Parked(**_value(item["parked"])) if "parked" in item else None,
        tuple(Skipped(**_value(each)) for each in item["skipped"]["L"]) if "skipped" in item else (),
    )


def parked_attribute(parked: Parked) -> Attribute:
    return _attribute({"first": parked.first, "reason": parked.reason, "at": parked.at})


def shard_key(key: str, shard: int) -> str:
    return f"{key}#{shard}"


def added(changes: Mapping[str, Number]) -> dict[str, Attribute]:
    """What an update adds to one shard of a total, by attribute name."""
    return {_FIELD + name: {"N": _number(change)} for name, change in changes.items()}


def totals_from(items: Iterable[Item]) -> dict[str, dict[str, Number]]:
    """The sums over all shards, by key. A field whose sum is 0 is left out, and a key without fields."""
    totals: dict[str, dict[str, Number]] = {}
    for item in items:
        fields = totals.setdefault(item["s"]["S"].rpartition("#")[0], {})
        for name, attribute in item.items():
            if name.startswith(_FIELD):
                field = name.removeprefix(_FIELD)
                fields[field] = fields.get(field, 0) + exact(attribute["N"])
    found = {key: {name: n for name, n in sorted(fields.items()) if n} for key, fields in sorted(totals.items())}
    return {key: fields for key, fields in found.items() if fields}


def _attribute_of_row(row: Row) -> Attribute:
    return {"M": {name: _attribute(value, 1) for name, value in row.items()}}


def _attribute_of_sums(sums: Contribution) -> Attribute:
    return {"M": {key: {"M": {name: {"N": _number(n)} for name, n in fields.items()}} for key, fields in sums.items()}}


def _attribute(value: Any, depth: int = 0) -> Attribute:
    if depth > _DEEPEST:
        raise ValueError(f"a row is nested deeper than {_DEEPEST} levels")
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": _number(value)}
    if isinstance(value, list | tuple):
        return {"L": [_attribute(each, depth + 1) for each in value]}
    if "" in value:
        raise ValueError("a map in a row has an empty key")
    return {"M": {str(key): _attribute(each, depth + 1) for key, each in value.items()}}


def _value(attribute: Attribute) -> Any:
    ((kind, value),) = attribute.items()
    if kind == "N":
        return int(value) if _INTEGER(value) else float(value)
    if kind == "L":
        return [_value(each) for each in value]
    if kind == "M":
        return {key: _value(each) for key, each in value.items()}
    return None if kind == "NULL" else value


def _number(value: Number | float) -> str:
    if isinstance(value, float):
        if not math.isfinite(value) or (value and not 1e-130 <= abs(value) < 1e126):
            raise ValueError(f"{value!r} is no number an item can hold")
        return repr(value)
    if isinstance(value, int):
        digits, magnitude = len(str(abs(value))), 0
    else:
        if not value.is_finite():
            raise ValueError(f"{value} is no number")
        digits, magnitude = len(value.as_tuple().digits), value.adjusted() if value else 0
    if digits > _MOST_DIGITS or not -_MOST_DIGITS < magnitude < _MOST_DIGITS:
        raise ValueError(f"a number in an item has at most {_MOST_DIGITS} digits; got {str(value)[:60]}")
    return str(value)


def exact(text: str) -> Number:
    return int(text) if _INTEGER(text) else Decimal(text)


def _size(attribute: Attribute) -> int:
    """As DynamoDB counts, rounded up."""
    ((kind, value),) = attribute.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return len(value) // 2 + 2
    if kind == "L":
        return 3 + sum(1 + _size(each) for each in value)
    if kind == "M":
        return 3 + sum(1 + len(key.encode()) + _size(each) for key, each in value.items())
    return 1
