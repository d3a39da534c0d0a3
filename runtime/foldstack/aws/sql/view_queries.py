"""The statement behind a page of rows: the rows, and in the same snapshot the cursors that a token promises."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from ...kernel.keys import Tenant
from ..finding import Finding, Position
from .statements import Sql, Statement
from .tables import ViewTables, each, scope, under

_CURSOR, _ROW = "cursor", "row"
_CURSOR_TEXTS = ("next", "epoch", "parked")


class Cursor(NamedTuple):
    """How far the view is with a stream."""

    next: int
    epoch: int
    parked: bool


class Found(NamedTuple):
    """`cursors` by stream id; `rows` are ids, what they are ordered by as text, and their columns as texts."""

    cursors: dict[str, Cursor]
    rows: list[tuple[str, str | None, Sequence[str | None]]]


class ViewQueries:
    """Runs findings on one projection's tables; a statement is made once for each shape of them."""

    def __init__(self, tables: ViewTables) -> None:
        self._tables = tables
        self._statements: dict[Any, Statement] = {}

    def run(
        self, sql: Sql, tenant: Tenant, finding: Finding, limit: int, after: Position | None, promised: Sequence[str]
    ) -> Found:
        """Up to `limit` rows after a position, and the cursors of the promised streams."""
        shape = ([field for field, _ in finding.where], finding.order, finding.descending, after is None)
        statement = self._statements.setdefault(repr(shape), Statement(self._core(finding, after is None)))
        values: dict[str, Any] = {"tenants": str(tenant), "tenant": str(tenant), "limit": limit}
        values["generation"] = finding.projection.generation
        values |= {f"where{n}": _text(value) for n, (_, value) in enumerate(finding.where)}
        values["promised"] = json.dumps([{"id": id} for id in promised])
        if after is not None:
            values |= {"after_id": after.id} | ({"after_value": after.value} if finding.order else {})
        cursors: dict[str, Cursor] = {}
        rows = []
        for kind, place, id, value, *texts in sql.run(statement, **values):
            if kind == _CURSOR:
                cursors[id] = Cursor(int(texts[0]), int(texts[1]), texts[2] is not None)
            else:
                rows.append((int(place), (id, value, texts[: len(self._tables.columns.all)])))
        return Found(cursors, [row for _, row in sorted(rows, key=lambda each: each[0])])

    def _core(self, finding: Finding, first: bool) -> Any:
        tenants = scope(_bound("tenants"))
        wide = max(len(_CURSOR_TEXTS), len(self._tables.columns.all))
        return sa.union_all(
            under(tenants, self._cursors(wide), "promises"), under(tenants, self._rows(finding, first, wide), "page")
        )

    def _cursors(self, wide: int) -> sa.Select:
        cursors, of = self._tables.cursors, self._tables.projection
        document = sa.cast(_bound("promised"), JSONB)
        promised = sa.func.jsonb_to_recordset(document).table_valued(sa.column("id", sa.Text), name="p")
        promised = promised.render_derived(with_types=True)
        cursor = each(
            sa.select(cursors.c.id, *(sa.cast(cursors.c[name], sa.Text).label(name) for name in _CURSOR_TEXTS)).where(
                cursors.c.projection == of.name,
                cursors.c.version == of.version,
                cursors.c.generation == _generation(),
                cursors.c.tenant == _bound("tenant"),
                cursors.c.id == promised.c.id,
            ),
            promised,
            "cursor",
        )
        id, *texts = cursor.c
        fields = _labelled(_CURSOR, sa.literal_column("0"), id, _null(), [*texts, *_nulls(wide - len(texts))])
        return sa.select(*fields).select_from(promised.join(cursor, sa.true()))

    def _rows(self, finding: Finding, first: bool, wide: int) -> sa.Select:
        rows, columns = self._tables.rows, self._tables.columns
        conditions: list[Any] = [rows.c.tenant == _bound("tenant"), rows.c.generation == _generation()]
        for n, (field, _) in enumerate(finding.where):
            column = columns.of(field)
            conditions.append(rows.c[column.name] == sa.cast(_bound(f"where{n}"), column.type))
        keys: list[Any] = [rows.c.id]
        bounds: list[Any] = [_bound("after_id")]
        value = _null()
        if finding.order is not None:
            column = columns.of(finding.order)
            ordered = rows.c[column.name]
            keys, bounds = [ordered, *keys], [sa.cast(_bound("after_value"), column.type), *bounds]
            value = sa.cast(ordered, sa.Text)
            conditions.append(ordered.is_not(None))
        if not first:
            here, there = sa.tuple_(*keys), sa.tuple_(*bounds)
            conditions.append(here < there if finding.descending else here > there)
        by = [key.desc() if finding.descending else key.asc() for key in keys]
        texts = [*self._tables.as_text(rows.c), *_nulls(wide - len(columns.all))]
        place = sa.func.row_number().over(order_by=by)
        return (
            sa.select(*_labelled(_ROW, place, rows.c.id, value, texts))
            .where(*conditions)
            .order_by(*by)
            .limit(sa.bindparam("limit", type_=sa.BigInteger))
        )


def _labelled(kind: str, place: Any, id: Any, value: Any, texts: list[Any]) -> list[Any]:
    named = {"kind": sa.literal(kind, sa.Text), "place": sa.cast(place, sa.BigInteger), "row_id": id, "ordered": value}
    return [one.label(name) for name, one in named.items()] + [one.label(f"t{n}") for n, one in enumerate(texts)]


def _generation() -> sa.BindParameter[int]:
    return sa.bindparam("generation", type_=sa.Integer)


def _bound(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


def _null() -> Any:
    return sa.cast(sa.null(), sa.Text)


def _nulls(count: int) -> list[Any]:
    return [_null() for _ in range(count)]


def _text(value: Any) -> str:
    """As a cast reads it."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
