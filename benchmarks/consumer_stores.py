"""The stores that views are kept in, each with two consumers of it: the projector's function, and plain statements.

Everything runs on the laptop's own: DynamoDB and the Data API are the emulator's, PostgreSQL is a real one.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from boto3.session import Session
from foldstack.aws import clients
from foldstack.aws.batch_projector import BatchProjector
from foldstack.aws.sql.migration import Login, Roles, migrate
from foldstack.aws.sql.psycopg_transport import Psycopg
from foldstack.aws.sql.statements import Statement
from foldstack.aws.sql.view_store import SqlViewStore
from foldstack.kernel.keys import Tenant

from local.emulator import Emulator
from local.postgres import Postgres

from . import plain_statements
from .calls import CONTEXT
from .deliveries import Record
from .metered import Meter, MeteredSql
from .plain_statements import Rows
from .stage import function, loaded, role_variables
from .stock_view import stocks

COMMITS, VIEW, PLAIN = "stock-commits", "stock-view", "stock-plain"
_CLUSTER = "arn:aws:rds:us-east-1:000000000000:cluster:views"
_PROJECTOR, _READER = Login("projector", "projector's"), Login("reader", "reader's")
_WAL = Statement(sa.text("select pg_current_wal_lsn() - '0/0'::pg_lsn"))


class Projecting:
    """The projector's function, as Lambda calls it."""

    def __init__(self, module: Any, meter: Meter) -> None:
        self.meter = meter
        self._module = module

    def consume(self, records: list[Record]) -> None:
        answer = self._module.handler({"Records": records}, CONTEXT)
        assert answer == {"batchItemFailures": []}, answer

    def rows(self, tenant: str) -> Rows:
        found = self._module.projector.views.rows(stocks, Tenant(tenant), None, 500)
        return {id: (lead.row["name"], lead.row["held"], lead.cursor) for id, lead in found}


class Consumers:
    """`wal` is how many bytes PostgreSQL has logged so far, None where it is not the store."""

    def __init__(self, ours: Projecting, plain: "plain_statements.Plain", owner: Psycopg | None) -> None:
        self.ours = ours
        self.plain = plain
        self._owner = owner

    @property
    def wal(self) -> int | None:
        return None if self._owner is None else int(self._owner.run(_WAL)[0][0])


@contextlib.contextmanager
def dynamodb() -> Iterator[Consumers]:
    with _emulator() as emulator, loaded(_variables(emulator), "projector"):
        tables = {COMMITS: "N", VIEW: "S", PLAIN: "S"}
        for name, kind in tables.items():
            emulator.client("dynamodb").create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": "p", "AttributeType": "S"},
                    {"AttributeName": "s", "AttributeType": kind},
                ],
                KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
            )
        ours, plain = Meter(), Meter()
        module = function("projector")
        for client in (module.projector.views._client, clients.commit_table()):
            ours.watch(client)
        bare: Any = Session().client("dynamodb")
        plain.watch(bare)
        yield Consumers(Projecting(module, ours), plain_statements.OnDynamoDB(bare, PLAIN, plain), None)


@contextlib.contextmanager
def data_api() -> Iterator[Consumers]:
    with _sql() as (postgres, variables), loaded(variables, "projector"):
        owner = Psycopg(postgres.conninfo(postgres.master, postgres.password))
        ours, plain = Meter(), Meter()
        module = function("projector")
        ours.watch(clients.data_api())
        ours.watch(clients.commit_table())
        bare: Any = Session().client("rds-data")
        plain.watch(bare)
        secret = json.loads(variables["FOLDSTACK_SQL"])["secret"]
        side = plain_statements.OverDataApi(bare, _CLUSTER, secret, postgres.database, plain)
        yield Consumers(Projecting(module, ours), side, owner)
        owner.close()


@contextlib.contextmanager
def over_psycopg() -> Iterator[Consumers]:
    """The same function, in which the other transport stands for the Data API."""
    with _sql() as (postgres, variables), loaded(variables, "projector"):
        owner, login = (Psycopg(postgres.conninfo(*who)) for who in (_owner(postgres), _PROJECTOR))
        ours, plain = Meter(), Meter()
        module = function("projector")
        store = SqlViewStore(MeteredSql(login, ours), "stock", [stocks])
        module.projector = BatchProjector([stocks], module.projector._commits, store, module.projector._park)
        with psycopg.connect(postgres.conninfo(*_PROJECTOR), autocommit=True) as bare:
            yield Consumers(Projecting(module, ours), plain_statements.OverPsycopg(bare, plain), owner)
        owner.close()
        login.close()


@contextlib.contextmanager
def _emulator() -> Iterator[Emulator]:
    with tempfile.TemporaryDirectory(prefix="foldstack-benchmark-") as home, Emulator(Path(home)) as emulator:
        yield emulator


@contextlib.contextmanager
def _sql() -> Iterator[tuple[Postgres, dict[str, str]]]:
    """A database as a migration leaves it, and the variables of a projector of it."""
    with (
        _emulator() as emulator,
        Postgres(emulator.home / "postgres", master="owner", password="owner's", database="views") as postgres,
    ):
        owner = Psycopg(postgres.conninfo(*_owner(postgres)))
        migrate(owner, "stock", [stocks], Roles(_PROJECTOR, _READER))
        owner.run(Statement(sa.DDL(plain_statements.TABLE)))
        owner.run(Statement(sa.DDL("grant select, insert, update on plain_stocks to projector")))
        owner.close()
        entry = {"socket": str(postgres.socket), "master": postgres.master, "http": True}
        emulator.databases.write_text(json.dumps({_CLUSTER: entry}))
        value = json.dumps({"username": _PROJECTOR.role, "password": _PROJECTOR.password})
        secret = emulator.client("secretsmanager").create_secret(Name="projector", SecretString=value)["ARN"]
        of = {"cluster": _CLUSTER, "secret": secret, "database": postgres.database, "views": {stocks.name: stocks.name}}
        yield postgres, {**_variables(emulator), "FOLDSTACK_SQL": json.dumps(of)}


def _owner(postgres: Postgres) -> Login:
    return Login(postgres.master, postgres.password)


def _variables(emulator: Emulator) -> dict[str, str]:
    return {
        "FOLDSTACK_DOMAIN": "benchmarks.stock_view:service",
        "FOLDSTACK_SERVICE": "stock",
        "FOLDSTACK_COMMIT_TABLE": COMMITS,
        "FOLDSTACK_BODIES_BUCKET": "stock-bodies",
        "FOLDSTACK_VIEW_TABLES": json.dumps({stocks.name: VIEW}),
        "FOLDSTACK_PARKED_QUEUE": f"{emulator.url}/parked",
        "POWERTOOLS_SERVICE_NAME": "stock",
        "POWERTOOLS_METRICS_NAMESPACE": "Foldstack",
        **role_variables(emulator),
    }
