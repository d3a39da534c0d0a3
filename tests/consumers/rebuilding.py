"""What tests of rebuilds share: a scan of a memory store, and what a reader may see of a stream."""

import threading
from typing import Any

import pytest
from foldstack.aws.commit_scan import Scanned
from foldstack.aws.rebuild import Rebuild, Stopped
from foldstack.kernel.keys import StreamId
from foldstack.kernel.projection import Projection
from foldstack.kernel.store import MemoryCommitStore

from .library import TENANTS, folded, projector, shown
from .test_sweep import MemoryHeads


class MemoryScan:
    """Pages of a memory store that know nothing of streams; `asked` counts them."""

    def __init__(self, store: MemoryCommitStore, size: int = 5) -> None:
        self._store, self._size = store, size
        self.asked = 0

    def page(self, category, types, after, segment: int, segments: int) -> Scanned:
        self.asked += 1
        found = [
            commit
            for key, commits in sorted(self._store.streams().items())
            if sum(key.encode()) % segments == segment
            for commit in sorted(commits, key=lambda commit: str(commit.first))  # not the order of versions
        ]
        # By key, so that what is written meanwhile moves nothing.
        keys = [[commit.stream.key, str(commit.first)] for commit in found]
        start = next((n for n, key in enumerate(keys) if after is None or key > after), len(keys))
        page = found[start : start + self._size]
        more = start + self._size < len(found)
        return Scanned(page, len(page), keys[start + len(page) - 1] if more else None)

    def estimate(self) -> int:
        return sum(len(commits) for commits in self._store.streams().values())


def rebuild_of(
    projection: Projection, store: Any, views: Any, scan: Any = None, heads: Any = None, **more: Any
) -> Rebuild:
    """One that never really waits, in one thread."""
    at_once = {"settled": 0.0, "readers_gone": 0.0, "patience": 0.0}
    more = {"segments": 1, "clock": lambda: 0.0, "sleep": lambda s: None, **at_once, **more}
    scan, heads = scan or MemoryScan(store), heads or MemoryHeads(store)
    return Rebuild(projection, scan, views, projector(store, views), heads, **more)


def half_built(rebuild: Rebuild) -> None:
    """It was begun, and stopped at once."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        rebuild.build(stop)


def assert_generation_equals_fold(views: Any, store: MemoryCommitStore, generation: Projection) -> None:
    for tenant in TENANTS:
        rows, totals = folded(store, generation, tenant)
        assert shown(views, generation, tenant) == rows
        assert views.totals(generation, tenant, consistent=True) == totals


def states(store: MemoryCommitStore, projection: Projection, stream: StreamId) -> list[tuple[int, Any]]:
    """The row after each of its commits, with `next`; first that of an empty stream."""
    row, found = None, [(1, None)]
    for commit in store.streams().get(stream.key, []):
        row = projection.apply(row, commit.stored, stream.id, commit.time)
        found.append((commit.next, row))
    return found
