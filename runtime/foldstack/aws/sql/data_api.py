"""Statements through the RDS Data API: HTTPS and a secret's ARN instead of a network and a connection."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from botocore.exceptions import ClientError

from ...kernel.errors import StoreThrottled, StoreTimeout
from ..store_errors import ask, error_code
from .statements import DatabaseWaking, ResultTooLarge, Row, Sql, Statement, by_state

MOST_REQUEST_BYTES = 4 * 1024 * 1024
MOST_RESULT_BYTES = 1024 * 1024
MOST_ROW_BYTES = 64 * 1024

_STATE = re.compile(r"SQLState: (\w{5})").search
_WAKING = re.compile(r"is resuming|resuming after being auto-paused", re.IGNORECASE).search
_TOO_LARGE = re.compile(r"(response|result|packet).*(size limit|too large|exceed)", re.IGNORECASE).search
_GONE = frozenset({"DatabaseUnavailableException", "StatementTimeoutException", "TransactionNotFoundException"})


class DataApi:
    """`client` is one of rds-data; it makes one attempt, since a repeated statement is done twice.

    A transaction that is not ended, because its process died, is rolled back by the service after 3 minutes, or by
    the role's own limit before that.
    """

    def __init__(self, client: Any, cluster: str, secret: str, database: str, transaction: str | None = None) -> None:
        self._client = client
        self._of = {"resourceArn": cluster, "secretArn": secret}
        self._database = database
        self._transaction = transaction

    def run(self, statement: Statement, **values: Any) -> list[Row]:
        sql, own = statement.named
        more = {"transactionId": self._transaction} if self._transaction else {"database": self._database}
        found = self._ask(
            self._client.execute_statement,
            sql=sql,
            parameters=[parameter(name, value) for name, value in {**own, **values}.items()],
            **more,
        )
        return [tuple(_value(field) for field in record) for record in found.get("records", [])]

    @contextmanager
    def transaction(self) -> Iterator[Sql]:
        begun = self._ask(self._client.begin_transaction, database=self._database)["transactionId"]
        try:
            yield DataApi(
                self._client, self._of["resourceArn"], self._of["secretArn"], self._database, transaction=begun
            )
        except BaseException:
            self._roll_back(begun)
            raise
        self._ask(self._client.commit_transaction, transactionId=begun)

    def _roll_back(self, transaction: str) -> None:
        try:
            self._ask(self._client.rollback_transaction, transactionId=transaction)
        except (StoreTimeout, StoreThrottled, ClientError):
            return  # what is not committed is rolled back anyway; the first error is the one to tell

    def _ask(self, operation: Callable[..., Any], **parameters: Any) -> Any:
        try:
            return ask(operation, **self._of, **parameters)
        except (StoreTimeout, ClientError) as error:
            cause = error.__cause__ if isinstance(error, StoreTimeout) else error
            if not isinstance(cause, ClientError):
                raise
            raise _translated(cause) or error from error


def parameter(name: str, value: Any) -> dict[str, Any]:
    """A typed parameter. Text is sent as text: a statement casts it to what it is."""
    if value is None:
        return {"name": name, "value": {"isNull": True}}
    if isinstance(value, bool):
        return {"name": name, "value": {"booleanValue": value}}
    if isinstance(value, int):
        return {"name": name, "value": {"longValue": value}}
    if isinstance(value, float):
        return {"name": name, "value": {"doubleValue": value}}
    if isinstance(value, str):
        return {"name": name, "value": {"stringValue": value}}
    if isinstance(value, bytes):
        return {"name": name, "value": {"blobValue": value}}
    for kind, hint, text in _HINTED:
        if isinstance(value, kind):
            return {"name": name, "typeHint": hint, "value": {"stringValue": text(value)}}
    raise TypeError(f"a parameter can't be a {type(value).__name__}: {name}")


def _timestamp(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


_HINTED: tuple[tuple[type, str, Callable[[Any], str]], ...] = (
    (Decimal, "DECIMAL", str),
    (datetime, "TIMESTAMP", _timestamp),
    (date, "DATE", date.isoformat),
    (UUID, "UUID", str),
)


def _value(field: Mapping[str, Any]) -> Any:
    ((kind, value),) = field.items()
    return None if kind == "isNull" else value


def _translated(error: ClientError) -> Exception | None:
    code, message = error_code(error), str(error)
    if code == "DatabaseResumingException" or _WAKING(message):
        return DatabaseWaking(f"the database is waking: {message}")
    if _TOO_LARGE(message):
        return ResultTooLarge(message)
    if code in _GONE:
        return StoreTimeout(f"failed on the server: {message}")
    state = _STATE(message)
    return by_state(state[1] if state else None, message)
