"""What a commit store can do. Two implementations: in memory (here), DynamoDB (`foldstack.aws.commit_store`)."""

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from .commit import Commit
from .keys import StreamId, Tenant


class IdRow(NamedTuple):
    """Where a command was committed that fell out of its stream's ring, or that was strict."""

    command_id: str
    request_hash: str
    stream: StreamId
    first: int


class Page(NamedTuple):
    """Commits, and whether the stream has more in that direction."""

    commits: list[Commit]
    more: bool


class CommitStore(Protocol):
    """Every method is one request, or raises StoreTimeout (it may be done) or StoreThrottled (it is not).

    Id rows are of two kinds. A strict command's holds for its whole tenant. One that a ring dropped holds for its
    stream alone: the same key on another stream is another command, and neither row may hide the other.
    """

    def append(self, commit: Commit) -> Commit | None:
        """Puts the commit where nothing is at (stream, first): None. Else the commit that is there."""
        ...

    def append_strict(self, commit: Commit) -> Commit | IdRow | None:
        """Like `append`, with the tenant's id row in the same transaction. Else this command's own commit where it
        is the one that is there, or the row where the id was used, or whatever commit is there."""
        ...

    def newest(self, stream: StreamId, limit: int, before: int | None = None, consistent: bool = False) -> Page:
        """Commits newest first, those with `first` below `before`."""
        ...

    def since(self, stream: StreamId, version: int, limit: int = 100, consistent: bool = True) -> Page:
        """Commits oldest first, those with `first` from `version` on."""
        ...

    def find_id(self, stream: StreamId, command_id: str) -> IdRow | None:
        """The row that `keep_ids` stored for this stream, read consistently."""
        ...

    def keep_ids(self, rows: Sequence[IdRow]) -> None:
        """Stores id rows, each for its own stream; again has no effect."""
        ...


class MemoryCommitStore:
    """A commit store for tests and benchmarks; safe for threads, nothing survives the process."""

    def __init__(self) -> None:
        self._streams: dict[str, dict[int, Commit]] = {}
        self._strict: dict[tuple[Tenant, str], IdRow] = {}
        self._kept: dict[tuple[StreamId, str], IdRow] = {}
        self._lock = threading.Lock()

    def append(self, commit: Commit) -> Commit | None:
        with self._lock:
            return self._put(commit)

    def append_strict(self, commit: Commit) -> Commit | IdRow | None:
        key = (commit.stream.tenant, commit.command_id)
        with self._lock:
            there = self._streams.get(commit.stream.key, {}).get(commit.first)
            if there is not None and there.command_id == commit.command_id:
                return there
            if key in self._strict:
                return self._strict[key]
            if there is None:
                self._put(commit)
                self._strict[key] = IdRow(commit.command_id, commit.request_hash, commit.stream, commit.first)
            return there

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

    def find_id(self, stream: StreamId, command_id: str) -> IdRow | None:
        with self._lock:
            return self._kept.get((stream, command_id))

    def keep_ids(self, rows: Sequence[IdRow]) -> None:
        with self._lock:
            for row in rows:
                self._kept[row.stream, row.command_id] = row

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
