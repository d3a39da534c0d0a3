"""Views in PostgreSQL: the ports of `view_store` and `view_operations`, several rows to a statement."""

import json
import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ...kernel.errors import DefinitionError
from ...kernel.generations import Control
from ...kernel.keys import StreamId, Tenant
from ...kernel.projection import Number, Projection
from .. import view_rows
from ..view_rows import LeadRow, Parked, Skipped
from ..view_store import Changes, RowScan, RowWrite, ScannedRow
from . import sweep_positions, view_controls
from .statements import ResultTooLarge, Row, Sql, Statement
from .tables import CursorTables, ViewTables
from .view_queries import ViewQueries
from .view_statements import ViewStatements

MOST_PARAMETER_BYTES = 2_000_000
"""Of a statement's rows, as text: escaped in a request's JSON they stay below the Data API's 4 MiB."""

_LEAST_PAGE, _MOST_PAGE = 25, 500
_CURSOR_FIELDS = 5


class SqlViewStore:
    """The views of `service` that `projections` make; `sql` runs statements as the projector, or the reader."""

    def __init__(
        self, sql: Sql, service: str, projections: Sequence[Projection], *, rng: random.Random | None = None
    ) -> None:
        self.sql = sql
        shared = CursorTables(service)
        self._views = {p.name: _View(ViewTables(shared, p)) for p in projections}
        self._positions = sweep_positions.Statements(shared.positions)
        self._controls = view_controls.Statements(shared.controls)
        self._rng = rng or random.Random()

    def check(self, projection: Projection, lead: LeadRow) -> None:
        self.tables(projection).columns.check(lead.row, _sums(lead))

    def tables(self, projection: Projection) -> ViewTables:
        """Raises DefinitionError for a projection that this function was not given."""
        return self._view(projection).tables

    def queries(self, projection: Projection) -> ViewQueries:
        """What runs findings; raises DefinitionError likewise."""
        return self._view(projection).queries

    def read(self, projection: Projection, stream: StreamId, consistent: bool = True) -> LeadRow | None:
        return self.read_many(projection, [stream]).get(stream)

    def read_many(self, projection: Projection, streams: Iterable[StreamId]) -> dict[StreamId, LeadRow]:
        view, streams = self._view(projection), list(streams)
        by_key = {(str(stream.tenant), stream.id): stream for stream in streams}
        keys = [{"tenant": tenant, "id": id} for tenant, id in by_key]
        tenants = _tenants(stream.tenant for stream in streams)
        try:
            found = self._run(projection, view.statements.read, tenants=tenants, keys=_json(keys))
        except ResultTooLarge:
            if len(streams) == 1:
                raise
            half = len(streams) // 2
            return self.read_many(projection, streams[:half]) | self.read_many(projection, streams[half:])
        leads = {}
        for tenant, id, *rest in found:
            cursor, alive, row = rest[:_CURSOR_FIELDS], rest[_CURSOR_FIELDS], rest[_CURSOR_FIELDS + 1 :]
            leads[by_key[tenant, id]] = _lead(cursor, view.tables.columns.row(row) if alive else None)
        return leads

    def write(
        self, projection: Projection, stream: StreamId, before: LeadRow | None, after: LeadRow, changes: Changes
    ) -> bool:
        return self.write_many(projection, [RowWrite(stream, before, after, changes)])[0]

    def write_many(self, projection: Projection, writes: Sequence[RowWrite]) -> list[bool]:
        """A statement takes as many as it can hold."""
        done: set[tuple[str, str]] = set()
        for chunk in _chunks(writes):
            done |= {(tenant, id) for tenant, id in self._write(projection, chunk)}
        return [(write.stream.tenant, write.stream.id) in done for write in writes]

    def rows(
        self, projection: Projection, tenant: Tenant, after: str | None, expected: int
    ) -> Iterator[tuple[str, LeadRow]]:
        view, last = self._view(projection), after or ""
        limit = min(max(expected, _LEAST_PAGE), _MOST_PAGE)
        while True:
            try:
                of = {"tenants": str(tenant), "tenant": str(tenant)}
                found = self._run(projection, view.statements.page, **of, after=last, limit=limit)
            except ResultTooLarge:
                if limit == 1:
                    raise
                limit //= 2
                continue
            for last, *rest in found:
                row = view.tables.columns.row(rest[_CURSOR_FIELDS:])
                yield last, _lead(rest[:_CURSOR_FIELDS], row)
            if len(found) < limit:
                return

    def totals(
        self, projection: Projection, tenant: Tenant, key: str | None = None, consistent: bool = False
    ) -> dict[str, dict[str, Number]]:
        statements = self._view(projection).statements
        of = {"tenants": str(tenant), "tenant": str(tenant)}
        if key is None:
            found = self._run(projection, statements.totals, **of)
        else:
            found = self._run(projection, statements.total, **of, key=key)
        sums: dict[str, dict[str, Number]] = {}
        for at, field, amount in found:
            sums.setdefault(at, {})[field] = view_rows.exact(amount)
        return sums

    def scan(self, projection: Projection, other_than: int, after: Any) -> RowScan:
        return self._scanned(projection, self._view(projection).statements.of_other_epochs, after, epoch=other_than)

    def leads(self, projection: Projection, after: Any = None, parked: bool = False) -> RowScan:
        statements = self._view(projection).statements
        return self._scanned(projection, statements.parked if parked else statements.cursors, after)

    def remove(self, projection: Projection, keep: Collection[int], latest: int, after: Any = None) -> tuple[int, Any]:
        statements = self._view(projection).statements
        found = self.sql.run(statements.retired, keep=_json(sorted(keep)), latest=latest, limit=_MOST_PAGE)
        removed = 0
        for generation, rows in groupby(found, key=lambda row: row[1]):
            keys = [{"tenant": tenant, "id": id} for tenant, _, id in rows]
            with self.sql.transaction() as sql:
                sql.run(statements.set_tenants, tenants=_tenants(key["tenant"] for key in keys))
                for remove in (statements.delete, statements.delete_totals):
                    removed += len(sql.run(remove, generation=generation, keys=_json(keys)))
                sql.run(statements.delete_cursors, generation=generation, keys=_json(keys))
        return removed, True if len(found) == _MOST_PAGE else None

    def control(self, projection: Projection, consistent: bool = True) -> Control:
        found = self.sql.run(self._controls.read, projection=projection.name, version=projection.version)
        return Control.from_dict(json.loads(found[0][0])) if found else Control()

    def keep_control(self, projection: Projection, before: Control, after: Control) -> bool:
        put = self._controls.replace if before.revision else self._controls.begin
        values = {"projection": projection.name, "version": projection.version, "control": _json(after.to_dict())}
        values |= {"revision": after.revision} | ({"before": before.revision} if before.revision else {})
        return bool(self.sql.run(put, **values))

    def position(self, sweep: str) -> dict[str, Any] | None:
        found = self.sql.run(self._positions.read, name=sweep)
        return json.loads(found[0][0]) if found else None

    def keep_position(self, sweep: str, position: dict[str, Any] | None) -> None:
        if position is None:
            self.sql.run(self._positions.delete, name=sweep)
        else:
            self.sql.run(self._positions.keep, name=sweep, position=_json(position))

    def _run(self, projection: Projection, statement: Statement, **values: Any) -> list[Row]:
        return self.sql.run(statement, generation=projection.generation, **values)

    def _scanned(self, projection: Projection, statement: Statement, after: Any, **values: Any) -> RowScan:
        tenant, id = after or ("", "")
        found = self._run(projection, statement, tenant=tenant, id=id, limit=_MOST_PAGE, **values)
        streams = [StreamId(Tenant(tenant), projection.of.category, id) for tenant, id in found]
        leads = self.read_many(projection, streams) if streams else {}
        rows = [ScannedRow(each.tenant, each.id, leads[each]) for each in streams if each in leads]
        return RowScan(rows, list(found[-1]) if len(found) == _MOST_PAGE else None)

    def _write(self, projection: Projection, writes: list[RowWrite]) -> list[Row]:
        view = self._view(projection)
        values: dict[str, Any] = {
            "generation": projection.generation,
            "tenants": _tenants(write.stream.tenant for write in writes),
            "rows": _json([self._given(view, write) for write in writes]),
            "changes": _json([change for write in writes for change in self._added(write)]),
        }
        gone = {(w.stream.tenant, w.stream.id) for w in writes if w.after.row is None and w.before is not None}
        if not gone:
            return self.sql.run(view.statements.write, **values)
        with self.sql.transaction() as sql:
            won = sql.run(view.statements.write, **values)
            keys = [{"tenant": tenant, "id": id} for tenant, id in won if (tenant, id) in gone]
            if keys:
                sql.run(view.statements.delete, keys=_json(keys), generation=projection.generation)
            return won

    def _given(self, view: "_View", write: RowWrite) -> dict[str, Any]:
        before, after = write.before, write.after
        given: dict[str, Any] = {
            "tenant": write.stream.tenant,
            "id": write.stream.id,
            "alive": after.row is not None,
            "next": after.cursor,
            "epoch": after.epoch,
            "sums": _sums(after),
            "parked": _parked(after),
            "skipped": [each._asdict() for each in after.skipped],
        }
        if before is not None:
            given |= {"before_next": before.cursor, "before_epoch": before.epoch, "before_parked": _parked(before)}
        if after.row is not None:
            values = view.tables.columns.values(after.row)
            given |= {f"c{n}": value for n, value in enumerate(values.values())}
        return given

    def _added(self, write: RowWrite) -> Iterator[dict[str, Any]]:
        # Any shard will do: writers of one total that pick by chance seldom meet.
        shard = self._rng.randrange(view_rows.SHARDS)
        for key, fields in write.changes.items():
            for field, amount in fields.items():
                yield {
                    "tenant": write.stream.tenant,
                    "id": write.stream.id,
                    "key": key,
                    "field": field,
                    "shard": shard,
                    "amount": str(amount),
                }

    def _view(self, projection: Projection) -> "_View":
        try:
            return self._views[projection.name]
        except KeyError:
            raise DefinitionError(
                f"no table for the view {projection.name}: this function has {', '.join(self._views) or 'none'}; "
                f"name it in the `views` of a ProjectionPipeline, and give its queries to this function"
            ) from None


