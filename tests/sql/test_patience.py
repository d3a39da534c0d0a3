"""A projector waits while its database wakes: a message given back is hidden for minutes."""

import random
from contextlib import contextmanager
from decimal import Decimal

import pytest
from foldstack.aws.sql.patience import Patient
from foldstack.aws.sql.statements import DatabaseWaking
from foldstack.kernel.errors import StoreTimeout

from tests.consumers.domain import Created, Deleted
from tests.consumers.fakes import Clock
from tests.consumers.library import PROJECTIONS, Library, assert_equals_fold, published

from .support import Database
from .test_together import deliver, projector_of


class Sleepy:
    """Refuses some requests, as Aurora does until it is awake."""

    def __init__(self, sql, refusals: int) -> None:
        self.sql, self.refusals = sql, refusals

    def run(self, statement, **values):
        self._ask()
        return self.sql.run(statement, **values)

    @contextmanager
    def transaction(self):
        self._ask()
        with self.sql.transaction() as sql:
            yield sql

    def _ask(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise DatabaseWaking("wait")


def patient(sql, clock: Clock) -> Patient:
    return Patient(sql, 30, clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize("refusals", [0, 1, 5])
def test_it_waits_until_the_database_is_awake(database: Database, refusals):
    library, clock = Library(), Clock()
    for n in range(5):
        library.commit(f"a{n}", Created(price=Decimal(n), shelf="x"))
    sleepy = Sleepy(database.projector, refusals)
    views = database.store(PROJECTIONS, patient(sleepy, clock))
    assert deliver(projector_of(library, views), published(library.commits)) == set()
    sleepy.refusals = refusals
    gone = library.commit("a1", Deleted())
    assert deliver(projector_of(library, views), published([gone])) == set()
    assert clock.now == refusals * 10
    assert_equals_fold(views, library.store)


def test_it_gives_up_after_a_while(database: Database):
    clock = Clock()
    with pytest.raises(DatabaseWaking):
        database.store(PROJECTIONS, patient(Sleepy(database.projector, 99), clock)).position("any")
    assert 20 < clock.now <= 30


def test_nothing_else_is_repeated(database: Database):
    library = Library().grow(random.Random(1), streams=1, commits=2)
    clock, asked = Clock(), []

    class Silent:
        def run(self, statement, **values):
            asked.append(statement)
            raise StoreTimeout("it may be done")

    with pytest.raises(StoreTimeout):
        database.store(PROJECTIONS, patient(Silent(), clock)).position("any")
    assert (len(asked), clock.now, library.commits != []) == (1, 0, True)


def test_a_transaction_that_fails_is_rolled_back(database: Database):
    views = database.store(PROJECTIONS, patient(database.projector, Clock()))
    with pytest.raises(ZeroDivisionError), views.sql.transaction() as sql:  # noqa: PT012
        sql.run(views._positions.keep, name="lost", position="{}")
        raise ZeroDivisionError
    assert views.position("lost") is None
