"""Which generation of a view is read, and which are fed: the statements on `view_control`."""

from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from .statements import Statement


class Statements:
    """`:projection` and `:version` say which view. The puts answer a row where they were done."""

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._projection = sa.bindparam("projection", type_=sa.Text)
        self._version = sa.bindparam("version", type_=sa.Integer)
        self._revision = sa.bindparam("revision", type_=sa.BigInteger)
        self._control = sa.cast(sa.bindparam("control", type_=sa.Text), JSONB)
        self._mine = sa.and_(table.c.projection == self._projection, table.c.version == self._version)

    @cached_property
    def read(self) -> Statement:
        return Statement(sa.select(sa.cast(self._table.c.control, sa.Text)).where(self._mine))

    @cached_property
    def begin(self) -> Statement:
        """`:control` is JSON, of revision `:revision`; only where nothing is kept."""
        values = {"projection": self._projection, "version": self._version}
        put = insert(self._table).values(**values, control=self._control, revision=self._revision)
        return Statement(put.on_conflict_do_nothing().returning(self._table.c.revision))

    @cached_property
    def replace(self) -> Statement:
        """Likewise; only where what is kept is of revision `:before`."""
        unchanged = self._table.c.revision == sa.bindparam("before", type_=sa.BigInteger)
        put = sa.update(self._table).where(self._mine, unchanged)
        return Statement(put.values(control=self._control, revision=self._revision).returning(self._table.c.revision))