class _View:
    def __init__(self, tables: ViewTables) -> None:
        self.tables = tables
        self.statements = ViewStatements(tables)
        self.queries = ViewQueries(tables)


def _chunks(writes: Sequence[RowWrite]) -> Iterator[list[RowWrite]]:
    chunk: list[RowWrite] = []
    size = 0
    for write in writes:
        more = len(_json([write.after.row, _sums(write.after), write.changes]))
        if chunk and size + more > MOST_PARAMETER_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(write)
        size += more
    if chunk:
        yield chunk


def _lead(cursor: Sequence[Any], row: dict[str, Any] | None) -> LeadRow:
    next, epoch, sums, parked, skipped = cursor
    return LeadRow(
        int(next),
        int(epoch),
        row,
        {k: {n: view_rows.exact(t) for n, t in fields.items()} for k, fields in json.loads(sums).items()},
        Parked(**json.loads(parked)) if parked else None,
        tuple(Skipped(**each) for each in json.loads(skipped)),
    )


def _sums(lead: LeadRow) -> dict[str, dict[str, str]]:
    return {key: {name: str(number) for name, number in fields.items()} for key, fields in lead.sums.items()}


def _parked(lead: LeadRow) -> dict[str, Any] | None:
    return lead.parked._asdict() if lead.parked else None


def _tenants(tenants: Any) -> str:
    return ",".join(sorted(set(tenants)))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
