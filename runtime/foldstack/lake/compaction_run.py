"""Compaction of a whole lake, partition after partition, a run at a time."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .compaction import Compacted, Compactor, VerificationError
from .merging import MergeError
from .objects import Objects
from .tables import PREFIX, LakeTable

POSITION = "state/compaction.json"
"""Where the last run stopped, beside the tables."""


class Run(NamedTuple):
    """`done` says that the run came to the end of the lake; what it left alone is told in `failed`."""

    done: bool
    partitions: int
    merged: int
    deleted: int
    failed: tuple[str, ...]


class CompactionRun:
    """Begins where the last one stopped, so that a lake too large for one run is none for several."""

    def __init__(self, objects: Objects, compactor: Compactor, tables: Iterable[LakeTable]) -> None:
        self._objects = objects
        self._compactor = compactor
        self._tables = {table.name: table for table in tables}

    def __call__(self, in_time: Callable[[], bool], prefix: str = f"{PREFIX}/") -> Run:
        """As long as it is `in_time`. `prefix` narrows it to a tenant, a table or a partition. Raises Unavailable."""
        total, partitions, failed = Compacted(), 0, []
        for partition in self._partitions(prefix, self._position(prefix)):
            if not in_time():
                self._keep(prefix, partition)
                return Run(False, partitions, total.merged, total.deleted, tuple(failed))
            table = self._tables.get(partition.split("/")[2])
            if table is None:
                failed.append(f"{partition}: no table of the domain is called so; it is left as it is")
                continue
            try:
                done = self._compactor.compact(table, partition)
            except (MergeError, VerificationError) as error:
                failed.append(f"{partition}: {error}")
                continue
            partitions += done.changed
            total = Compacted(total.merged + done.merged, total.deleted + done.deleted)
        self._keep(prefix, "")
        return Run(True, partitions, total.merged, total.deleted, tuple(failed))

    def _partitions(self, prefix: str, after: str) -> Iterator[str]:
        """Those in which there is something to do, perhaps, from the partition `after` on."""
        current, names = "", []
        for each in self._objects.list(prefix, after):
            partition, _, name = each.key.rpartition("/")
            if f"{partition}/" != current:
                if _worth_a_look(names):
                    yield current
                current, names = f"{partition}/", []
            names.append(name)
        if _worth_a_look(names):
            yield current

    def _position(self, prefix: str) -> str:
        try:
            kept = json.loads(self._objects.get(POSITION))
        except KeyError:
            return ""
        return kept["at"] if kept["prefix"] == prefix else ""

    def _keep(self, prefix: str, partition: str) -> None:
        self._objects.put(POSITION, json.dumps({"prefix": prefix, "at": partition}).encode())


def _worth_a_look(names: list[str]) -> bool:
    return len(names) > 1 or any("-until-" in name for name in names)
