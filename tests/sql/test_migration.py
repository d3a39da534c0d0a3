"""Migrations: made once, again without effect, side by side, and never over a column of another type."""

import threading

import psycopg
import pytest
import sqlalchemy as sa
from foldstack import DefinitionError, Projection, State
from foldstack.aws.sql.migration import Login, Roles, migrate
from foldstack.aws.sql.psycopg_transport import Psycopg
from foldstack.aws.sql.scram import verifier
from foldstack.aws.sql.statements import Statement
from foldstack.aws.sql.view_store import SqlViewStore
from foldstack.aws.view_rows import LeadRow

from tests.consumers.domain import article
from tests.consumers.library import PROJECTIONS, stream

from .support import ROLES, Database


class Before(State):
    name: str


class After(State):
    name: str
    stock: int = 7
    note: str | None = None


class Other(State):
    name: int


def rows(model: type[State], **more) -> Projection:
    return Projection("things", of=article, row=model, **more)


def test_again_has_no_effect(database: Database):
    assert migrate(database.owner, "twice", PROJECTIONS, ROLES) != []
    assert migrate(database.owner, "twice", PROJECTIONS, ROLES) == []


def test_many_at_once_make_one_database(database: Database):
    done, faults = [], []

    def run() -> None:
        try:
            owner = Psycopg(database.postgres.conninfo(database.postgres.master, database.postgres.password))
            done.append(migrate(owner, "at-once", PROJECTIONS, Roles(Login("w", "w"), Login("r", "r"))))
            owner.close()
        except BaseException as fault:
            faults.append(fault)
            raise

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(map(bool, done)) == [False, False, False, True]


def test_a_new_field_is_a_new_column_and_old_rows_have_its_default(database: Database):
    before, after = rows(Before), rows(After, indexed=["stock"])
    migrate(database.owner, "grown", [before], ROLES)
    old = SqlViewStore(database.projector, "grown", [before])
    assert old.write(before, stream("a"), None, LeadRow(2, 1, {"name": "pen"}, {}), {})
    done = migrate(database.owner, "grown", [after], ROLES)
    assert [statement.split(" ON ")[0] for statement in done] == [
        "ALTER TABLE grown.things_v1 ADD COLUMN stock BIGINT",
        'ALTER TABLE grown.things_v1 ADD COLUMN note TEXT COLLATE "C"',
        "CREATE INDEX things_v1_stock",
    ]
    new = SqlViewStore(database.projector, "grown", [after])
    assert After.model_validate(new.read(after, stream("a")).row) == After(name="pen")
    assert old.write(before, stream("b"), None, LeadRow(2, 1, {"name": "ink"}, {}), {}), "the old code goes on"
    assert migrate(database.owner, "grown", [after], ROLES) == []


def test_a_column_of_another_type_takes_a_new_version(database: Database):
    migrate(database.owner, "changed", [rows(Before)], ROLES)
    with pytest.raises(DefinitionError, match=r"changed\.things_v1\.name is text, .* now BIGINT: raise the projection"):
        migrate(database.owner, "changed", [rows(Other)], ROLES)
    assert migrate(database.owner, "changed", [rows(Other, version=2)], ROLES) != []


def test_a_migration_that_fails_leaves_nothing(database: Database):
    migrate(database.owner, "whole", [rows(Before)], ROLES)
    more = Projection("afresh", of=article, row=Before)
    with pytest.raises(DefinitionError):
        migrate(database.owner, "whole", [more, rows(Other)], ROLES)
    found = "select count(*) from information_schema.tables where table_schema = 'whole' and table_name like 'afresh%'"
    assert database.owner.run(Statement(sa.text(found.replace("%", "%%")))) == [(0,)]


def test_a_password_that_changed_is_set(database: Database):
    roles = Roles(Login("turning", "one"), Login("turning_reader", "r"))
    migrate(database.owner, "turned", PROJECTIONS, roles)
    migrate(database.owner, "turned", PROJECTIONS, roles._replace(projector=Login("turning", "two'\\")))
    with psycopg.connect(database.postgres.conninfo("turning", "two'\\")) as connection:
        assert connection.execute("select current_user").fetchone() == ("turning",)
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(database.postgres.conninfo("turning", "one"))


def test_a_verifier_is_that_of_the_specification():
    salt = bytes.fromhex("4125c247e43ab1e93c6dff76")  # RFC 7677's example, with its password
    assert verifier("pencil", salt).startswith("SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$")
    assert "pencil" not in repr(Login("role", "pencil"))


def test_the_locks_of_a_projector_that_died_are_not_for_long(database: Database):
    migrate(database.owner, "limits", PROJECTIONS, ROLES)
    found = database.projector.run(Statement(sa.text("select current_setting('idle_in_transaction_session_timeout')")))
    assert found == [("10s",)]
