"""Waiting for a database that wakes, where nobody waits for the answer: a message given back is hidden for minutes."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from .statements import DatabaseWaking, Row, Sql, Statement

T = TypeVar("T")


class Patient:
    """Runs statements as `sql` does, and the same again while the database wakes, for some seconds."""

    def __init__(
        self,
        sql: Sql,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sql = sql
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep

    def run(self, statement: Statement, **values: Any) -> list[Row]:
        return self._awake(lambda: self._sql.run(statement, **values))

    @contextmanager
    def transaction(self) -> Iterator[Sql]:
        def begun() -> tuple[AbstractContextManager[Sql], Sql]:
            made = self._sql.transaction()
            return made, made.__enter__()

        held, sql = self._awake(begun)
        try:
            yield sql
        except BaseException as error:
            if not held.__exit__(type(error), error, error.__traceback__):
                raise
        else:
            held.__exit__(None, None, None)

    def _awake(self, ask: Callable[[], T]) -> T:
        """A statement that woke the database was not done: it may be repeated."""
        until = self._clock() + self._seconds
        while True:
            try:
                return ask()
            except DatabaseWaking as error:
                if self._clock() + error.retry_after > until:
                    raise
                self._sleep(error.retry_after)
