"""The tables of a service's views: one of rows and one of totals for each projection, one of cursors for all.

| table                      | key                                   | holds                                          |
|----------------------------|---------------------------------------|------------------------------------------------|
| `NAME_vVERSION`            | tenant, generation, id                | a row a stream, in typed columns               |
| `NAME_vVERSION_totals`     | tenant, generation, key, field, shard | this shard's part of the sum                   |
| `projection_cursor`        | projection, version, generation, tenant, id | cursor, epoch, sums, parked, skipped     |
| `view_control`             | projection, version                   | which generation is read, and which are fed    |
| `sweep_position`           | name                                  | where a sweep stopped                          |

The rows of a generation that is being built are beside those that are read: no table is made or dropped for it.

They are in a schema named like the service, so that services may share a database.
"""

from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from ...kernel.projection import Projection
from .row_columns import RowColumns

SETTING = "foldstack.tenants"
"""The tenants that a statement is about, separated by commas: row-level security shows no others."""


def schema_of(service: str) -> str:
    return service.replace("-", "_")


def _text(name: str, **more: Any) -> sa.Column:
    return sa.Column(name, sa.Text(collation="C"), nullable=False, **more)


def _generation() -> sa.Column:
    return sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False)


class CursorTables:
    """What all projections of a service share."""

    def __init__(self, service: str, metadata: sa.MetaData | None = None) -> None:
        self.metadata = metadata or sa.MetaData(schema=schema_of(service))
        self.cursors = sa.Table(
            "projection_cursor",
            self.metadata,
            _text("projection", primary_key=True),
            sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
            _generation(),
            _text("tenant", primary_key=True),
            _text("id", primary_key=True),
            sa.Column("next", sa.BigInteger, nullable=False),
            sa.Column("epoch", sa.BigInteger, nullable=False),
            sa.Column("sums", JSONB, nullable=False),
            sa.Column("parked", JSONB),
            sa.Column("skipped", JSONB, nullable=False),
        )
        self.controls = sa.Table(
            "view_control",
            self.metadata,
            _text("projection", primary_key=True),
            sa.Column("version", sa.Integer, primary_key=True),
            sa.Column("control", JSONB, nullable=False),
            sa.Column("revision", sa.BigInteger, nullable=False),
        )
        self.positions = sa.Table(
            "sweep_position", self.metadata, _text("name", primary_key=True), sa.Column("position", JSONB)
        )


class ViewTables:
    """The tables of one projection, beside the service's cursors."""

    def __init__(self, shared: CursorTables, projection: Projection) -> None:
        self.projection = projection
        self.columns = RowColumns(projection)
        name = f"{projection.name}_v{projection.version}"
        indexed = [self.columns.of(field) for field in projection.indexed]
        self.cursors = shared.cursors
        self.rows = sa.Table(
            name,
            shared.metadata,
            _text("tenant", primary_key=True),
            _generation(),
            _text("id", primary_key=True),
            *(sa.Column(column.name, column.type) for column in self.columns.all),
            *(sa.Index(f"{name}_{column.name}", "tenant", "generation", column.name, "id") for column in indexed),
        )
        self.totals = sa.Table(
            f"{name}_totals",
            shared.metadata,
            _text("tenant", primary_key=True),
            _generation(),
            _text("key", primary_key=True),
            _text("field", primary_key=True),
            sa.Column("shard", sa.SmallInteger, primary_key=True),
            sa.Column("amount", sa.Numeric, nullable=False),
        )

    @cached_property
    def data(self) -> list[sa.Column]:
        """The columns of the row model."""
        return [self.rows.c[column.name] for column in self.columns.all]

    def as_text(self, of: Any) -> list[sa.ColumnElement[str]]:
        """The row's columns cast to text, in the order of `RowColumns`: the same over every transport. They are called
        c0, c1, ...: a row's fields may be named like anything else that a statement answers."""
        texts = [sa.func.to_jsonb(of[c.name]) if c.kind == "timestamptz" else of[c.name] for c in self.columns.all]
        return [sa.cast(text, sa.Text).label(f"c{n}") for n, text in enumerate(texts)]


def scope(value: Any) -> sa.CTE:
    """Sets the tenants of this statement, for row-level security. Take it by `under`."""
    setting = sa.func.set_config(SETTING, value, sa.true())
    return sa.select(setting.label("tenants")).cte("scope").prefix_with("MATERIALIZED", dialect="postgresql")


def under(scope: sa.CTE, query: sa.Select, name: str) -> sa.Select:
    """`query`, run after the tenants were set. It is lateral to the scope, and its limit or offset keeps the planner
    from reading its tables first, which would show nothing."""
    fenced = query.where(scope.c.tenants.is_not(None))
    if fenced._limit_clause is None:
        fenced = fenced.offset(sa.literal_column("0"))
    inner = fenced.correlate(scope).lateral(name)
    return sa.select(*inner.c).select_from(scope.join(inner, sa.true()))


def each(query: sa.Select, keys: Any, name: str) -> Any:
    """`query`, run anew for each of some keys that it names: by its index, whatever the planner thinks of the table.
    It has no statistics of a young one, takes it for empty, and then the whole of it for as good a way as any."""
    return query.offset(sa.literal_column("0")).correlate(keys).lateral(name)
