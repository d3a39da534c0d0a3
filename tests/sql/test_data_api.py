"""Statements through the RDS Data API: the laptop's, on a real PostgreSQL, with AWS's limits; and AWS's own errors."""

import bisect
import json
import random
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError, ReadTimeoutError
from foldstack import Projection, State
from foldstack.aws.batch_projector import BatchProjector
from foldstack.aws.sql.data_api import DataApi, parameter
from foldstack.aws.sql.statements import DatabaseWaking, ResultTooLarge, Statement
from foldstack.aws.sql.views import SqlViews
from foldstack.aws.view_rows import LeadRow
from foldstack.kernel.errors import StoreThrottled, StoreTimeout, Unavailable

from local.emulator import Emulator
from tests.consumers.domain import ArticleRow, Created, article, articles, created
from tests.consumers.fakes import Parked
from tests.consumers.library import PROJECTIONS, TENANTS, Library, assert_equals_fold, published, stream
from tests.consumers.test_delivery import batches

from .support import ROLES, Database
from .test_together import deliver, projector_of

CLUSTER = "arn:aws:rds:us-east-1:000000000000:cluster:views"
pytestmark = pytest.mark.emulator


class Door:
    """The emulator's Data API in front of the test's PostgreSQL."""

    def __init__(self, emulator: Emulator, database: Database) -> None:
        self.client = emulator.client("rds-data")
        self.entry = {"socket": str(database.postgres.socket), "master": "owner", "http": True}
        self.file = emulator.databases
        self.secrets = {}
        for login in ROLES:
            value = json.dumps({"username": login.role, "password": login.password})
            made = emulator.client("secretsmanager").create_secret(Name=f"login-{login.role}", SecretString=value)
            self.secrets[login.role] = made["ARN"]
        self.tell()

    def tell(self, **more) -> None:
        self.file.write_text(json.dumps({CLUSTER: {**self.entry, **more}}))

    def sql(self, role: str = "projector") -> DataApi:
        return DataApi(self.client, CLUSTER, self.secrets[role], "views")


@pytest.fixture(scope="module")
def made_door(emulator: Emulator, database: Database) -> Iterator[Door]:
    database.store(PROJECTIONS)  # makes the roles
    yield Door(emulator, database)
    emulator.databases.unlink()


@pytest.fixture
def door(made_door: Door) -> Door:
    made_door.tell()
    return made_door


plain = Projection("articles", of=article, row=ArticleRow)
plain.on(Created)(created)
"""Without totals, whose keys are short."""


def ask(text: str) -> Statement:
    return Statement(sa.text(text))


def test_the_real_projector_runs_over_it(door, database):
    rng = random.Random(11)
    library = Library().grow(rng, streams=4, commits=6)
    views = database.store(PROJECTIONS, door.sql())
    for batch in batches(rng, published(library.commits, rng)):
        deliver(projector_of(library, views), batch)
    assert_equals_fold(views, library.store)
    reader = SqlViews(type(views)(door.sql("reader"), views.tables(articles).rows.schema, PROJECTIONS), library.store,
                      TENANTS[0], None, 1)  # fmt: skip
    assert len(reader.page(articles, 50, None).rows) == len(list(views.rows(articles, TENANTS[0], None, 50)))


def test_parameters_are_typed():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    unique = UUID(int=7)
    assert [parameter("p", value) for value in (None, True, 7, 0.5, "x", b"x")] == [
        {"name": "p", "value": {"isNull": True}},
        {"name": "p", "value": {"booleanValue": True}},
        {"name": "p", "value": {"longValue": 7}},
        {"name": "p", "value": {"doubleValue": 0.5}},
        {"name": "p", "value": {"stringValue": "x"}},
        {"name": "p", "value": {"blobValue": b"x"}},
    ]
    hinted = [parameter("p", value) for value in (Decimal("1.10"), moment, date(2026, 1, 2), unique)]
    assert [(each["typeHint"], each["value"]["stringValue"]) for each in hinted] == [
        ("DECIMAL", "1.10"),
        ("TIMESTAMP", "2026-01-02 03:04:05.678000"),
        ("DATE", "2026-01-02"),
        ("UUID", str(unique)),
    ]
    with pytest.raises(TypeError, match="a parameter can't be a list: p"):
        parameter("p", [])


def test_a_transaction_is_all_or_nothing(door, database):
    views = database.store(PROJECTIONS, door.sql())
    keep = views._positions.keep
    with door.sql().transaction() as sql:
        sql.run(keep, name="kept", position="{}")
    with pytest.raises(ClientError, match="22P02"), door.sql().transaction() as sql:  # noqa: PT012
        sql.run(keep, name="lost", position="{}")
        sql.run(keep, name="lost", position="no JSON")
    assert (views.position("kept"), views.position("lost")) == ({}, None)


class Nested(State):
    text: str = ""
    parts: tuple[str, ...] = ()


nested = Projection("nested", of=article, row=Nested)


@nested.on(Created)
def nest(row, event, meta):
    return Nested.model_validate_json(event.shelf)


