"""What a commit store can do. Two implementations: in memory (here), DynamoDB (`foldstack.aws.commit_store`)."""

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from .commit import Commit
from .keys import StreamId, Tenant


class IdRow(NamedTuple):
    """Where a command that fell out of its stream's ring was committed."""

    command_id: str
    request_hash: str
    stream: StreamId
    first: int


class Page(NamedTuple):
    """Commits, and whether the stream has more in that direction."""

    commits: list[Commit]
    more: bool


class CommitStore(Protocol):
    """Every method is one request, or raises StoreTimeout (it may be done) or StoreThrottled (it is not)."""

    def append(self, commit: Commit) -> Commit | None:
        """Puts the commit where nothing is at (stream, first): None. Else the commit that is there."""
        ...

    def append_strict(self, commit: Commit) -> Commit | IdRow | None:
        """Like `append`, with the id row in the same transaction; the row where the id is known already."""
        ...

    def newest(self, stream: StreamId, limit: int, before: int | None = None, consistent: bool = False) -> Page:
        """Commits newest first, those with `first` below `before`."""
        ...

    def since(self, stream: StreamId, version: int, limit: int = 100, consistent: bool = True) -> Page:
        """Commits oldest first, those with `first` from `version` on."""
        ...

    def find_id(self, tenant: Tenant, command_id: str) -> IdRow | None:
        """The id row, read consistently."""
        ...

    def keep_ids(self, rows: Sequence[IdRow]) -> None:
        """Stores id rows; those that are there already stay."""
        ...


class MemoryCommitStore:
    """A commit store for tests and benchmarks; safe for threads, nothing survives the process."""

    def __init__(self) -> None:
        self._streams: dict[str, dict[int, Commit]] = {}
        self._ids: dict[tuple[str, str], IdRow] = {}
        self._lock = threading.Lock()

    def append(self, commit: Commit) -> Commit | None:
        with self._lock:
            return self._put(commit)

    def append_strict(self, commit: Commit) -> Commit | IdRow | None:
        key = (commit.stream.tenant, commit.command_id)
        with self._lock:
            if key in self._ids:
                return self._ids[key]
            winner = self._put(commit)
            if winner is None:
                self._ids[key] = IdRow(commit.command_id, commit.request_hash, commit.stream, commit.first)
            return winner

    def newest(self, stream: StreamId, limit: int, before: int | None = None, consistent: bool = False) -> Page:
        with self._lock:
            items = self._streams.get(stream.key, {})
            found = [items[v] for v in reversed(items) if before is None or v < before]
        return Page(found[:limit], len(found) > limit)

    def since(self, stream: StreamId, version: int, limit: int = 100, consistent: bool = True) -> Page:
        with self._lock:
            items = self._streams.get(stream.key, {})
            found = [items[v] for v in items if v >= version]
        return Page(found[:limit], len(found) > limit)

    def find_id(self, tenant: Tenant, command_id: str) -> IdRow | None:
        with self._lock:
            return self._ids.get((tenant, command_id))

    def keep_ids(self, rows: Sequence[IdRow]) -> None:
        with self._lock:
            for row in rows:
                self._ids.setdefault((row.stream.tenant, row.command_id), row)

    def streams(self) -> Mapping[str, Sequence[Commit]]:
        """Everything stored, by partition key, oldest first."""
        with self._lock:
            return {key: list(items.values()) for key, items in self._streams.items()}

    def _put(self, commit: Commit) -> Commit | None:
        items = self._streams.setdefault(commit.stream.key, {})
        if commit.first in items:
            return items[commit.first]
        below_tip = bool(items) and commit.first < next(reversed(items))
        items[commit.first] = commit
        if below_tip:
            self._streams[commit.stream.key] = dict(sorted(items.items()))
        return None
