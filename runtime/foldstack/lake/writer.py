"""Commits and rows of views to Parquet: one object for each table, tenant and day in a batch.

Nothing is done when `write` returns but what is stored: a put that fails fails the batch, which is then delivered
again, perhaps with others. So files hold rows twice, and are read through views (`tables.view_sql`).
"""

import gc
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from pydantic_core import to_json

from ..aws.parking import Park
from ..kernel.envelope import Envelope
from ..kernel.errors import UndecodableEvent
from ..kernel.service import Service
from ..kernel.upcasting import StoredEvent
from .columnar import Columnar, Data, parquet
from .entities import EntityChange, Unusable
from .personal import reading_of
from .tables import LakeTable

Put = Callable[[str, bytes], None]

KIND = "lake"
"""What the lake parks is of this kind."""
BATCH = "batch-"
"""Begins the name of what the writer puts; the rest is a hash of the content."""

_PUTS_AT_ONCE = 8
_UTC = ("+00:00", "Z")
_in_utc = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T.+(Z|\+00:00)").fullmatch


class Written(NamedTuple):
    """`rows` and `objects` that are stored, `parked` what fits no table."""

    rows: int
    objects: int
    parked: int


class LakeWriter:
    """`put(key, content)` stores an object or raises; `park` is told of what does not fit, with its reason."""

    def __init__(self, put: Put, service: Service, tables: Iterable[LakeTable], park: Park) -> None:
        self._put = put
        self._park = park
        columnar = [Columnar(table) for table in tables]
        self._envelopes = next((each for each in columnar if each.table.kind == "envelopes"), None)
        self._events = {each.table.of: each for each in columnar if each.table.kind == "events"}
        self._current = {(name, _schema_version(each.table)): each for name, each in self._events.items()}
        self._entities = {each.table.of: each for each in columnar if each.table.kind == "entities"}
        self._aggregates = service.aggregates

    def write(
        self,
        envelopes: Iterable[Envelope] = (),
        changes: Iterable[EntityChange] = (),
        unusable: Iterable[Unusable] = (),
    ) -> Written:
        """Envelopes hold their events. Raises what `put` and `park` raise: then the batch is to be written again."""
        with _collecting_nothing():
            batch = _Batch(list(unusable))
            self._add_envelopes(batch, envelopes)
            for change in changes:
                self._add_change(batch, change)
            rows, objects = self._objects(batch)
        self._store(objects)
        for pointer, reason in batch.parked:
            self._park(KIND, reason, **pointer)
        return Written(rows, len(objects), len(batch.parked))

    def _objects(self, batch: "_Batch") -> tuple[int, list[tuple[str, bytes]]]:
        """How many rows there are, and the files that hold them."""
        objects, rows = [], 0
        for (_, tenant, day), group in batch.groups.items():
            if not group.shared:
                continue
            payload = group.payload or [None] * len(group.shared)
            table, misfits = group.columnar.table_of(group.shared, payload, group.last)
            batch.parked += [group.told(tenant, misfit.place, misfit.reason) for misfit in misfits]
            rows += table.num_rows
            if table.num_rows:
                content = parquet(table)
                name = f"{BATCH}{hashlib.sha256(content).hexdigest()[:32]}.parquet"
                objects.append((group.columnar.table.location(tenant, day) + name, content))
        return rows, objects

    def _add_envelopes(self, batch: "_Batch", envelopes: Iterable[Envelope]) -> None:
        """One loop: what is looked up again for each commit is a third of the time."""
        tenant = day = partition = None
        for envelope in envelopes:
            stored, time, epoch, stream = envelope.stored, envelope.time, envelope.epoch, envelope.stream
            if stored is None:
                raise ValueError(f"{envelope.id} came without its events: read the store first (envelopes.whole)")
            path, correlation, causation = stream.path, envelope.correlation, envelope.causation
            if not time.endswith(_UTC) or time[:10] != day or stream.tenant != tenant or partition is None:
                if not _in_utc(time):
                    pointer = {"tenant": str(stream.tenant), "stream": path, "version": envelope.first}
                    batch.parked.append(Unusable(pointer, "its time is no RFC 3339 in UTC, so it has no day"))
                    continue
                tenant, day = stream.tenant, time[:10]
                partition = batch.partition(self._envelopes, self._current, tenant, day)
            all_, typed = partition
            for event in stored:
                type_, schema, version, data = event
                shared = (path, version, epoch, type_, schema, time, correlation, causation)
                if all_ is not None:
                    try:
                        all_.last.append(to_json(data))  # bytes of UTF-8, which a column of text takes
                    except ValueError:
                        pointer = {"tenant": str(tenant), "stream": path, "version": version}
                        batch.parked.append(Unusable(pointer, "its data is no JSON: a text in it is no Unicode"))
                        continue
                    all_.shared.append(shared)
                group = typed.get((type_, schema))
                if group is not None:
                    group.shared.append(shared)
                    group.payload.append(data)
                    group.last.append(0)
                else:
                    self._add_upcast(batch, envelope, event, shared)

    def _add_upcast(self, batch: "_Batch", envelope: Envelope, event: StoredEvent, shared: tuple[Any, ...]) -> None:
        """An event of an older schema, as what it is today: none, one or several."""
        try:
            aggregate = self._aggregates.get(envelope.stream.category)
            if aggregate is None:
                raise UndecodableEvent(f"{event.type}: no aggregate here is called {envelope.stream.category}")
            reading = reading_of(aggregate.personal)
            made = [
                (model.type_name, model.model_dump(mode="json", round_trip=True, context=reading))
                for model in aggregate.upcasters.decode(event, reading)
            ]
        except Exception as error:  # noqa: BLE001 (an upcaster's own fault is poison: the others are to be stored)
            reason = (
                str(error) if isinstance(error, UndecodableEvent) else f"its upcaster raised {type(error).__name__}"
            )
            pointer = {"tenant": str(envelope.tenant), "stream": envelope.stream.path, "version": event.version}
            batch.parked.append(Unusable({"table": "events of each type", **pointer}, reason))
            return
        for part, (name, data) in enumerate(made):
            columnar = self._events.get(name)
            if columnar is not None:
                batch.group(columnar, envelope.tenant, envelope.time[:10]).add(shared, data, part)

    def _add_change(self, batch: "_Batch", change: EntityChange) -> None:
        shared = (change.id, change.version, change.epoch, change.generation, change.row is None, change.at)
        batch.group(self._entities[change.view], change.tenant, change.day).add(shared, change.row)

    def _store(self, objects: list[tuple[str, bytes]]) -> None:
        if len(objects) == 1:
            self._put(*objects[0])
        elif objects:
            with ThreadPoolExecutor(min(_PUTS_AT_ONCE, len(objects))) as pool:
                for done in [pool.submit(self._put, key, content) for key, content in objects]:
                    done.result()


