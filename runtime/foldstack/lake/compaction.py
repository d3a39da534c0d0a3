"""Compaction: a partition's small files become one, with the last version of each key, and nothing is ever missing.

A reader of S3 has no snapshot over several files, so it must see the sources, or the merged file, or both (the view
leaves one row of each key), at every moment and after a death at any step:

1. merge the sources, put the file under a name made of its content, read it back and compare;
2. put a marker beside it: `_merged-NAME.json`, with the sources and the time. Readers pass over names with _;
3. an hour later, when no query that listed the sources can still run, delete them, and then the marker.

A death before 2 leaves both, and the next run merges both; a death in 3 leaves a marker, and the next run goes on. A
tombstone stays until no older version of its row can come late, and goes only when its file is the partition's only
one: while any other is there, it might hold such a version.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa

from .columnar import parquet, read
from .merging import merged, tombstones_until, without_tombstones
from .objects import Objects, StoredObject
from .tables import LakeTable

GRACE = timedelta(minutes=60)
"""Longer than Athena lets a query run (30 minutes)."""
LATE = timedelta(days=15)
"""A version may come that late: queues keep what failed for 14 days."""
TARGET = 64 * 1024**2
"""Bytes of a file that is large enough."""
MOST_IN_MEMORY = 512 * 1024**2
"""Bytes of what is merged at a time, once it is read."""

MERGED = "merged-"
_MARKER = "_merged-"
_UNTIL = "-until-"


class VerificationError(Exception):
    """What was read back is not what was put: the sources stay."""


class Compacted(NamedTuple):
    """What a run did to one partition: files merged into one, files deleted, rows in and out."""

    merged: int = 0
    deleted: int = 0
    rows_before: int = 0
    rows_after: int = 0

    @property
    def changed(self) -> bool:
        return bool(self.merged or self.deleted)


@dataclass(frozen=True)
class _Marker:
    key: str
    merged: str
    sources: tuple[str, ...]
    at: datetime


class Compactor:
    """`clock` gives the time in UTC."""

    def __init__(
        self,
        objects: Objects,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        target: int = TARGET,
        grace: timedelta = GRACE,
        late: timedelta = LATE,
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._target = target
        self._grace = grace
        self._late = late

    def compact(self, table: LakeTable, partition: str) -> Compacted:
        """`partition` is a prefix as `LakeTable.location` makes it. Raises MergeError for files that the table's
        schema can't hold, VerificationError; Unavailable from the bucket. Whatever it raises, nothing is missing."""
        present = {each.key: each for each in self._objects.list(partition)}
        markers = [self._marker(key) for key in present if key.removeprefix(partition).startswith(_MARKER)]
        deleted = self._delete_sources(markers, present)
        waiting = {source for marker in markers for source in marker.sources}
        files = [
            each
            for each in present.values()
            if each.key not in waiting and not each.key.removeprefix(partition).startswith("_")
        ]
        if not markers and len(files) == 1:
            done = self._drop_tombstones(table, partition, files[0])
        else:
            done = self._merge(table, partition, files)
        return done._replace(deleted=deleted)

    def _merge(self, table: LakeTable, partition: str, files: list[StoredObject]) -> Compacted:
        chosen = self._chosen(files)
        if len(chosen) < 2:
            return Compacted()
        sources: dict[str, pa.Table] = {}
        for each in chosen:
            if sum(source.nbytes for source in sources.values()) < MOST_IN_MEMORY or len(sources) < 2:
                sources[each.key] = read(self._objects.get(each.key))
        rows = merged(table, list(sources.values()))
        self._replace(table, partition, rows, list(sources))
        return Compacted(len(sources), 0, sum(map(len, sources.values())), len(rows))

    def _chosen(self, files: list[StoredObject]) -> list[StoredObject]:
        """The smallest files first, as many as make one of the target's size."""
        chosen, size = [], 0
        for each in sorted(files, key=lambda each: (each.size, each.key)):
            if chosen and size + each.size > self._target:
                break
            chosen.append(each)
            size += each.size
        return chosen

    def _drop_tombstones(self, table: LakeTable, partition: str, file: StoredObject) -> Compacted:
        until = file.key.removesuffix(".parquet").partition(_UNTIL)[2]
        if not until or self._clock().strftime("%Y%m%d") < until:
            return Compacted()
        rows = read(self._objects.get(file.key))
        left = without_tombstones(rows, self._clock() - self._late)
        if len(left) == len(rows):
            return Compacted()
        self._replace(table, partition, left, [file.key])
        return Compacted(1, 0, len(rows), len(left))

    def _replace(self, table: LakeTable, partition: str, rows: pa.Table, sources: list[str]) -> None:
        content = parquet(rows)
        name = hashlib.sha256(content).hexdigest()[:32]
        last = tombstones_until(table, rows)
        until = f"{_UNTIL}{last + self._late:%Y%m%d}" if last else ""
        key = f"{partition}{MERGED}{name}{until}.parquet"
        self._objects.put(key, content)
        if self._objects.get(key) != content:
            raise VerificationError(f"{key} is not what was put: the files that it was made of stay")
        # A run that died before its marker left this very file, and it is among the sources.
        replaced = [source for source in sources if source != key]
        marker = {"merged": key, "sources": replaced, "at": self._clock().isoformat()}
        self._objects.put(f"{partition}{_MARKER}{name}.json", json.dumps(marker).encode())

    def _marker(self, key: str) -> _Marker:
        content = json.loads(self._objects.get(key))
        return _Marker(key, content["merged"], tuple(content["sources"]), datetime.fromisoformat(content["at"]))

    def _delete_sources(self, markers: Iterable[_Marker], present: dict[str, StoredObject]) -> int:
        """A merged file that is gone was merged into another, whose marker names it: then that one's sources go."""
        deleted = 0
        for marker in list(markers):
            if self._clock() - marker.at < self._grace:
                continue
            if marker.merged in present:
                left = [source for source in marker.sources if source in present]
                self._objects.delete(left)
                deleted += len(left)
            self._objects.delete([marker.key])
        return deleted
