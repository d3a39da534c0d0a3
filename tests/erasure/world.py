"""Customers with a view of them: commits travel as JSON, as on every road, and all that is anywhere is looked at."""

import json
from collections.abc import Iterable
from typing import Any

import psycopg
from foldstack.aws.batch_projector import BatchProjector
from foldstack.aws.opened_views import OpenedViews
from foldstack.aws.projector import by_stream
from foldstack.aws.sql.views import SqlViews
from foldstack.aws.views import ViewReader
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.keyring import LIFE
from foldstack.kernel.projection import Projection
from foldstack.kernel.request import Views
from foldstack.kernel.token import Token

from local.postgres import Postgres
from tests.consumers.fakes import MemoryViewStore, Parked
from tests.sql.support import Database

from .domain import CustomerRow, customers
from .support import TENANT, Sandbox


class World:
    """`database` keeps the view, without one it is in memory, as items of DynamoDB. `together` counts the streams of
    the last delivery that went in one read and one write."""

    def __init__(self, database: Database | None = None, projection: Projection = customers) -> None:
        self.sandbox = Sandbox()
        self.database = database
        self.projection = projection
        self.rows: Any = database.store([projection]) if database else MemoryViewStore()
        self.parked = Parked()
        self.projector = BatchProjector(
            [projection], self.sandbox.store, self.rows, self.parked, sleep=lambda seconds: None
        )
        self.road: list[bytes] = []
        self.together = 0
        self._published: set[str] = set()

    def deliver(self) -> None:
        """What was not published yet."""
        envelopes = []
        for commits in self.sandbox.store.streams().values():
            for commit in commits:
                envelope = Envelope.of(commit)
                if envelope.id not in self._published:
                    self._published.add(envelope.id)
                    self.road.append(json.dumps(envelope.to_dict("customers")).encode())
                    envelopes.append(Envelope.parse(json.loads(self.road[-1])))
        groups = by_stream(envelopes)
        together = self.projector.project_together(groups)
        self.together = len(together)
        for key, group in groups.items():
            if key not in together:
                self.projector.project(group[0].stream, group)

    def views(self, token: Token | None = None) -> Views:
        """As one request of a sandbox sees them."""
        kind: Any = SqlViews if self.database else ViewReader
        return OpenedViews(kind(self.rows, self.sandbox.store, TENANT, token, 1), self.sandbox.keyring, TENANT)

    def row(self, id: str, token: Token | None = None) -> CustomerRow | None:
        return self.views(token).get(self.projection, id)

    def erase(self, id: str) -> None:
        """And long enough ago for every sandbox to have noticed."""
        self.sandbox.keys.erase(TENANT, id)
        self.sandbox.clock.pass_by(LIFE)

    def at_rest(self) -> bytes:
        """Commits, what travelled, rows, parked messages, and the key table."""
        kept = repr((self.parked, self.sandbox.keys.kept)).encode()
        return b"\n".join([self.sandbox.at_rest(), *self.road, self._dump(), kept])

    def _dump(self) -> bytes:
        if self.database is None:
            return repr(self.rows.items).encode()
        tables = self.rows.tables(self.projection)
        names = [f"{each.schema}.{each.name}" for each in (tables.rows, tables.totals, tables.cursors)]
        return dump(self.database.postgres, self.database.postgres.database, names)


def dump(postgres: Postgres, database: str, tables: Iterable[str]) -> bytes:
    """All rows as text, read by the one role that row-level security does not hold."""
    password = (postgres.home / "superuser").read_text()
    with psycopg.connect(host=str(postgres.socket), user="postgres", password=password, dbname=database) as connection:
        found = [connection.execute(f"select t::text from {table} t".encode()).fetchall() for table in tables]
    return repr(found).encode()
