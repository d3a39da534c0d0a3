"""Envelopes whole: those that were too large to travel, with the events that the store has."""

from collections.abc import Callable
from dataclasses import replace

from ..kernel.envelope import Envelope
from ..kernel.errors import UndecodableEvent
from ..kernel.store import CommitStore

Whole = Callable[[Envelope], Envelope]


def whole(envelope: Envelope, store: CommitStore) -> Envelope:
    """Raises UndecodableEvent where the store has another commit there, or none: it was restored since."""
    if envelope.stored is not None:
        return envelope
    found = store.since(envelope.stream, envelope.first, limit=1).commits
    if not found or (found[0].first, found[0].next, found[0].epoch) != (envelope.first, envelope.next, envelope.epoch):
        raise UndecodableEvent(f"{envelope.id} is in epoch {envelope.epoch} of the store no more")
    return replace(envelope, stored=found[0].stored)
