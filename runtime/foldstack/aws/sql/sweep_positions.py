"""Where sweeps stopped: the statements on `sweep_position`."""

from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from .statements import Statement


class Statements:
    """`:name` is the sweep's."""

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._mine = table.c.name == sa.bindparam("name", type_=sa.Text)

    @cached_property
    def read(self) -> Statement:
        return Statement(sa.select(sa.cast(self._table.c.position, sa.Text)).where(self._mine))

    @cached_property
    def keep(self) -> Statement:
        """`:position` is JSON."""
        position = sa.cast(sa.bindparam("position", type_=sa.Text), JSONB)
        put = insert(self._table).values(name=sa.bindparam("name", type_=sa.Text), position=position)
        return Statement(put.on_conflict_do_update(index_elements=["name"], set_={"position": put.excluded.position}))

    @cached_property
    def delete(self) -> Statement:
        return Statement(sa.delete(self._table).where(self._mine))
