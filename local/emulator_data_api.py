"""The emulator's RDS Data API, in front of the laptop's own PostgreSQL, with AWS's limits. Part of its patches.

Which database a cluster's ARN means is read from the file FOLDSTACK_DATABASES: `{arn: {"socket", "master",
"http", "resuming"}}`, as `local.databases` writes it.
"""

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any, ClassVar

MOST_REQUEST_BYTES = 4 * 1024 * 1024
MOST_RESULT_BYTES = 1024 * 1024
MOST_ROW_BYTES = 64 * 1024
_MOST_IDLE = 8


def apply() -> None:
    from ministack import app
    from ministack.services import rds_data

    handle, enforce = rds_data.handle_request, app._enforce_rds_data

    async def handle_request(method: str, path: str, headers: dict, body: bytes, query_params: dict) -> tuple:
        if len(body) > MOST_REQUEST_BYTES:
            return rds_data._error("BadRequestException", "Request body exceeds the size limit of 4 MiB")
        known = _database(_json(body).get("resourceArn"))
        if known and known.get("resuming"):
            message = "The Aurora DB instance is resuming after being auto-paused. Please wait a few seconds."
            return rds_data._error("DatabaseResumingException", message)
        # In a thread: a statement that waits for a lock must not keep others from ending their transactions.
        answer = await asyncio.to_thread(lambda: asyncio.run(handle(method, path, headers, body, query_params)))
        too_large = _too_large(answer[2])
        return rds_data._error("BadRequestException", too_large) if too_large else answer

    def enforce_secret_too(method: str, path: str, headers: dict, body: bytes, query: dict, request_id: str) -> Any:
        denied = enforce(method, path, headers, body, query, request_id)
        secret = _json(body).get("secretArn")
        if denied or not isinstance(secret, str):
            return denied
        return app._enforce_data_plane(
            "rds-data",
            "secretsmanager:GetSecretValue",
            headers,
            query,
            request_id,
            resource_arn=secret,
            named_resource=secret,
        )

    def resolve_target(resource_arn: str) -> tuple[Any, Any, Any]:
        known = _database(resource_arn)
        if known is None:
            return None, None, None
        return known, "aurora-postgresql", {"HttpEndpointEnabled": known["http"]}

    rds_data.handle_request = handle_request
    rds_data._resolve_target = resolve_target
    rds_data._has_real_endpoint = lambda instance: True
    rds_data._connect = _connect
    rds_data._sql_execution_error = lambda error: _sql_error(rds_data, error)
    app._enforce_rds_data = enforce_secret_too


def _database(arn: Any) -> dict[str, Any] | None:
    try:
        return json.loads(Path(os.environ["FOLDSTACK_DATABASES"]).read_text()).get(arn)
    except FileNotFoundError:  # no program has registered a cluster
        return None


def _connect(
    instance: dict, engine: str, database: str | None = None, password: str | None = None, username: str | None = None
) -> Any:
    login = {"host": instance["socket"], "user": username or instance["master"], "password": password}
    login["dbname"] = database or "postgres"
    return _Connection(login)


class _Connection:
    """One of PostgreSQL that outlasts its statement, as behind AWS's Data API: to make one costs more than most
    statements do. When it is closed it waits for the next of the same login, if it is as new."""

    _idle: ClassVar[dict[str, list[Any]]] = {}
    _lock = threading.Lock()

    def __init__(self, login: dict[str, Any]) -> None:
        self._login = login
        self._inner = self._take() or _open(login)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def autocommit(self) -> bool:
        return self._inner.autocommit

    @autocommit.setter
    def autocommit(self, on: bool) -> None:
        self._inner.autocommit = on

    def close(self) -> None:
        try:
            self._inner.rollback()
            self._inner.autocommit = True
            self._inner.execute("RESET ALL")
        except Exception:  # noqa: BLE001 - it is of no use any more, whatever it was
            self._inner.close()
            return
        with self._lock:
            idle = self._idle.setdefault(repr(self._login), [])
            if len(idle) < _MOST_IDLE:
                idle.append(self._inner)
                return
        self._inner.close()

    def _take(self) -> Any:
        """One that is waiting and still has its server."""
        while True:
            with self._lock:
                idle = self._idle.get(repr(self._login))
                kept = idle.pop() if idle else None
            if kept is None:
                return None
            try:
                kept.execute("SELECT 1")
            except Exception:  # noqa: BLE001 - it is of no use any more, whatever it was
                kept.close()
            else:
                return kept


def _open(login: dict[str, Any]) -> Any:
    import psycopg
    from psycopg.types.json import set_json_loads
    from psycopg.types.string import StrDumper

    connection = psycopg.connect(**login, connect_timeout=2, autocommit=True, prepare_threshold=None)
    # As on AWS, text is text unless a statement casts it, and JSON comes back as it is written.
    connection.adapters.register_dumper(str, StrDumper)
    set_json_loads(lambda data: data if isinstance(data, str) else bytes(data).decode(), connection)
    return connection


def _sql_error(rds_data: Any, error: Exception) -> tuple:
    state = getattr(error, "sqlstate", None)
    if state is None:
        return rds_data._error("DatabaseUnavailableException", f"The database is not available: {error}", 504)
    message = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    return rds_data._error("DatabaseErrorException", f"ERROR: {message}; SQLState: {state}")


def _too_large(body: Any) -> str:
    if not isinstance(body, bytes | str) or len(body) <= MOST_ROW_BYTES:
        return ""
    if len(body) > MOST_RESULT_BYTES:
        return "Database returned more than the allowed response size limit"
    if any(len(json.dumps(record)) > MOST_ROW_BYTES for record in json.loads(body).get("records", [])):
        return "Database response exceeded size limit: a row is larger than 64 KB"
    return ""


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
