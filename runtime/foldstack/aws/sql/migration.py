"""Makes the database what the domain's projections need: roles, tables, indexes, policies. Again has no effect.

| role        | may                                                                                             |
|-------------|-------------------------------------------------------------------------------------------------|
| the owner   | change tables; row-level security is forced upon it too, and no policy shows it a row             |
| `projector` | read and write rows of the tenants that a statement names; all cursors, since a sweep finds them |
| `reader`    | select rows, totals and cursors of the tenants that a statement names                            |

Row-level security guards against a predicate that was forgotten: a role can name any tenant. What keeps hostile code
out is that the functions of one service alone have the role's secret.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ...kernel.errors import ConfigurationError, DefinitionError
from ...kernel.projection import Projection
from .scram import verifier
from .statements import Sql, Statement
from .tables import SETTING, CursorTables, ViewTables

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_POLICY = "foldstack_tenants"
_OF_TENANTS = f"tenant = ANY (string_to_array(current_setting('{SETTING}', true), ','))"
# A projector that dies leaves its locks to nobody; a query that nobody waits for any more ends.
_LIMITS = {"idle_in_transaction_session_timeout": "10s", "statement_timeout": "20s", "lock_timeout": "5s", "jit": "off"}


class Login(NamedTuple):
    """A role and its password."""

    role: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.role!r})"


class Roles(NamedTuple):
    """Who writes and who reads."""

    projector: Login
    reader: Login


def migrate(sql: Sql, service: str, projections: Iterable[Projection], roles: Roles) -> list[str]:
    """In one transaction, one at a time; `sql` runs as the owner. What was done, empty where nothing was to do.

    Raises DefinitionError where a table has a column of another type: that takes a new version of the projection.
    """
    shared = CursorTables(service)
    views = [ViewTables(shared, projection) for projection in projections]
    with sql.transaction() as inside:
        return _Migration(inside, shared, roles).run(views)


class _Migration:
    def __init__(self, sql: Sql, shared: CursorTables, roles: Roles) -> None:
        self._sql = sql
        self._shared = shared
        self._roles = roles
        self._schema = str(shared.metadata.schema)
        self._done: list[str] = []

    def run(self, views: Sequence[ViewTables]) -> list[str]:
        locked = sa.func.pg_advisory_xact_lock(sa.func.hashtext(sa.literal("foldstack", sa.Text)))
        self._ask(sa.select(sa.cast(locked, sa.Text)))
        for login in self._roles:
            self._role(login)
        if not self._ask(_catalog("pg_namespace", nspname=self._schema)):
            self._do(sa.schema.CreateSchema(self._schema))
        for login in self._roles:
            self._ddl(f"GRANT USAGE ON SCHEMA {_name(self._schema)} TO {_name(login.role)}")
        self._table(self._shared.cursors, "SELECT, INSERT, UPDATE, DELETE", "true")
        self._table(self._shared.positions, "SELECT, INSERT, UPDATE, DELETE", None)
        self._table(self._shared.controls, "SELECT, INSERT, UPDATE", None)
        control = _DIALECT.identifier_preparer.format_table(self._shared.controls)
        self._ddl(f"GRANT SELECT ON {control} TO {_name(self._roles.reader.role)}")
        for view in views:
            self._table(view.rows, "SELECT, INSERT, UPDATE, DELETE", _OF_TENANTS)
            self._table(view.totals, "SELECT, INSERT, UPDATE, DELETE", _OF_TENANTS)
        return self._done

    def _role(self, login: Login) -> None:
        found = self._ask(_catalog("pg_roles", "rolsuper", "rolbypassrls", rolname=login.role))
        if not found:
            self._do(sa.DDL(f"CREATE ROLE {_name(login.role)} LOGIN NOINHERIT"))
        elif True in found[0]:
            raise ConfigurationError(
                login.role, "is a role that bypasses row-level security: views need one that can't"
            )
        # The password is bound, and is no password but what it is checked by.
        self._ask(sa.select(sa.func.set_config("foldstack.verifier", verifier(login.password), sa.true())))
        secret = "quote_literal(current_setting('foldstack.verifier'))"
        alter = f"'ALTER ROLE ' || quote_ident({_literal(login.role)}) || ' PASSWORD ' || {secret}"
        self._ddl(f"DO $$ BEGIN EXECUTE {alter}; END $$")
        for name, value in _LIMITS.items():
            self._ddl(f"ALTER ROLE {_name(login.role)} SET {name} = {_literal(value)}")

    def _table(self, table: sa.Table, projector_may: str, projector_sees: str | None) -> None:
        """`projector_sees` is the condition of its policy; None for a table of no tenant's, which only the projector
        is given."""
        projector, reader = _name(self._roles.projector.role), _name(self._roles.reader.role)
        name = _DIALECT.identifier_preparer.format_table(table)
        there = self._columns(table)
        if not there:
            self._do(sa.schema.CreateTable(table))
        else:
            self._extend(table, there)
        self._indexes(table)
        self._ddl(f"GRANT {projector_may} ON {name} TO {projector}")
        if projector_sees is None:
            return
        self._ddl(f"GRANT SELECT ON {name} TO {reader}")
        secured = _catalog("pg_class", "relrowsecurity", "relforcerowsecurity", relname=table.name).where(
            sa.column("relnamespace")
            == sa.select(sa.column("oid"))
            .select_from(sa.table("pg_namespace"))
            .where(sa.column("nspname") == self._schema)
            .scalar_subquery()
        )
        if self._ask(secured)[0] != (True, True):
            self._ddl(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
            self._ddl(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
        self._policy(table, f"{_POLICY}_written", "ALL", projector, projector_sees)
        self._policy(table, f"{_POLICY}_read", "SELECT", reader, _OF_TENANTS)

    def _policy(self, table: sa.Table, policy: str, command: str, role: str, sees: str) -> None:
        if self._ask(_catalog("pg_policies", schemaname=self._schema, tablename=table.name, policyname=policy)):
            return
        name = _DIALECT.identifier_preparer.format_table(table)
        checked = f" WITH CHECK ({sees})" if command == "ALL" else ""
        self._do(sa.DDL(f"CREATE POLICY {policy} ON {name} FOR {command} TO {role} USING ({sees}){checked}"))

    def _columns(self, table: sa.Table) -> dict[str, str]:
        found = self._ask(
            _catalog("information_schema.columns", "column_name", "data_type").where(
                sa.column("table_schema") == self._schema, sa.column("table_name") == table.name
            )
        )
        return {str(name): str(kind) for name, kind in found}

    def _extend(self, table: sa.Table, there: dict[str, str]) -> None:
        for column in table.columns:
            wanted = column.type.compile(dialect=_DIALECT).split(" COLLATE")[0]
            if column.name not in there:
                name = _DIALECT.identifier_preparer.format_table(table)
                kind = column.type.compile(dialect=_DIALECT)
                self._do(sa.DDL(f"ALTER TABLE {name} ADD COLUMN {_name(column.name)} {kind}"))
            elif there[column.name].upper() != wanted:
                raise DefinitionError(
                    f"{table}.{column.name} is {there[column.name]}, and the row model's field is now {wanted}: "
                    "raise the projection's version, so that its rows are made anew in a table of their own"
                )

    def _indexes(self, table: sa.Table) -> None:
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if not self._ask(_catalog("pg_indexes", schemaname=self._schema, indexname=str(index.name))):
                self._do(sa.schema.CreateIndex(index))

    def _ask(self, query: Any) -> list[Sequence[Any]]:
        return [tuple(row) for row in self._sql.run(Statement(query))]

    def _do(self, element: Any) -> None:
        statement = Statement(element)
        self._sql.run(statement)
        self._done.append(" ".join(statement.named[0].split())[:200])

    def _ddl(self, text: str) -> None:
        """What is repeated every time: granted or set twice is as once."""
        self._sql.run(Statement(sa.DDL(text)))


def _catalog(relation: str, *columns: str, **equal: str) -> sa.Select:
    """Rows of a system catalogue: columns that start with rol or rel are flags, all others text."""
    schema, _, name = relation.rpartition(".")
    wanted = [sa.cast(sa.column(c), sa.Boolean if c.startswith(("rol", "rel")) else sa.Text) for c in columns]
    query = sa.select(*(wanted or [sa.literal_column("1")])).select_from(sa.table(name, schema=schema or None))
    return query.where(*(sa.cast(sa.column(column), sa.Text) == value for column, value in equal.items()))


def _name(identifier: str) -> str:
    return _DIALECT.identifier_preparer.quote(identifier)


def _literal(text: str) -> str:
    return str(sa.literal(text).compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
