"""View stores on a real PostgreSQL, as new as one in memory: each has a schema to itself while it is used."""

import weakref
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from foldstack.aws.sql.migration import Login, Roles, migrate
from foldstack.aws.sql.psycopg_transport import Psycopg
from foldstack.aws.sql.statements import Sql, Statement
from foldstack.aws.sql.view_store import SqlViewStore
from foldstack.kernel.projection import Projection

from local.postgres import Postgres

ROLES = Roles(Login("projector", "projector's"), Login("reader", "reader's"))


class Database:
    """One server and the roles of it. Stores of dropped schemas are emptied and given out again."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.owner = Psycopg(postgres.conninfo(postgres.master, postgres.password))
        self.projector = self.login(ROLES.projector)
        self.reader = self.login(ROLES.reader)
        self._made = 0
        self._free: dict[tuple[str, ...], list[str]] = {}

    def login(self, login: Login) -> Psycopg:
        return Psycopg(self.postgres.conninfo(*login))

    def store(self, projections: Sequence[Projection], sql: Sql | None = None, **options: Any) -> SqlViewStore:
        """An empty one, written as the projector unless `sql` is another way in."""
        service = self._service(projections)
        store = SqlViewStore(sql or self.projector, service, projections, **options)
        weakref.finalize(store, self._free.setdefault(_kind(projections), []).append, service)
        return store

    def close(self) -> None:
        for each in (self.owner, self.projector, self.reader):
            each.close()

    def _service(self, projections: Sequence[Projection]) -> str:
        free = self._free.setdefault(_kind(projections), [])
        if free:
            service = free.pop()
            tables = self.owner.run(
                Statement(sa.text("select table_name from information_schema.tables where table_schema = :s")),
                s=service,
            )
            names = ", ".join(f"{service}.{name}" for (name,) in tables)
            self.owner.run(Statement(sa.DDL(f"truncate {names}")))
            return service
        self._made += 1
        service = f"library{self._made}"
        migrate(self.owner, service, projections, ROLES)
        return service


def _kind(projections: Sequence[Projection]) -> tuple[str, ...]:
    return tuple(f"{p.name} {p.version} {id(p.row_type)}" for p in projections)
