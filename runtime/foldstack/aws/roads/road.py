"""The port of a road: one request of some commits, and what became of each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

LONGEST_ID = 128
"""Characters that SNS and SQS take as the id of a message or of its group."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One commit on its way. `sequence` is its stream record's, `stream` its key, `envelope` the JSON that travels."""

    sequence: str
    id: str
    stream: str
    tenant: str
    first: int
    types: tuple[str, ...]
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """An entry that a road did not take. `final`: for what it is, not for the moment; it would be refused again."""

    reason: str
    final: bool


class Road(Protocol):
    """`ordered`: whether the road keeps an order, so that a stream has one entry a request; sizes are in bytes."""

    @property
    def name(self) -> str: ...
    @property
    def ordered(self) -> bool: ...
    @property
    def most_entries(self) -> int: ...
    @property
    def most_bytes(self) -> int: ...

    def size(self, outgoing: Outgoing) -> int:
        """What the service counts of an entry."""
        ...

    def put(self, request: Sequence[Outgoing]) -> list[Failed | None]:
        """One request, within the limits; for each entry None where it was taken. Raises StoreTimeout and
        StoreThrottled where that is not known of any."""
        ...


def short(id: str) -> str:
    """`id`, or its hash where SNS and SQS would find it too long."""
    return id if len(id) <= LONGEST_ID else hashlib.sha256(id.encode()).hexdigest()
