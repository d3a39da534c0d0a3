"""Tenants in stores of their own: which store a request is for, and nothing else, is decided here."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..kernel.commit import CommandContext, Commit
from ..kernel.keys import StreamId, Tenant
from ..kernel.messages import Command
from ..kernel.store import CommitStore, IdRow, Page
from ..kernel.timer import Timer
from .generations import Generations

if TYPE_CHECKING:
    from ..kernel.keyring import Keys


class SiloedCommitStore:
    """See `CommitStore`. `shared` is for every tenant that has no silo."""

    def __init__(self, shared: CommitStore, silos: Mapping[str, CommitStore]) -> None:
        self._shared = shared
        self._silos = silos

    def append(self, commit: Commit) -> Commit | None:
        return self._of(commit.stream.tenant).append(commit)

    def append_strict(self, commit: Commit) -> Commit | IdRow | None:
        return self._of(commit.stream.tenant).append_strict(commit)

    def newest(self, stream: StreamId, limit: int, before: int | None = None, consistent: bool = False) -> Page:
        return self._of(stream.tenant).newest(stream, limit, before, consistent)

    def since(self, stream: StreamId, version: int, limit: int = 100, consistent: bool = True) -> Page:
        return self._of(stream.tenant).since(stream, version, limit, consistent)

    def find_id(self, stream: StreamId, command_id: str) -> IdRow | None:
        return self._of(stream.tenant).find_id(stream, command_id)

    def keep_ids(self, rows: Sequence[IdRow]) -> None:
        for tenant in dict.fromkeys(row.stream.tenant for row in rows):
            self._of(tenant).keep_ids([row for row in rows if row.stream.tenant == tenant])

    def _of(self, tenant: Tenant) -> CommitStore:
        return self._silos.get(tenant, self._shared)


class SiloedKeys:
    """See `keyring.Keys`. Another KMS key wraps the keys of a silo's persons."""

    def __init__(self, shared: "Keys", silos: "Mapping[str, Keys]") -> None:
        self._shared = shared
        self._silos = silos

    def find(self, tenant: Tenant, refs: Collection[str]) -> Mapping[str, bytes | None]:
        return self._silos.get(tenant, self._shared).find(tenant, refs)

    def make(self, tenant: Tenant, ref: str) -> bytes | None:
        return self._silos.get(tenant, self._shared).make(tenant, ref)


class SiloedTimer:
    """See `Timer`. What is due is executed by the functions of the tenant's own store."""

    def __init__(self, shared: Timer, silos: Mapping[str, Timer]) -> None:
        self._shared = shared
        self._silos = silos

    def set(self, at: datetime, tenant: Tenant, command: Command, context: CommandContext) -> None:
        self._silos.get(tenant, self._shared).set(at, tenant, command, context)


class SiloedGenerations:
    """Views of a silo are rebuilt by themselves: their pointers are in their own tables."""

    def __init__(self, shared: Generations, silos: Mapping[str, Generations]) -> None:
        self._shared = shared
        self._silos = silos

    def of(self, tenant: Tenant) -> Generations:
        return self._silos.get(tenant, self._shared)
