"""Query tasks against the emulator's Athena: whole answers, one query a task, and a death at each step."""

import time
import uuid
from typing import Any

import pytest
from foldstack.kernel.errors import KeyReuse
from foldstack.kernel.keys import Tenant
from foldstack.lake.questions import BadParameters, read
from foldstack.lake.tasks import Missing, Place, Task, Tasks

from local.emulator import Emulator
from tests.local.athena import Lake, make_lake, row

pytestmark = pytest.mark.emulator

ACME, DAY = Tenant("acme"), "2026-11-20"
ROWS = read(
    "rows",
    "-- parameter: since date = 2026-01-01\nSELECT version, amount, paid, at, data, stream FROM events "
    "WHERE tenant = :tenant AND day >= :since ORDER BY version",
)


@pytest.fixture(scope="module")
def lake(emulator: Emulator) -> Lake:
    made = make_lake(emulator, EnforceWorkGroupConfiguration=False)
    made.put("acme", DAY, *(row(f"a/{n}", n, f"{n}.05", paid=n % 2 == 0, data=None) for n in range(1, 2501)))
    return made


@pytest.fixture
def tasks(emulator: Emulator, lake: Lake) -> Tasks:
    table = f"tasks-{uuid.uuid4().hex[:8]}"
    emulator.client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
    )
    place = Place(lake.workgroup, lake.database, lake.bucket, table)
    return Tasks(place, lambda name, tenant: emulator.client(name), emulator.client)


def new() -> str:
    return uuid.uuid4().hex


def ended(tasks: Tasks, task: Task) -> Task:
    until = time.monotonic() + 20
    while not (task := tasks.look(task, ROWS)).ended:
        assert time.monotonic() < until
        time.sleep(0.02)
    return task


def test_an_answer_is_whole_beyond_a_thousand_rows(tasks: Tasks) -> None:
    task = ended(tasks, tasks.ask(ACME, "ann", new(), ROWS, {}))
    rows: list[list[Any]] = []
    after, pages = None, 0
    while True:
        page = tasks.page(task, after)
        rows += page.rows
        after, pages = page.next, pages + 1
        if after is None:
            break
    assert pages > 1
    assert [each[0] for each in rows] == list(range(1, 2501))
    assert rows[0] == [1, "1.05", False, "2026-11-20T12:00:00.123Z", None, "a/1"]
    assert [column["type"] for column in page.columns] == [
        "bigint",
        "decimal",
        "boolean",
        "timestamp",
        "varchar",
        "varchar",
    ]


def test_an_id_is_one_task_and_one_query(tasks: Tasks, emulator: Emulator) -> None:
    id_ = new()
    first, again = (tasks.ask(ACME, "ann", id_, ROWS, {"since": DAY}) for _ in range(2))
    assert first.query == again.query != ""
    with pytest.raises(KeyReuse):
        tasks.ask(ACME, "ann", id_, ROWS, {"since": "2026-01-01"})
    assert ended(tasks, again).status == "succeeded"


@pytest.mark.parametrize("step", ["before the query", "after the query"])
def test_who_dies_at_the_start_leaves_one_query(tasks: Tasks, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is there first; whoever looks starts the query, and its token makes it the same one."""
    started: list[str] = []
    client = tasks.client

    class Dies:
        def __init__(self, athena: Any) -> None:
            self._athena = athena
            self.exceptions = athena.exceptions

        def start_query_execution(self, **given: Any) -> Any:
            if step == "after the query":
                started.append(self._athena.start_query_execution(**given)["QueryExecutionId"])
            raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "client", lambda name, t: Dies(client(name, t)) if name == "athena" else client(name, t))
        with pytest.raises(SystemError):
            tasks.ask(ACME, "ann", id_ := new(), ROWS, {})
    left = tasks.find(ACME, "ann", id_)
    assert (left.status, left.query) == ("accepted", "")
    found = ended(tasks, left)
    assert found.status == "succeeded"
    assert started in ([], [found.query])


def test_what_is_told_ends_it_and_an_ended_task_stays(tasks: Tasks, lake: Lake) -> None:
    task = tasks.ask(ACME, "ann", new(), ROWS, {})
    lake.ended(task.query)
    told = tasks.told(task.query)
    assert told is not None
    assert (told.id, told.status) == (task.id, "succeeded")
    assert tasks.told(task.query) == told, "told twice"
    assert tasks.find(ACME, "ann", task.id).ended_at == told.ended_at
    assert tasks.told(lake.start("SELECT 1")) is None, "a query that is no task's"


def test_a_query_that_fails_says_nothing_of_the_lake(tasks: Tasks) -> None:
    broken = read("b", "-- parameter: d date = today\nSELECT nothing FROM events WHERE tenant = :tenant AND day = :d")
    task = tasks.ask(ACME, "ann", new(), broken, {})
    until = time.monotonic() + 20
    while not (task := tasks.look(task, broken)).ended:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert (task.status, task.error) == ("failed", "the query failed")


def test_a_task_is_of_its_subject_and_tenant(tasks: Tasks) -> None:
    task = tasks.ask(ACME, "ann", new(), ROWS, {})
    for tenant, subject in ((ACME, "bob"), (Tenant("globex"), "ann")):
        with pytest.raises(Missing):
            tasks.find(tenant, subject, task.id)
    with pytest.raises(BadParameters):
        tasks.ask(ACME, "ann", new(), ROWS, {"since": "never"})
