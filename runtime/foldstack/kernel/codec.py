"""Bytes of a commit: its events and result in one compressed JSON array, type names and schemas hoisted."""

import zlib
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json, to_json

from .messages import Event
from .upcasting import StoredEvent

_LEVEL = 6
_MOST_BITS = 15


def encode(events: Sequence[Event], result: Any = None, writing: Any = None) -> bytes:
    """`[[[type, schema], ...], [[index, data], ...], result]`, deflated.

    Several events of one type name it once; `result` is what the caller was answered, as plain JSON;
    `writing` says how personal fields are written (`personal.Writing`).
    """
    types: dict[str, int] = {}
    heads: list[bytes] = []
    rows: list[bytes] = []
    for event in events:
        index = types.get(event.type_name)
        if index is None:
            index = types[event.type_name] = len(heads)
            heads.append(b'["%s",%d]' % (event.type_name.encode(), event.schema_version))
        rows.append(b"[%d,%s]" % (index, event.__pydantic_serializer__.to_json(event, context=writing)))
    return deflate(b"[[%s],[%s],%s]" % (b",".join(heads), b",".join(rows), to_json(result, context=writing)))


def decode(body: bytes, first: int) -> tuple[tuple[StoredEvent, ...], Any]:
    """The stored events of a commit that begins at version `first`, and its result."""
    heads, rows, result = from_json(inflate(body))
    events = []
    for version, (index, data) in enumerate(rows, first):
        type_name, schema = heads[index]
        events.append(StoredEvent(type_name, schema, version, data))
    return tuple(events), result


def deflate(data: bytes) -> bytes:
    """Raw deflate, with a window that just holds `data`: the full one costs a small commit ten times as much."""
    bits = min(_MOST_BITS, max(9, len(data).bit_length()))
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -bits, min(8, max(4, bits - 6)))
    return packer.compress(data) + packer.flush()


def inflate(data: bytes) -> bytes:
    return zlib.decompress(data, -_MOST_BITS)
