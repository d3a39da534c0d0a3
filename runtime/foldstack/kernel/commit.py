"""A commit: all events that one command decided, stored as one item, the unit of everything after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import codec
from .keys import StreamId
from .messages import Event
from .upcasting import StoredEvent

REACTION = "reaction"
"""The actor of a reaction's command is `reaction:NAME`."""


@dataclass(frozen=True)
class Commit:
    """Covers the versions `first` to `next` - 1 of one stream.

    `prev` holds, per event type, the version after that type's last event before this commit.
    `body` is what `codec.encode` made; `snapshot` what `snapshot.encode` made, of the state after it. `depth` counts
    the reactions that led to it, one because of the other: 0 where somebody asked for it.
    """

    stream: StreamId
    first: int
    next: int
    body: bytes
    types: tuple[str, ...]
    prev: Mapping[str, int]
    command_id: str
    request_hash: str
    time: str
    epoch: int = 1
    correlation: str = ""
    causation: str = ""
    actor: str = ""
    traceparent: str = ""
    depth: int = 0
    snapshot: bytes | None = None

    @cached_property
    def _decoded(self) -> tuple[tuple[StoredEvent, ...], Any]:
        return codec.decode(self.body, self.first)

    @property
    def stored(self) -> tuple[StoredEvent, ...]:
        """The events as stored, before any upcaster."""
        return self._decoded[0]

    @property
    def result(self) -> Any:
        """What the command's caller was answered, as plain JSON."""
        return self._decoded[1]

    @property
    def reaction(self) -> str:
        """The name of the reaction whose command this was, empty where it was nobody's."""
        kind, _, name = self.actor.partition(":")
        return name if kind == REACTION else ""

    def previous(self, types: frozenset[str]) -> int:
        """The version after the last event of `types` before this commit, 1 where there is none."""
        return max((version for name, version in self.prev.items() if name in types), default=1)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Everything about a command but the command: who, with which key, until when.

    `deadline` is on the executor's clock, in seconds. `keyed` says that the id can come again, being made of
    a key: then `request_hash` is not empty. `repeated` says that it has probably come before, so that a stream
    is read before it is created; `expected` is If-Match's version; `depth` is for `Commit.depth`.
    """

    command_id: str
    request_hash: str = ""
    keyed: bool = False
    repeated: bool = False
    expected: int | None = None
    deadline: float | None = None
    correlation: str = ""
    causation: str = ""
    actor: str = ""
    traceparent: str = ""
    depth: int = 0


def type_names(events: Sequence[Event]) -> tuple[str, ...]:
    """Each type once, in the order of its first event."""
    return tuple(dict.fromkeys(event.type_name for event in events))


def event_id(stream: StreamId, version: int) -> str:
    """Names one stored event, in the store and on every road."""
    return f"{stream.key}@{version}"