class _Group:
    """Rows of one object: what `Columnar.table_of` takes."""

    def __init__(self, columnar: Columnar) -> None:
        self.columnar = columnar
        self.shared: list[tuple[Any, ...]] = []
        self.payload: list[Data | None] = []
        self.last: list[Any] = []

    def add(self, shared: tuple[Any, ...], payload: Data | None, *last: Any) -> None:
        self.shared.append(shared)
        self.payload.append(payload)
        self.last += last

    def told(self, tenant: str, place: int, reason: str) -> Unusable:
        table = self.columnar.table
        values = (*self.shared[place], *self.last[place : place + 1])
        key = dict(zip((column.name for column in table.columns), values, strict=False))
        return Unusable({"table": table.name, "tenant": str(tenant), **{name: key[name] for name in table.key}}, reason)


class _Partition(NamedTuple):
    """Where the events of one tenant's day go: all of them to `all`, and those of a schema of today to `typed`."""

    all: _Group | None
    typed: dict[tuple[str, int], _Group]


class _Batch:
    """The rows of each object, by table, tenant and day."""

    def __init__(self, parked: list[Unusable]) -> None:
        self.groups: dict[tuple[str, str, str], _Group] = {}
        self._partitions: dict[tuple[str, str], _Partition] = {}
        self.parked = parked

    def partition(
        self, envelopes: Columnar | None, current: dict[tuple[str, int], Columnar], tenant: str, day: str
    ) -> _Partition:
        found = self._partitions.get((tenant, day))
        if found is None:
            all_ = self.group(envelopes, tenant, day) if envelopes else None
            typed = {of: self.group(columnar, tenant, day) for of, columnar in current.items()}
            found = self._partitions[tenant, day] = _Partition(all_, typed)
        return found

    def group(self, columnar: Columnar, tenant: str, day: str) -> _Group:
        key = (columnar.table.name, tenant, day)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = _Group(columnar)
        return group


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Rows are tuples by the thousand and none of them garbage: looking for some is a tenth of the work."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _schema_version(table: LakeTable) -> int:
    return getattr(table.model, "schema_version", 1)
