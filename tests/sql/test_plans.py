"""What a statement looks at does not grow with the table, also where the planner has no statistics yet."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from foldstack import Projection, State
from foldstack.aws import view_rows
from foldstack.aws.sql.statements import Row, Statement
from foldstack.aws.sql.view_store import SqlViewStore
from foldstack.aws.view_rows import LeadRow
from foldstack.aws.view_store import RowWrite

from tests.consumers.domain import ArticleRow, Created, article, articles
from tests.consumers.library import PROJECTIONS, TENANTS, stream

from .support import ROLES, Database

MANY, FEW = 600, 5


class Explained:
    """Runs statements, and keeps the plan of each as it was run: on a connection that rolls it back."""

    def __init__(self, database: Database) -> None:
        self.plans: list[dict[str, Any]] = []
        self._database = database

    def run(self, statement: Statement, **values: Any) -> list[Row]:
        sql, own = statement.pyformat
        with psycopg.connect(self._database.postgres.conninfo(*ROLES.projector)) as connection:
            explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".encode()
            ((plan,),) = connection.execute(explained, {**own, **values}).fetchall()
            self.plans.append(plan[0]["Plan"])
            connection.rollback()
        return self._database.projector.run(statement, **values)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def looked_at(plan: dict[str, Any]) -> int:
    """Rows of tables that were read, those that a filter then left out among them."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan)
        if "Scan" in node["Node Type"] and "Relation Name" in node
    )


@pytest.fixture
def full(database: Database) -> tuple[SqlViewStore, Explained]:
    """A store of many rows that nobody has analysed."""
    explained = Explained(database)
    views = database.store(PROJECTIONS, explained)
    row = view_rows.row_of(ArticleRow(price=Decimal("19.90"), shelf="x"))
    filling = SqlViewStore(database.projector, str(views.tables(articles).rows.schema), PROJECTIONS)
    writes = [RowWrite(stream(f"a{n:03}"), None, LeadRow(2, 1, row, {}), {}) for n in range(MANY)]
    assert all(filling.write_many(articles, writes))
    return views, explained


def test_rows_are_read_and_written_by_their_keys(full):
    views, explained = full
    leads = views.read_many(articles, [stream(f"a{n * 100:03}") for n in range(FEW)])
    assert len(leads) == FEW
    moved = [RowWrite(each, lead, lead._replace(cursor=3), {}) for each, lead in leads.items()]
    assert views.write_many(articles, moved) == [True] * FEW
    reading, writing = explained.plans
    assert looked_at(reading) == 2 * FEW, "a cursor and a row for each key"
    assert looked_at(writing) == 2 * FEW, "a cursor that is locked, and the same that is updated"


def test_a_page_reads_its_own_rows(full):
    views, explained = full
    first, _ = next(views.rows(articles, TENANTS[0], "a099", FEW))
    assert first == "a100"
    (plan,) = explained.plans
    assert looked_at(plan) <= 2 * 25, "a page has 25 rows at least"


class OddRow(State):
    """Fields that are called as what a statement answers beside them."""

    alive: str
    cursor_next: str
    next: int
    sums: str
    tenant: str


odd = Projection("odd", of=article, row=OddRow)


@odd.on(Created)
def made(row, event, meta):
    return None


def test_a_row_may_have_fields_of_any_name(database):
    views = database.store([odd])
    written = LeadRow(2, 1, {"alive": "A", "cursor_next": "B", "next": 5, "sums": "C", "tenant": "D"}, {})
    assert views.write(odd, stream("a"), None, written, {})
    assert views.read(odd, stream("a")) == written
    assert list(views.rows(odd, TENANTS[0], None, 5)) == [("a", written)]
