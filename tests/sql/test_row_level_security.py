"""What a role sees when a statement forgets its predicate, or whom it is about."""

from decimal import Decimal

import psycopg
import pytest
import sqlalchemy as sa
from foldstack.aws.sql.statements import Statement
from foldstack.aws.sql.tables import SETTING
from foldstack.aws.sql.view_store import SqlViewStore

from tests.consumers.domain import Created, articles
from tests.consumers.library import PROJECTIONS, TENANTS, Library, deliver, projector, published, stream

from .support import Database

ACME, ZETA = TENANTS


@pytest.fixture
def schema(database: Database):
    """Where two tenants have an article each."""
    views, library = database.store(PROJECTIONS), Library()
    for tenant in TENANTS:
        library.commit("a", Created(price=Decimal(1), shelf="x"), tenant=tenant)
    deliver(projector(library.store, views), published(library.commits))
    yield views.tables(articles).rows.schema
    del views


@pytest.fixture(params=["articles_v1", "articles_v1_totals", "projection_cursor"])
def table(request, schema):
    return f"{schema}.{request.param}"


def tenants(sql, table: str) -> set[str]:
    """Of all rows that a statement without any predicate shows."""
    return {tenant for (tenant,) in sql.run(Statement(sa.text(f"select tenant from {table}")))}


def set_tenants(sql, of: str) -> None:
    sql.run(Statement(sa.text(f"select set_config('{SETTING}', cast(:of as text), true)")), of=of)


def test_a_reader_without_a_tenant_sees_nothing(database, table):
    assert tenants(database.reader, table) == set()


@pytest.mark.parametrize("of", [ACME, ZETA])
def test_a_reader_sees_the_tenant_of_its_statement_though_the_predicate_is_missing(database, table, of):
    with database.reader.transaction() as sql:
        set_tenants(sql, of)
        assert tenants(sql, table) == {of}
    assert tenants(database.reader, table) == set(), "the next transaction is about nobody"


@pytest.mark.parametrize("of", ["", "other", "acme2", "acm", "%", "acme zeta"])
def test_another_tenant_sees_nothing(database, table, of):
    with database.reader.transaction() as sql:
        set_tenants(sql, of)
        assert tenants(sql, table) == set()


def test_a_reader_writes_nothing(database, table):
    for statement in (f"delete from {table}", f"update {table} set tenant = 'x'", f"truncate {table}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.reader.run(Statement(sa.text(statement)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.reader.run(Statement(sa.text("create table public.mine (a int)")))


def test_a_projector_touches_rows_of_the_tenants_of_its_statement_alone(database, schema):
    with database.projector.transaction() as sql:
        set_tenants(sql, ACME)
        gone = sql.run(Statement(sa.text(f"delete from {schema}.articles_v1 returning tenant")))
        assert {tenant for (tenant,) in gone} == {ACME}, "though it said: all"
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            sql.run(Statement(sa.text(f"insert into {schema}.articles_v1 (tenant, id) values ('zeta', 'new')")))


def test_a_projector_finds_all_cursors(database, schema):
    """The sweep compares those of all tenants."""
    assert tenants(database.projector, f"{schema}.projection_cursor") == {ACME, ZETA}


def test_the_owner_is_held_by_it_too(database, table):
    assert tenants(database.owner, table) == set()


def test_no_role_can_bypass_it_and_readers_own_nothing(database):
    roles = database.owner.run(
        Statement(
            sa.text("select rolname, rolsuper, rolbypassrls from pg_roles where rolname in ('projector', 'reader')")
        )
    )
    assert sorted(roles) == [("projector", False, False), ("reader", False, False)]
    owned = (
        "select count(*) from pg_class c join pg_roles r on r.oid = c.relowner where rolname in ('projector', 'reader')"
    )
    assert database.owner.run(Statement(sa.text(owned))) == [(0,)]


def test_the_statements_of_the_store_show_one_tenant(database, schema):
    reader = SqlViewStore(database.reader, schema, PROJECTIONS)
    assert [id for id, _ in reader.rows(articles, ACME, None, 9)] == ["a"]
    assert reader.totals(articles, ACME) == {"all": {"articles": 1}, "x": {"articles": 1, "worth": 1}}
    assert reader.read(articles, stream("a", ZETA)) is not None
    assert list(reader.rows(articles, type(ACME)("other"), None, 9)) == []
