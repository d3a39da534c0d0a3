"""Statements with a predicate that is missing, wrong or turned against itself, as the roles of a real PostgreSQL.

Row-level security shows a statement the rows of the tenants that it was said to be about: what is said is the
code's, and a role can say any tenant. So these attempts are at predicates, and none of them sets another tenant.
"""

import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from foldstack.aws.sql.statements import Statement
from foldstack.aws.sql.tables import SETTING
from foldstack.kernel.keys import Tenant

from tests.consumers.domain import Created, articles
from tests.consumers.library import PROJECTIONS, Library, deliver, projector, published
from tests.sql.support import Database

TENANTS = [Tenant(each) for each in ("a", "a-b", "ab", "acme", "acme2", "zeta", "0")]
ATTEMPTS = 1200

PREDICATES = (
    "",
    "where true",
    "where tenant = '{victim}'",
    "where tenant <> '{attacker}'",
    "where tenant = '{attacker}' or true",
    "where tenant like '%'",
    "where tenant like '{attacker}%'",
    "where tenant >= ''",
    "where tenant in ('{victim}', '{attacker}')",
    "where tenant = any(array['{victim}', '{attacker}', ''])",
    "where tenant in (select tenant from {table})",
    "where exists (select 1 from {table} other where other.tenant <> {table}.tenant)",
    "where tenant = '{attacker}' union all select tenant from {table} where tenant = '{victim}'",
    "where tenant is distinct from '{attacker}'",
    "where not tenant = '{attacker}'",
    "where coalesce(nullif(tenant, '{attacker}'), '{victim}') is not null",
)
READS = (
    "select tenant from {table} {predicate}",
    "select max(tenant) from (select * from {table}) t group by tenant",
    "select t.tenant from {table} t left join {table} u on true",
    "with all_rows as materialized (select * from {table}) select tenant from all_rows {bare}",
    "select tenant from {table} order by tenant desc limit 50 offset 0",
    "select row_to_json(t) ->> 'tenant' from {table} t",
    "select unnest(array_agg(tenant)) from {table}",
    "select tenant from {table} tablesample system (100)",
)
WRITES = (
    "update {table} set generation = generation {plain} returning tenant",
    "delete from {table} {plain} returning tenant",
    "update {table} set tenant = '{attacker}' where tenant = '{victim}' returning tenant",
    "with gone as (delete from {table} {plain} returning tenant) select tenant from gone",
)
STEALING = (
    "update {table} set tenant = '{victim}' returning tenant",
    "insert into {table} select * from {table} on conflict do nothing returning tenant",
    "insert into {schema}.articles_v1 (tenant, generation, id) values ('{victim}', 1, 'stolen') returning tenant",
    "insert into {schema}.articles_v1 (tenant, generation, id) values ('{victim}', 1, 'a')"
    " on conflict (tenant, generation, id) do update set id = 'b' returning tenant",
    "truncate {table}",
    "alter table {table} disable row level security",
    "create policy mine on {table} using (true)",
    "set row_security = off",
)


@pytest.fixture(scope="module")
def schema(database: Database) -> Iterator[str]:
    """Where each tenant has an article, with totals and a cursor."""
    views, library = database.store(PROJECTIONS), Library()
    for tenant in TENANTS:
        library.commit("a", Created(price=Decimal(1), shelf="x"), tenant=tenant)
    deliver(projector(library.store, views), published(library.commits))
    yield str(views.tables(articles).rows.schema)
    del views


def content(database: Database, schema: str) -> Counter[str]:
    """Rows of all tenants, one after the other."""
    found: Counter[str] = Counter()
    for tenant in TENANTS:
        for table in ("articles_v1", "articles_v1_totals", "projection_cursor"):
            with database.reader.transaction() as sql:
                _set(sql, tenant)
                for row in sql.run(_text(f"select row_to_json(t)::text from {schema}.{table} t")):
                    found[f"{table} {row[0]}"] += 1
    return found


class Undone(Exception):
    """Ends a transaction without a trace."""


@pytest.mark.parametrize("role", ["reader", "projector"])
def test_no_statement_reaches_another_tenant(database: Database, schema: str, role: str) -> None:
    rng = random.Random(f"{role} 1120")
    before = content(database, schema)
    came_of_them: Counter[str] = Counter()
    for _ in range(ATTEMPTS):
        attacker, victim = rng.sample(TENANTS, 2)
        # The projector sees the cursors of all tenants, for its sweep; a reader those of its statement alone.
        tables = ["articles_v1", "articles_v1_totals", *(["projection_cursor"] if role == "reader" else [])]
        table = f"{schema}.{rng.choice(tables)}"
        predicate = rng.choice(PREDICATES)
        plain = "" if "union" in predicate else predicate
        names = {"table": table, "schema": schema, "attacker": attacker, "victim": victim}
        said = {name: text.format(**names) for name, text in {"predicate": predicate, "plain": plain}.items()}
        template = rng.choice(rng.choice((READS, WRITES, STEALING)))
        text = template.format(**names, **said, bare=said["plain"].replace(table, "all_rows"))
        came_of_it = _run(database, role, attacker, text)
        assert came_of_it <= {attacker, "refused"}, f"{role} as {attacker}: {text}"
        came_of_them.update(came_of_it or {"nothing"})
    assert content(database, schema) == before, "each was undone, and none was more than it said"
    assert came_of_them["refused"] > 100
    assert sum(came_of_them[tenant] for tenant in TENANTS) > 300, "its own rows are shown"


def test_a_statement_that_says_no_tenant_sees_and_changes_nothing(database: Database, schema: str) -> None:
    for role in ("reader", "projector"):
        for template in (*READS, *WRITES[:2]):
            for predicate in PREDICATES:
                if "union" in predicate and "{plain}" in template:
                    continue
                names = {"table": f"{schema}.articles_v1", "schema": schema, "attacker": "a", "victim": "zeta"}
                said = predicate.format(**names)
                bare = "" if "union" in said else said.replace(names["table"], "all_rows")
                text = template.format(**names, predicate=said, plain=said, bare=bare)
                assert _run(database, role, None, text) <= {"refused"}, text


@pytest.mark.parametrize("attacker", ["", ",", "%", "a,", ",a-b ", "'a'", "a' or 'x'='x", "A", "zet", "zeta "])
def test_what_no_tenant_is_called_shows_no_tenant(database: Database, schema: str, attacker: str) -> None:
    found = _run(database, "reader", attacker, f"select tenant from {schema}.articles_v1")
    assert found <= ({"a"} if "a" in attacker.split(",") else set())


def _run(database: Database, role: str, tenant: str | None, text: str) -> set[str]:
    """The tenants that a statement shows or changes, or `refused`; it is undone."""
    found: set[str] = set()
    try:
        with getattr(database, role).transaction() as sql:
            if tenant is not None:
                _set(sql, tenant)
            found = {str(row[0]) for row in sql.run(_text(text))}
            raise Undone
    except Undone:
        return found
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UniqueViolation):
        return {"refused"}


def _set(sql: Any, tenant: str) -> None:
    sql.run(Statement(sa.text(f"select set_config('{SETTING}', cast(:of as text), true)")), of=tenant)


def _text(text: str) -> Statement:
    return Statement(sa.text(text.replace(":", "\\:")))
