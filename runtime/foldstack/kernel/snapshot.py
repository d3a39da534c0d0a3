"""A snapshot rides in a commit: the state after it, the ids of the last commands, and who may read it."""

from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from .codec import deflate, inflate
from .messages import State


class KnownCommand(NamedTuple):
    """A command that a stream has seen: its request, and the version of its commit."""

    request_hash: str
    first: int


class Snapshot(NamedTuple):
    """`over` says that the ring has dropped ids, whose rows are then in the id table."""

    fingerprint: str
    state: Any
    ring: dict[str, KnownCommand]
    over: bool


def encode(fingerprint: str, state: State, ring: dict[str, KnownCommand], over: bool, writing: Any = None) -> bytes:
    rows = b",".join(to_json([id, *known]) for id, known in ring.items())
    return deflate(
        b'["%s",%s,[%s],%s]'
        % (
            fingerprint.encode(),
            state.__pydantic_serializer__.to_json(state, context=writing),
            rows,
            b"true" if over else b"false",
        )
    )


def decode(data: bytes) -> Snapshot:
    fingerprint, state, rows, over = from_json(inflate(data))
    return Snapshot(fingerprint, state, {id: KnownCommand(hash, first) for id, hash, first in rows}, over)
