"""Parts that are gone for a while, on the laptop cloud: nothing is lost, nothing comes twice, nothing stays behind."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from components import roads
from local.event_sources import Faults

from .histories import History
from .journal import Journal, opened

COMMITS = 2000
LOCKED = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike 'delete from %entries%'"


def _on_postgres(road: str):
    marks = [] if road == roads.NAMES[0] else [pytest.mark.long]
    return pytest.param((road, "postgres"), marks=marks, id=f"{road}-postgres")


@pytest.fixture(params=map(_on_postgres, roads.NAMES))
def on_postgres(tmp_path, request, monkeypatch):
    with opened(tmp_path, *request.param, monkeypatch) as journal:
        yield journal


@pytest.fixture
def journal(tmp_path, combination, monkeypatch):
    with opened(tmp_path, *combination, monkeypatch) as journal:
        yield journal


def assert_nothing_is_left(journal: Journal) -> None:
    journal.assert_at_rest()
    assert journal.left_over() == {}, "dead letters, or records given up"
    assert journal.lag() == []
    names = {each.name for each in journal.cloud.sources}
    assert {each.lag for each in journal.cloud.source_status() if each.name in names} <= {"caught up", "nothing waits"}


def source(journal: Journal, name: str):
    (found,) = [each for each in journal.cloud.sources if each.name == f"{name}-source"]
    return found


def test_postgresql_is_killed_twice_in_the_middle_of_a_burst(on_postgres):
    journal = on_postgres
    journal.up(Faults(retry_seconds=2))
    (server,) = journal.cloud.databases.servers
    begun, over = threading.Event(), []

    def refusals() -> int:
        return journal.log("journal-views-projector").count("DatabaseUnavailableException")

    def tell(n: int) -> None:
        journal.tell(History(f"h{n}", f"burst-{n}"))
        over.append(n)
        if len(over) == 10:
            begun.set()

    with ThreadPoolExecutor(4) as pool:
        telling = [pool.submit(tell, n) for n in range(60)]
        assert begun.wait(60)
        for _ in range(2):
            before = refusals()
            server.crash()
            while refusals() == before:  # until it is missed
                time.sleep(0.01)
            assert not all(each.done() for each in telling), "the burst was over before"
            server.restart()
        for each in telling:
            each.result()
    assert_nothing_is_left(journal)


def test_a_consumer_is_killed_in_a_transaction(on_postgres):
    """A deletion is a transaction of two statements. The second waits for a lock of ours when its sandbox is killed."""
    journal = on_postgres
    journal.up(Faults(retry_seconds=1))
    (server,) = journal.cloud.databases.servers
    journal.tell(History("acme", "before"))
    journal.append("acme", "Write", {"id": "doomed", "text": "soon gone"})
    assert_nothing_is_left(journal)
    before = journal.shown("acme")

    with psycopg.connect(server.superusers_conninfo(server.database)) as other, other.cursor() as cursor:
        cursor.execute("alter role foldstack_projector set idle_in_transaction_session_timeout = '1s'")
        other.commit()
        cursor.execute("select 1 from journal.entries_v1 where tenant = 'acme' and id = 'doomed' for update")
        assert cursor.rowcount == 1
        journal.append("acme", "Burn", {"id": "doomed"})
        with psycopg.connect(server.superusers_conninfo(server.database), autocommit=True) as watching:
            while not watching.execute(LOCKED).fetchone()[0]:
                time.sleep(0.01)
        killed = journal.cloud.sandboxes("journal-views-projector")
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert journal.shown("acme") == before, "nothing of what was not committed is seen"
        other.rollback()
    assert_nothing_is_left(journal)
    assert not set(killed) & set(journal.cloud.sandboxes("journal-views-projector"))


def test_the_relay_is_down_for_2000_commits(journal, record_property):
    journal.up()
    relay = source(journal, "journal-relay")
    relay.stop()
    began = time.time()
    tenants = [f"t{n}" for n in range(20)]
    for n in range(COMMITS):
        journal.append(tenants[n % 20], "Review", {"id": f"e{n % 7}", "text": f"text {n}", "stars": n % 6})
    down = time.time() - began
    assert len(journal.lag()) == 2 * 20 * 7
    relay.start()
    assert_nothing_is_left(journal)
    assert sum(len(commits) for commits in journal.commits().values()) == COMMITS
    for function, metric in (("journal-relay", "RelayLag"), ("journal-views-projector", "ProjectionLag")):
        worst = max(journal.metric(function, metric))
        assert worst >= down * 1000 / 2, "the outage is not in the metric"
        sent = time.time()
        journal.append("t0", "Write", {"id": "after", "text": metric})
        assert_nothing_is_left(journal)
        assert journal.metric(function, metric)[-1] <= (time.time() - sent) * 1000, "the metric does not come back"
        record_property("figures", f"{metric} up to {worst / 1000:.1f} s, after {down:.1f} s without relay")
