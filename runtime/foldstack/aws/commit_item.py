"""A commit as an item of the commit table.

Names are one letter, since every commit pays for them again: an event of 400 bytes has room to spare in one
write unit, whatever else the commit carries.

    p partition key, `StreamId.key`    b body                i command id      d time
    s sort key, the first version      z snapshot            h request hash    x traceparent
    n next version                     o key of the object   c correlation     e store epoch
    t event types                        that holds b and z  u causation
    v prev, by event type              r depth               a actor

What is empty is left out.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from ..kernel.commit import Commit
from ..kernel.keys import StreamId, Tenant

Item = dict[str, Any]
GetBody = Callable[[Tenant, str], bytes]

LARGEST_ITEM = 300 * 1024
_TEXTS = {
    "i": "command_id",
    "h": "request_hash",
    "c": "correlation",
    "u": "causation",
    "a": "actor",
    "d": "time",
    "x": "traceparent",
}


def to_item(commit: Commit, put_body: Callable[[Tenant, bytes], str]) -> Item:
    """The item to put. `put_body` stores body and snapshot elsewhere first, where the item would be too large."""
    item: Item = {
        "p": {"S": commit.stream.key},
        "s": {"N": str(commit.first)},
        "n": {"N": str(commit.next)},
        "t": {"L": [{"S": name} for name in commit.types]},
        "e": {"N": str(commit.epoch)},
    }
    if commit.prev:
        item["v"] = {"M": {name: {"N": str(version)} for name, version in commit.prev.items()}}
    for name, field in _TEXTS.items():
        if value := getattr(commit, field):
            item[name] = {"S": value}
    if commit.depth:
        item["r"] = {"N": str(commit.depth)}
    snapshot = commit.snapshot or b""
    if item_size(item) + len(commit.body) + len(snapshot) + 2 > LARGEST_ITEM:
        item["o"] = {"S": put_body(commit.stream.tenant, _packed(commit.body, snapshot))}
        return item
    item["b"] = {"B": commit.body}
    if snapshot:
        item["z"] = {"B": snapshot}
    return item


def from_item(item: Mapping[str, Any], get_body: GetBody, stream: StreamId | None = None) -> Commit:
    """The commit of an item, as the SDK answers it or as a stream's record carries it (bytes in base64); `stream`
    where the caller knows it, so that a page of commits does not parse its one key again and again.

    A large body is fetched at once, not when it is first looked at: nearly every reader folds it, an error then
    shows where a request is expected to fail, and a commit stays a plain value.
    """
    stream = stream or StreamId.parse(item["p"]["S"])
    if "o" in item:
        body, snapshot = _unpacked(get_body(stream.tenant, item["o"]["S"]))
    else:
        body = _bytes(item["b"]["B"])
        snapshot = _bytes(item["z"]["B"]) if "z" in item else None
    return Commit(
        stream=stream,
        first=int(item["s"]["N"]),
        next=int(item["n"]["N"]),
        body=body,
        types=tuple(name["S"] for name in item["t"]["L"]),
        prev={name: int(version["N"]) for name, version in item["v"]["M"].items()} if "v" in item else {},
        epoch=int(item["e"]["N"]),
        depth=int(item["r"]["N"]) if "r" in item else 0,
        snapshot=snapshot,
        **{field: item[name]["S"] if name in item else "" for name, field in _TEXTS.items()},
    )


def stored_size(item: Item, commit: Commit) -> int:
    """Bytes that a commit takes, those of a body elsewhere included."""
    return item_size(item) + (len(commit.body) + len(commit.snapshot or b"") if "o" in item else 0)


def item_size(item: Mapping[str, Any]) -> int:
    """Bytes of an item as DynamoDB counts them, for numbers rounded up
    (docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html)."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    kind, content = next(iter(value.items()))
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(content)
    if kind == "N":
        return (len(content) + 1) // 2 + 1
    if kind == "L":
        return 3 + sum(1 + _value_size(element) for element in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_size(element) for name, element in content.items())
    raise TypeError(f"no item here has an attribute of type {kind}")


def _packed(body: bytes, snapshot: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body + snapshot


def _unpacked(content: bytes) -> tuple[bytes, bytes | None]:
    end = 4 + int.from_bytes(content[:4], "big")
    return content[4:end], content[end:] or None


def _bytes(value: bytes | str) -> bytes:
    return base64.b64decode(value) if isinstance(value, str) else bytes(value)
