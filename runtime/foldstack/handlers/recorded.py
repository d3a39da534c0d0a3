"""What an envelope tells of, as it is in the store."""

from ..kernel.commit import Commit
from ..kernel.envelope import Envelope
from ..kernel.store import CommitStore


def recorded(store: CommitStore, epoch: int, envelope: Envelope) -> Commit | Envelope | None:
    """The commit: read from the store where it travels by reference, or where a restore may have undone it and used
    its version again; None where one has. `epoch` is today's."""
    restored = envelope.epoch != epoch
    if envelope.stored is not None and not restored:
        return envelope
    page = store.since(envelope.stream, envelope.first, limit=1)
    commit = page.commits[0] if page.commits else None
    if commit is None or commit.first != envelope.first or commit.epoch != envelope.epoch:
        if restored:
            return None
        raise LookupError(f"{envelope.id} was published, and is not in the store")
    return commit
