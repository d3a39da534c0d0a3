"""Views in PostgreSQL: the port of `foldstack.aws.view_store`, several rows to a statement."""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ...kernel.errors import DefinitionError
from ...kernel.keys import StreamId, Tenant
from ...kernel.projection import Number, Projection
from .. import view_rows
from ..view_rows import LeadRow, Parked, Skipped
from ..view_store import Changes, RowScan, ScannedRow
from . import sweep_positions
from .statements import ResultTooLarge, Row, Sql
from .tables import CursorTables, ViewTables
from .view_queries import ViewQueries
from .view_statements import ViewStatements

MOST_PARAMETER_BYTES = 2_000_000
"""Of a statement's rows, as text: escaped in a request's JSON they stay below the Data API's 4 MiB."""

_LEAST_PAGE, _MOST_PAGE = 25, 500
_CURSOR_FIELDS = 5


class Write(NamedTuple):
    """One row's way from what was read to what is to be."""

    projection: Projection
    stream: StreamId
    before: LeadRow | None
    after: LeadRow
    changes: Changes


class SqlViewStore:
    """The views of `service` that `projections` make; `sql` runs statements as the projector, or the reader."""

    def __init__(
        self, sql: Sql, service: str, projections: Sequence[Projection], *, rng: random.Random | None = None
    ) -> None:
        self.sql = sql
        shared = CursorTables(service)
        self._views = {p.name: _View(ViewTables(shared, p)) for p in projections}
        self._positions = sweep_positions.Statements(shared.positions)
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
        return self.read_many(projection, [stream])[0]

    def read_many(self, projection: Projection, streams: Sequence[StreamId]) -> list[LeadRow | None]:
        """The lead rows of some streams, of any tenants, in their order."""
        view = self._view(projection)
        keys = [{"tenant": stream.tenant, "id": stream.id} for stream in streams]
        try:
            found = self.sql.run(
                view.statements.read, tenants=_tenants(stream.tenant for stream in streams), keys=_json(keys)
            )
        except ResultTooLarge:
            if len(streams) == 1:
                raise
            half = len(streams) // 2
            return self.read_many(projection, streams[:half]) + self.read_many(projection, streams[half:])
        leads = {}
        for tenant, id, *rest in found:
            cursor, alive, row = rest[:_CURSOR_FIELDS], rest[_CURSOR_FIELDS], rest[_CURSOR_FIELDS + 1 :]
            leads[tenant, id] = _lead(cursor, view.tables.columns.row(row) if alive else None)
        return [leads.get((stream.tenant, stream.id)) for stream in streams]

    def write(
        self, projection: Projection, stream: StreamId, before: LeadRow | None, after: LeadRow, changes: Changes
    ) -> bool:
        return self.write_many([Write(projection, stream, before, after, changes)])[0]

    def write_many(self, writes: Sequence[Write]) -> list[bool]:
        """Each write is done or not by itself, and whole: row, cursor and totals. A statement takes those of one
        projection, as many as it can hold; no two writes may be of one row."""
        done: set[tuple[str, str, str]] = set()
        for name in dict.fromkeys(write.projection.name for write in writes):
            for chunk in self._chunks([write for write in writes if write.projection.name == name]):
                done |= {(name, tenant, id) for tenant, id in self._write(self._views[name], chunk)}
        return [(write.projection.name, write.stream.tenant, write.stream.id) in done for write in writes]

    def rows(
        self, projection: Projection, tenant: Tenant, after: str | None, expected: int
    ) -> Iterator[tuple[str, LeadRow]]:
        view, last = self._view(projection), after or ""
        limit = min(max(expected, _LEAST_PAGE), _MOST_PAGE)
        while True:
            try:
                found = self.sql.run(
                    view.statements.page, tenants=str(tenant), tenant=str(tenant), after=last, limit=limit
                )
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
        found = self.sql.run(statements.totals, **of) if key is None else self.sql.run(statements.total, **of, key=key)
        sums: dict[str, dict[str, Number]] = {}
        for at, field, amount in found:
            sums.setdefault(at, {})[field] = view_rows.exact(amount)
        return sums

    def scan(self, projection: Projection, other_than: int, after: Any) -> RowScan:
        tenant, id = after or ("", "")
        found = self.sql.run(
            self._view(projection).statements.of_other_epochs, epoch=other_than, tenant=tenant, id=id, limit=_MOST_PAGE
        )
        streams = [StreamId(Tenant(tenant), projection.of.category, id) for tenant, id in found]
        leads = self.read_many(projection, streams) if streams else []
        rows = [ScannedRow(s.tenant, s.id, lead) for s, lead in zip(streams, leads, strict=True) if lead is not None]
        return RowScan(rows, list(found[-1]) if len(found) == _MOST_PAGE else None)

    def position(self, sweep: str) -> dict[str, Any] | None:
        found = self.sql.run(self._positions.read, name=sweep)
        return json.loads(found[0][0]) if found else None

    def keep_position(self, sweep: str, position: dict[str, Any] | None) -> None:
        if position is None:
            self.sql.run(self._positions.delete, name=sweep)
        else:
            self.sql.run(self._positions.keep, name=sweep, position=_json(position))

    def _write(self, view: "_View", writes: list[Write]) -> list[Row]:
        values: dict[str, Any] = {
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
                sql.run(view.statements.delete, keys=_json(keys))
            return won

    def _given(self, view: "_View", write: Write) -> dict[str, Any]:
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

    def _added(self, write: Write) -> Iterator[dict[str, Any]]:
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

    def _chunks(self, writes: list[Write]) -> Iterator[list[Write]]:
        chunk: list[Write] = []
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
