"""Statements through psycopg: for migrations from a person's machine, for teams that bring a VPC, and for tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.types.string import StrDumper

from ...kernel.errors import StoreThrottled, StoreTimeout
from .statements import Row, Sql, Statement, by_state


class Psycopg:
    """`conninfo` says where and as whom, as libpq reads it. Safe for threads: each statement or transaction has a
    connection to itself, and leaves it to the next."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._idle: list[psycopg.Connection[Any]] = []
        self._lock = threading.Lock()

    def run(self, statement: Statement, **values: Any) -> list[Row]:
        with self._connection() as connection:
            return _Session(connection).run(statement, **values)

    @contextmanager
    def transaction(self) -> Iterator[Sql]:
        with self._connection() as connection, _explained(), connection.transaction():
            yield _Session(connection)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            yield connection
        finally:
            if connection.broken or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.close()
            else:
                with self._lock:
                    self._idle.append(connection)

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            made = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError as error:
            raise StoreThrottled(f"no connection: {error}") from error
        made.adapters.register_dumper(str, StrDumper)  # text is text, as the Data API has it: statements cast it
        return made


class _Session:
    """One connection, in the hands of one thread."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, statement: Statement, **values: Any) -> list[Row]:
        sql, own = statement.pyformat
        with _explained(), self._connection.cursor() as cursor:
            cursor.execute(sql.encode(), {**own, **values} or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[Sql]:
        with self._connection.transaction():
            yield self


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            raise StoreTimeout(f"no answer: {error}") from error
        raise by_state(error.sqlstate, str(error)) or error from error
