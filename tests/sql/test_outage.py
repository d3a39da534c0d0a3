"""PostgreSQL killed in the middle of a burst, and a consumer killed in the middle of a transaction."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from foldstack.aws.projector import by_stream
from foldstack.aws.sql.statements import Statement
from foldstack.kernel.errors import Unavailable

from local.postgres import Postgres
from tests.consumers.domain import Created, articles
from tests.consumers.library import PROJECTIONS, TENANTS, Library, assert_equals_fold, published, stream

from .support import ROLES, Database
from .test_together import deliver, projector_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """A server of the test's own, to be killed."""
    with Postgres(tmp_path / "server", master="owner", password="owner's", database="views") as running:
        database = Database(running)
        yield database
        database.close()


def test_a_server_killed_in_a_burst_loses_nothing_and_repeats_nothing(own: Database):
    library = Library().grow(random.Random(1), streams=40, commits=15)
    road = published(library.commits, random.Random(2))
    road += road[::7]
    random.Random(3).shuffle(road)
    batches = deque(road[n : n + 10] for n in range(0, len(road), 10))
    views = own.store(PROJECTIONS)
    failures, faults = [], []
    enough, down, noticed = threading.Event(), threading.Event(), threading.Event()

    def consume() -> None:
        """As a queue does: a batch that fails is delivered again."""
        mine = projector_of(library, views)
        try:
            while batches:
                batch = batches.popleft()
                if enough.is_set():  # the others may be in the middle of a statement
                    down.wait(60)
                try:
                    groups = by_stream(batch)
                    together = mine.project_together(groups)
                    for key in groups.keys() - together.keys():
                        mine.project(groups[key][0].stream, groups[key])
                except Unavailable as error:
                    failures.append(error)
                    noticed.set()
                    batches.append(batch)
                if len(batches) < len(road) // 20:
                    enough.set()
        except BaseException as fault:
            faults.append(fault)
            enough.set()
            raise

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    own.postgres.crash()
    down.set()
    assert noticed.wait(60)
    own.postgres.restart()
    own.postgres.crash()
    own.postgres.restart()
    for thread in threads:
        thread.join()
    assert faults == []
    own.projector.close()  # what is idle may be a connection to a server that is gone, and says so when it is used
    assert_equals_fold(views, library.store)


CONSUMER = """
import sys
import sqlalchemy as sa
from foldstack.aws.sql.psycopg_transport import Psycopg
from foldstack.aws.sql.statements import Statement
from tests.sql.test_outage import one_deletion, projector_of

library, later = one_deletion()
class Stopped:
    '''Stops after each statement of a transaction until somebody kills it.'''
    def __init__(self, sql): self.sql = sql
    def run(self, statement, **values):
        found = self.sql.run(statement, **values)
        if "DELETE" in statement.pyformat[0]:
            print("deleted", flush=True); sys.stdin.read()
        return found
class Mortal(Stopped):
    def transaction(self):
        from contextlib import contextmanager
        @contextmanager
        def inside():
            with self.sql.transaction() as sql: yield Stopped(sql)
        return inside()
from foldstack.aws.sql.view_store import SqlViewStore
from tests.consumers.library import PROJECTIONS
views = SqlViewStore(Mortal(Psycopg(sys.argv[1])), sys.argv[2], PROJECTIONS)
projector_of(library, views).project(later[0].stream, later)
"""


def one_deletion():
    """A library, and what is yet to be delivered of it: a deletion, which takes a transaction of two statements."""
    from tests.consumers.domain import Deleted

    library = Library()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    library.commit("a", Deleted())
    return library, published(library.commits[1:])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_consumer_killed_in_a_transaction_has_done_nothing_and_blocks_nobody_for_long(own: Database, how):
    """Stopped, it holds its locks as one that died without a word does; the server ends it after a while."""
    views = own.store(PROJECTIONS)
    library, later = one_deletion()
    deliver(projector_of(library, views), published(library.commits[:1]))
    own.owner.run(Statement(sa.DDL("alter role projector set idle_in_transaction_session_timeout = '1s'")))
    schema = str(views.tables(articles).rows.schema)
    command = [sys.executable, "-c", CONSUMER, own.postgres.conninfo(*ROLES.projector), schema]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as consumer:
        try:
            assert consumer.stdout
            assert consumer.stdout.readline() == b"deleted\n"
            consumer.send_signal(how)
            assert views.read(articles, stream("a")).cursor == 2, "nothing of it is seen"
            assert projector_of(library, views).project(later[0].stream, later)["articles"] == "written"
        finally:
            consumer.kill()
    assert_equals_fold(views, library.store)
    assert views.totals(articles, TENANTS[0]) == {}
