"""The statements on one projection's tables, each rendered once. Rows go in as one JSON parameter, however many."""

from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from .statements import Statement
from .tables import ViewTables, each, scope, under

BEFORE = ("before_next", "before_epoch", "before_parked")
_CURSOR_FIELDS = ("next", "epoch", "sums", "parked", "skipped")


class ViewStatements:
    """`:tenants` are those of the statement, separated by commas; `:generation` is the one it is about."""

    def __init__(self, tables: ViewTables) -> None:
        self._tables = tables
        self._of = (tables.projection.name, tables.projection.version)

    @cached_property
    def read(self) -> Statement:
        """`:keys` is a list of {tenant, id}. Answers tenant, id, the cursor's fields, and the row if there is one."""
        rows = self._tables.rows
        keys = _records("keys", {"tenant": sa.Text, "id": sa.Text}, "k")
        cursor = self._cursor_of(keys.c.tenant, keys.c.id, keys)
        row = each(
            sa.select(rows.c.tenant, *self._tables.as_text(rows.c)).where(
                rows.c.tenant == keys.c.tenant, rows.c.generation == _generation(), rows.c.id == keys.c.id
            ),
            keys,
            "row",
        )
        alive, *fields = row.c
        query = sa.select(keys.c.tenant, keys.c.id, *cursor.c, alive.is_not(None).label("alive"), *fields)
        query = query.select_from(keys.join(cursor, sa.true()).outerjoin(row, sa.true()))
        return Statement(under(scope(sa.bindparam("tenants", type_=sa.Text)), query, "found"))

    @cached_property
    def write(self) -> Statement:
        """`:rows` is a list of what `SqlViewStore` makes of writes, `:changes` of {tenant, id, key, field, shard,
        amount}. Answers tenant and id of the writes whose row was the one read before: only those were done."""
        given = self._given()
        won = self._won(given)
        rows = self._row_upsert(given, won)
        totals = self._total_upsert(won)
        return Statement(sa.select(won.c.tenant, won.c.id).add_cte(rows, totals))

    @cached_property
    def delete(self) -> Statement:
        """`:keys` is a list of {tenant, id}; answers a row for each. For a transaction in which `write` came first: it
        set the tenants."""
        rows = self._tables.rows
        keys = _records("keys", {"tenant": sa.Text, "id": sa.Text}, "k")
        mine = rows.c.generation == _generation()
        same = rows.c.tenant == keys.c.tenant, rows.c.id == keys.c.id
        return Statement(sa.delete(rows).where(*same, mine).returning(rows.c.id))

    @cached_property
    def page(self) -> Statement:
        """`:limit` rows of `:tenant` after `:after` by id, or from the first where it is empty: id, cursor, row."""
        rows = self._tables.rows
        cursor = self._cursor_of(rows.c.tenant, rows.c.id, rows)
        query = (
            sa.select(rows.c.id, *cursor.c, *self._tables.as_text(rows.c))
            .select_from(rows.join(cursor, sa.true()))
            .where(rows.c.tenant == _bound("tenant"), rows.c.generation == _generation(), rows.c.id > _bound("after"))
            .order_by(rows.c.id)
            .limit(sa.bindparam("limit", type_=sa.BigInteger))
        )
        return Statement(under(scope(_bound("tenants")), query, "found"))

    @cached_property
    def totals(self) -> Statement:
        """The sums of `:tenant`, by key and field."""
        return self._sums(self._tables.totals.c.tenant == _bound("tenant"))

    @cached_property
    def total(self) -> Statement:
        """The sums of `:tenant` at `:key`, by key and field."""
        totals = self._tables.totals
        return self._sums(sa.and_(totals.c.tenant == _bound("tenant"), totals.c.key == _bound("key")))

    @cached_property
    def cursors(self) -> Statement:
        """Up to `:limit` cursors of all tenants, after `:tenant` and `:id`."""
        return self._found(sa.true())

    @cached_property
    def parked(self) -> Statement:
        """Those that are parked."""
        return self._found(self._tables.cursors.c.parked.is_not(None))

    @cached_property
    def of_other_epochs(self) -> Statement:
        """Those whose epoch is not `:epoch`."""
        return self._found(self._tables.cursors.c.epoch != sa.bindparam("epoch", type_=sa.BigInteger))

    @cached_property
    def retired(self) -> Statement:
        """Up to `:limit` tenants, generations and ids whose generation is at most `:latest` and not in `:keep`, a
        list of JSON."""
        cursors, (name, version) = self._tables.cursors, self._of
        kept = sa.func.jsonb_array_elements_text(sa.cast(_bound("keep"), JSONB)).table_valued("value")
        return Statement(
            sa.select(cursors.c.tenant, cursors.c.generation, cursors.c.id)
            .where(
                cursors.c.projection == name,
                cursors.c.version == version,
                cursors.c.generation <= sa.bindparam("latest", type_=sa.Integer),
                cursors.c.generation.not_in(sa.select(sa.cast(kept.c.value, sa.Integer))),
            )
            .order_by(cursors.c.generation, cursors.c.tenant, cursors.c.id)
            .limit(sa.bindparam("limit", type_=sa.BigInteger))
        )

    @cached_property
    def set_tenants(self) -> Statement:
        """For a transaction, before `delete` and `delete_totals`."""
        return Statement(sa.select(scope(_bound("tenants")).c.tenants))

    @cached_property
    def delete_totals(self) -> Statement:
        """Of the tenants in `:keys`, all; answers a row for each."""
        totals = self._tables.totals
        tenants = sa.select(_records("keys", {"tenant": sa.Text, "id": sa.Text}, "k").c.tenant)
        mine = totals.c.generation == _generation()
        return Statement(sa.delete(totals).where(totals.c.tenant.in_(tenants), mine).returning(totals.c.key))

    @cached_property
    def delete_cursors(self) -> Statement:
        """For good: of a generation that nobody reads or feeds any more."""
        cursors = self._tables.cursors
        keys = _records("keys", {"tenant": sa.Text, "id": sa.Text}, "k")
        same = cursors.c.tenant == keys.c.tenant, cursors.c.id == keys.c.id
        return Statement(sa.delete(cursors).where(self._mine(cursors), *same))

    def _found(self, condition: Any) -> Statement:
        cursors = self._tables.cursors
        return Statement(
            sa.select(cursors.c.tenant, cursors.c.id)
            .where(
                self._mine(cursors),
                condition,
                sa.tuple_(cursors.c.tenant, cursors.c.id) > sa.tuple_(_bound("tenant"), _bound("id")),
            )
            .order_by(cursors.c.tenant, cursors.c.id)
            .limit(sa.bindparam("limit", type_=sa.BigInteger))
        )

    def _given(self) -> sa.CTE:
        """The writes, drawn after the tenants were set: what takes from here is under row-level security."""
        types: dict[str, Any] = {"tenant": sa.Text, "id": sa.Text, "alive": sa.Boolean}
        types |= {"next": sa.BigInteger, "epoch": sa.BigInteger, "sums": JSONB, "parked": JSONB, "skipped": JSONB}
        types |= dict(zip(BEFORE, (sa.BigInteger, sa.BigInteger, JSONB), strict=True))
        types |= {f"c{n}": column.type for n, column in enumerate(self._tables.columns.all)}
        records = _records("rows", types, "r")
        query = sa.select(*records.c)
        set_first = scope(_bound("tenants"))
        return under(set_first, query, "drawn").cte("given").prefix_with("MATERIALIZED", dialect="postgresql")

    def _won(self, given: sa.CTE) -> sa.CTE:
        cursors = self._tables.cursors
        fields = [given.c[name] for name in _CURSOR_FIELDS]
        name, version = self._of
        of = [sa.literal(name, sa.Text), sa.literal(version, sa.Integer), _generation().label("generation")]
        new = sa.select(*of, given.c.tenant, given.c.id, *fields).where(given.c.before_next.is_(None))
        inserted = (
            insert(cursors)
            .from_select(
                ["projection", "version", "generation", "tenant", "id", *_CURSOR_FIELDS],
                new.order_by(given.c.tenant, given.c.id),
            )
            .on_conflict_do_nothing()
            .returning(cursors.c.tenant, cursors.c.id)
            .cte("inserted")
        )

        def unchanged(since: Any) -> list[sa.ColumnElement[bool]]:
            return [
                self._mine(cursors),
                cursors.c.tenant == since.c.tenant,
                cursors.c.id == since.c.id,
                cursors.c.next == since.c.before_next,
                cursors.c.epoch == since.c.before_epoch,
                cursors.c.parked.is_not_distinct_from(since.c.before_parked),
            ]

        # In one order, whoever writes: two writers of the same rows wait for each other, and never in a circle.
        asked = sa.select(given).where(given.c.before_next.is_not(None)).order_by(given.c.tenant, given.c.id)
        asked = asked.offset(sa.literal_column("0")).subquery("asked")
        found = each(
            sa.select(cursors.c.tenant, cursors.c.id).where(*unchanged(asked)).with_for_update(of=cursors),
            asked,
            "found",
        )
        locked = (
            sa.select(found.c.tenant.label("locked_tenant"), found.c.id.label("locked_id"))
            .select_from(asked.join(found, sa.true()))
            .cte("locked")
            .prefix_with("MATERIALIZED", dialect="postgresql")
        )
        updated = (
            sa.update(cursors)
            .values({name: given.c[name] for name in _CURSOR_FIELDS})
            .where(*unchanged(given), given.c.tenant == locked.c.locked_tenant, given.c.id == locked.c.locked_id)
            .returning(cursors.c.tenant, cursors.c.id)
            .cte("updated")
        )
        both = sa.union_all(sa.select(inserted.c.tenant, inserted.c.id), sa.select(updated.c.tenant, updated.c.id))
        return both.cte("won")

    def _row_upsert(self, given: sa.CTE, won: sa.CTE) -> sa.CTE:
        rows, data = self._tables.rows, self._tables.data
        values = [given.c[f"c{n}"] for n in range(len(data))]
        alive = sa.select(given.c.tenant, _generation().label("generation"), given.c.id, *values).join(
            won, sa.and_(won.c.tenant == given.c.tenant, won.c.id == given.c.id)
        )
        put = insert(rows).from_select(
            [rows.c.tenant, rows.c.generation, rows.c.id, *data],
            alive.where(given.c.alive).order_by(given.c.tenant, given.c.id),
        )
        put = put.on_conflict_do_update(
            index_elements=list(rows.primary_key), set_={column.name: put.excluded[column.name] for column in data}
        )
        return put.returning(rows.c.id).cte("rows_put")

    def _total_upsert(self, won: sa.CTE) -> sa.CTE:
        totals = self._tables.totals
        types = {"tenant": sa.Text, "id": sa.Text, "key": sa.Text, "field": sa.Text, "shard": sa.SmallInteger}
        changes = _records("changes", {**types, "amount": sa.Numeric}, "d")
        keys = [changes.c[name] for name in ("tenant", "key", "field", "shard")]
        first, *others = keys
        added = (
            sa.select(first, _generation().label("generation"), *others, sa.func.sum(changes.c.amount))
            .join(won, sa.and_(won.c.tenant == changes.c.tenant, won.c.id == changes.c.id))
            .group_by(*keys)
            .order_by(*keys)
        )
        put = insert(totals).from_select(list(totals.c), added)
        put = put.on_conflict_do_update(
            index_elements=list(totals.primary_key), set_={"amount": totals.c.amount + put.excluded.amount}
        )
        return put.returning(totals.c.key).cte("totals_put")

    def _sums(self, condition: sa.ColumnElement[bool]) -> Statement:
        totals = self._tables.totals
        amount = sa.func.sum(totals.c.amount)
        query = (
            sa.select(totals.c.key, totals.c.field, sa.cast(amount, sa.Text).label("amount"))
            .where(condition, totals.c.generation == _generation())
            .group_by(totals.c.key, totals.c.field)
            .having(amount != 0)
            .order_by(totals.c.key, totals.c.field)
        )
        return Statement(under(scope(_bound("tenants")), query, "found"))

    def _cursor_texts(self) -> list[sa.ColumnElement[Any]]:
        cursors = self._tables.cursors
        return [sa.cast(cursors.c[name], sa.Text).label(f"cursor_{name}") for name in _CURSOR_FIELDS]

    def _cursor_of(self, tenant: Any, id: Any, of: Any) -> Any:
        """The fields of one stream's cursor as text, for each row of `of`."""
        cursors = self._tables.cursors
        texts = sa.select(*self._cursor_texts())
        return each(texts.where(self._mine(cursors), cursors.c.tenant == tenant, cursors.c.id == id), of, "cursor")

    def _mine(self, cursors: sa.Table) -> sa.ColumnElement[bool]:
        name, version = self._of
        return sa.and_(
            cursors.c.projection == name, cursors.c.version == version, cursors.c.generation == _generation()
        )


def _generation() -> sa.BindParameter[int]:
    return sa.bindparam("generation", type_=sa.Integer)


def _bound(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


def _records(parameter: str, types: dict[str, Any], alias: str) -> Any:
    """A JSON parameter, a list of objects, as a table of these columns."""
    document = sa.cast(sa.bindparam(parameter, type_=sa.Text), JSONB)
    columns = [sa.column(name, kind) for name, kind in types.items()]
    return sa.func.jsonb_to_recordset(document).table_valued(*columns, name=alias).render_derived(with_types=True)
