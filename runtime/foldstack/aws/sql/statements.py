"""How statements are run: a port with two transports, the RDS Data API and psycopg. Values are bound, always."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy.dialects import postgresql

from ...kernel.errors import FoldstackError, StoreThrottled, StoreTimeout, Unavailable

Row = Sequence[Any]

# What PostgreSQL says when it did not do a statement, and the same one may succeed in a moment.
NOT_DONE = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "53300",  # too_many_connections
        "55P03",  # lock_not_available
        "57P03",  # cannot_connect_now
    }
)
# The connection, or the server, is gone or going: the statement may have been done.
IN_DOUBT = frozenset(
    {"08000", "08003", "08006", "25P03", "53200", "57014", "57P01", "57P02", "57P05"}  # class 08, shutdowns, timeouts
)


class DatabaseWaking(Unavailable):
    """It scales from zero, in 15 s or so; the statement was not done."""

    retry_after = 5


class ResultTooLarge(FoldstackError):
    """The answer is larger than the transport hands out: ask for less."""


class Statement:
    """A statement of SQLAlchemy Core, rendered once for each transport."""

    def __init__(self, core: Any) -> None:
        self._core = core

    @cached_property
    def named(self) -> tuple[str, Mapping[str, Any]]:
        """With `:name` for values, and the values that are part of the statement."""
        return self._rendered("named")

    @cached_property
    def pyformat(self) -> tuple[str, Mapping[str, Any]]:
        """With `%(name)s` for values, and the values that are part of the statement."""
        return self._rendered("pyformat")

    def _rendered(self, style: str) -> tuple[str, Mapping[str, Any]]:
        dialect = postgresql.dialect(paramstyle=style)  # type: ignore[no-untyped-call]
        compiled = self._core.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        return str(compiled), dict(compiled.params or {})


class Sql(Protocol):
    """Runs statements. Each is a transaction of its own, unless it is run by what `transaction` hands out.

    Raises StoreThrottled where a statement was certainly not done, StoreTimeout where it may have been, Unavailable
    with a longer pause for a database that is waking, ResultTooLarge.
    """

    def run(self, statement: Statement, **values: Any) -> list[Row]:
        """The rows that it answers."""
        ...

    def transaction(self) -> AbstractContextManager["Sql"]:
        """All of the statements, or none when its block raises."""
        ...


def by_state(state: str | None, detail: str) -> Exception | None:
    """The error for an SQLSTATE, None where it is the statement's own fault."""
    if state in NOT_DONE:
        return StoreThrottled(f"refused: {detail}")
    if state in IN_DOUBT:
        return StoreTimeout(f"failed on the server: {detail}")
    return None