@pytest.mark.parametrize("kind", ["text", "parts", "sums"])
@pytest.mark.parametrize("character", ['"', "x", "ä", "\\"])
def test_the_largest_row_that_is_taken_is_answered(door, database, kind, character):
    """What the store checks is what the Data API can do: 64 KB a row, whatever is in it."""
    views = database.store([nested], door.sql())

    def lead(size: int) -> LeadRow:
        row = {
            "text": character * size if kind == "text" else "",
            "parts": [character] * size if kind == "parts" else [],
        }
        sums = {f"{n}{character * (size // 40)}": {"n": 1} for n in range(40)} if kind == "sums" else {}
        return LeadRow(2, 1, row, sums)

    def fits(size: int) -> bool:
        try:
            views.check(nested, lead(size))
        except ValueError:
            return False
        return True

    largest = bisect.bisect_left(range(100_000), True, key=lambda size: not fits(size)) - 1
    assert 2_000 < largest < 64_000
    assert views.write(nested, stream("a"), None, lead(largest), {})
    assert views.read(nested, stream("a")) == lead(largest)
    assert len(list(views.rows(nested, TENANTS[0], None, 50))) == 1


def test_many_large_rows_are_read_in_parts(door, database):
    """100 rows of 50 KB are more than the 1 MiB of an answer, and more than the 4 MiB of a request when written."""
    library, views = Library(), database.store([plain], door.sql())
    for n in range(100):
        library.commit(f"a{n:03}", Created(price=Decimal(n), shelf=f"{n}" + "x" * 50_000))
    to = BatchProjector([plain], library.store, views, Parked())
    assert deliver(to, published(library.commits)) == set()
    assert [id for id, _ in views.rows(plain, TENANTS[0], None, 100)] == [f"a{n:03}" for n in range(100)]
    leads = views.read_many(plain, [stream(f"a{n:03}") for n in range(100)])
    assert all(lead is not None for lead in leads)


def test_what_is_too_large_is_told(door):
    with pytest.raises(ResultTooLarge):
        door.sql().run(ask("select repeat('x', 70000)"))
    with pytest.raises(ResultTooLarge):
        door.sql().run(ask("select repeat('x', 60000) from generate_series(1, 20)"))
    with pytest.raises(ClientError, match="4 MiB"):
        door.sql().run(ask("select cast(:x as text)"), x="x" * 4_200_000)


def test_a_waking_database_is_to_be_asked_again(door, database):
    door.tell(resuming=True)
    with pytest.raises(Unavailable, match="waking") as caught:
        door.sql().run(ask("select 1"))
    assert caught.value.retry_after == 5
    with pytest.raises(Unavailable, match="waking"), door.sql().transaction():
        pass
    door.tell()
    assert door.sql().run(ask("select 1")) == [(1,)]


def test_a_role_logs_in_by_its_own_secret_and_is_no_superuser(door):
    for role in ("projector", "reader"):
        assert door.sql(role).run(
            ask("select current_user, cast(rolsuper as text) from pg_roles where rolname = current_user")
        ) == [(role, "false")]


def test_a_statement_that_waits_for_a_lock_keeps_nobody_from_ending_a_transaction(door, database):
    """Served one by one, the two would wait for each other for good."""
    views = database.store(PROJECTIONS, door.sql())
    keep, waited = views._positions.keep, []
    views.keep_position("both", {})

    def second() -> None:
        waited.append(door.sql().run(keep, name="both", position='{"second": true}'))

    with door.sql().transaction() as sql:
        sql.run(keep, name="both", position='{"first": true}')
        thread = threading.Thread(target=second)
        thread.start()
        while not database.owner.run(ask("select 1 from pg_locks where not granted")):
            assert thread.is_alive()
    thread.join(30)
    assert waited == [[]]
    assert views.position("both") == {"second": True}


def test_a_deadlock_is_not_done():
    assert isinstance(_raised("DatabaseErrorException", "ERROR: deadlock detected; SQLState: 40P01"), StoreThrottled)


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("DatabaseResumingException", "wait", 400, DatabaseWaking),
        ("BadRequestException", "The Aurora DB instance x is resuming after being auto-paused.", 400, DatabaseWaking),
        ("BadRequestException", "Database returned more than the allowed response size limit", 400, ResultTooLarge),
        ("DatabaseErrorException", "ERROR: could not serialize; SQLState: 40001", 400, StoreThrottled),
        ("BadRequestException", "ERROR: too many clients; SQLState: 53300", 400, StoreThrottled),
        ("ThrottlingException", "slow down", 400, StoreThrottled),
        ("DatabaseErrorException", "FATAL: terminating connection; SQLState: 57P01", 400, StoreTimeout),
        ("StatementTimeoutException", "too long", 400, StoreTimeout),
        ("TransactionNotFoundException", "gone", 404, StoreTimeout),
        ("DatabaseUnavailableException", "no", 504, StoreTimeout),
        ("InternalServerErrorException", "no", 500, StoreTimeout),
        ("DatabaseErrorException", 'ERROR: relation "x" does not exist; SQLState: 42P01', 400, ClientError),
        ("AccessDeniedException", "not yours", 403, ClientError),
    ],
)
def test_each_error_says_what_became_of_the_statement(code, message, status, kind):
    assert type(_raised(code, message, status)).__mro__[0] is kind


def test_no_answer_leaves_it_open():
    class Silent:
        def execute_statement(self, **parameters):
            raise ReadTimeoutError(endpoint_url="https://rds-data")

    with pytest.raises(StoreTimeout):
        DataApi(Silent(), CLUSTER, "secret", "views").run(ask("select 1"))


def _raised(code: str, message: str, status: int = 400) -> Exception:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}

    class Failing:
        def execute_statement(self, **parameters):
            raise ClientError(answer, "ExecuteStatement")

    with pytest.raises(Exception) as caught:  # noqa: PT011 - its kind is what is asked
        DataApi(Failing(), CLUSTER, "secret", "views").run(ask("select 1"))
    return caught.value
