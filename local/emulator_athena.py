"""The emulator's Athena: its dialect, bound parameters, projected partitions, permissions of the caller, and events.

Runs inside the emulator's process: its DuckDB answers, over copies of the objects that the caller may read.
"""

import asyncio
import csv
import io
import json
import logging
import tempfile
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .emulator_athena_files import Found

_access_key: ContextVar[str] = ContextVar("access_key", default="")
_STATES = {"QUEUED": "1", "RUNNING": "2"}


def apply() -> None:
    _workgroups_of_queries()
    from ministack.core.responses import error_response_json
    from ministack.core.router import extract_access_key_id
    from ministack.services import athena

    handle, start, results = athena.handle_request, athena._start_query_execution, athena._get_query_results
    tokens: dict[str, str] = {}

    def get_query_results(data: dict) -> tuple:
        from .emulator_athena_sql import Failed

        execution = athena._executions.get(data.get("QueryExecutionId"))
        if execution and execution["Status"]["State"] == "SUCCEEDED":
            place = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://")
            try:
                _allow("s3:GetObject", f"arn:aws:s3:::{place}")
            except Failed as error:
                return error_response_json("InvalidRequestException", str(error), 400)
        return results(data)

    async def handle_request(method: str, path: str, headers: dict, body: bytes, query: dict) -> tuple:
        _access_key.set(extract_access_key_id(headers, query) or "")
        return await handle(method, path, headers, body, query)

    def start_query_execution(data: dict) -> tuple:
        from . import emulator_athena_sql as sql  # with a parser, which only who queries waits for

        token = f"{_access_key.get()}/{data.get('ClientRequestToken')}"
        if data.get("ClientRequestToken") and token in tokens:
            return athena.json_response({"QueryExecutionId": tokens[token]})
        group = athena._workgroups.get(data.get("WorkGroup", "primary"))
        if group is None:
            return error_response_json("InvalidRequestException", f"WorkGroup {data['WorkGroup']} is not found.", 400)
        try:
            if athena._parse_ddl(data.get("QueryString", "")) is None:
                sql.bind(sql.parse(data.get("QueryString", "")), data.get("ExecutionParameters") or [])
        except sql.Malformed as error:
            code = {"AthenaErrorCode": "MALFORMED_QUERY"}
            return error_response_json("InvalidRequestException", str(error), 400, extra=code)
        answer = start({**data, "ResultConfiguration": _results(data, group.get("Configuration", {}))})
        if answer[0] == 200:
            query_id = json.loads(answer[2])["QueryExecutionId"]
            execution = athena._executions[query_id]
            execution["ExecutionParameters"] = data.get("ExecutionParameters") or []
            tokens[token] = query_id
        return answer

    async def execute_query(query_id: str, query: str, database: str, ddl: Any, catalog: str | None = None) -> None:
        import duckdb

        from . import emulator_athena_files as files
        from .emulator_athena_sql import Failed, Malformed

        execution = athena._executions[query_id]
        began = time.time()
        _move(execution, "RUNNING")
        try:
            if ddl is not None:
                found = athena._run_ddl(ddl, database)
                found = files.Found(found["columns"], found["column_types"], found["rows"], 0)
            else:
                found = await _run(execution, query, database)
            _keep_results(execution, found)
            reason, state = "", "SUCCEEDED"
        except files.Cancelled as error:
            reason, state = str(error), "CANCELLED"
        except (Failed, Malformed, duckdb.Error) as error:
            reason, state = str(error)[:2000], "FAILED"
        except Exception:
            logging.getLogger("athena").exception("query %s", query_id)
            reason, state = "GENERIC_INTERNAL_ERROR: the emulator's log says why", "FAILED"
        milliseconds = int((time.time() - began) * 1000)
        execution["Statistics"] |= {
            "EngineExecutionTimeInMillis": milliseconds,
            "TotalExecutionTimeInMillis": milliseconds,
        }
        execution["Status"] |= {"StateChangeReason": reason, "CompletionDateTime": int(time.time())}
        _move(execution, state)

    athena.handle_request = handle_request
    athena._start_query_execution = start_query_execution
    athena._get_query_results = get_query_results
    athena._execute_query = execute_query
    precision = athena._type_precision_scale
    athena._type_precision_scale = lambda of: getattr(of, "digits", None) or precision(of)


def _workgroups_of_queries() -> None:
    """What is done with a query is allowed, or not, on its workgroup."""
    from ministack.core import iam_actions
    from ministack.services import athena

    original = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, method: str, path: str, headers: dict, body: bytes, *rest: Any) -> str:
        if service == "athena":
            query = _json(body).get("QueryExecutionId")
            execution = athena._executions.get(query) if isinstance(query, str) else None
            if execution:
                return athena._arn_workgroup(execution["WorkGroup"])
        return original(service, method, path, headers, body, *rest)

    iam_actions.extract_resource_arn = extract_resource_arn


def _json(body: bytes) -> dict:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _results(data: dict, configuration: dict) -> dict:
    """Where the workgroup says, if it enforces that; as a folder."""
    given = dict(data.get("ResultConfiguration") or {})
    own = configuration.get("ResultConfiguration") or {}
    location = own.get("OutputLocation") or ""
    if not configuration.get("EnforceWorkGroupConfiguration", True):
        location = given.get("OutputLocation") or location
    elif not location:
        location = given.get("OutputLocation") or ""
    return {"OutputLocation": location if not location or location.endswith("/") else f"{location}/"}


async def _run(execution: dict, query: str, database: str) -> "Found":
    from ministack.services import athena

    from . import emulator_athena_files as files
    from . import emulator_athena_sql as sql

    group = athena._workgroups.get(execution["WorkGroup"], {}).get("Configuration", {})
    catalogue = files.Catalogue(database, _allow)
    statement = sql.bind(sql.parse(query), execution.get("ExecutionParameters") or [])
    text, scans = sql.translate(statement, catalogue.find)
    with tempfile.TemporaryDirectory(prefix="athena-") as folder:
        views, scanned = catalogue.views(scans, folder)
        execution["Statistics"]["DataScannedInBytes"] = scanned
        limit = group.get("BytesScannedCutoffPerQuery")
        if limit and scanned > int(limit):
            raise files.Cancelled("Query cancelled! : Bytes scanned limit was exceeded")
        return await asyncio.to_thread(files.answer, text, views, folder, scanned)


def _allow(action: str, arn: str, context: dict[str, str] | None = None) -> None:
    """Raises Failed unless the caller of the query may do this too: Athena acts as whoever asks."""
    from ministack.core.iam_evaluator import enforce
    from ministack.core.responses import get_region

    from .emulator_athena_sql import Failed

    service = action.partition(":")[0]
    if enforce(_access_key.get(), action, service, get_region(), resource_arn=arn, service_context=context):
        raise Failed(f"Permission denied on {arn}: the caller of the query is not allowed to {action}")


def _keep_results(execution: dict, found: "Found") -> None:
    """For GetQueryResults, and as the object that OutputLocation names."""
    from ministack.services import s3

    from .emulator_athena_sql import Failed

    execution["_results"] = {"columns": found.columns, "rows": found.rows}
    execution["_column_types"] = found.types
    bucket, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").split("/", 1)
    if s3._buckets.get(bucket) is None:
        raise Failed(f"The S3 location provided to save your query results is invalid: s3://{bucket}")
    _allow("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")
    written = io.StringIO()
    rows = csv.writer(written, quoting=csv.QUOTE_ALL)
    rows.writerow(found.columns)
    rows.writerows(found.rows)
    for name, text in ((key, written.getvalue()), (f"{key}.metadata", ",".join(map(str, found.types)))):
        body = text.encode()
        answer = s3._put_object(bucket, name, body, {"content-type": "text/csv", "content-length": str(len(body))})
        if answer[0] >= 300:
            raise Failed(f"the results could not be written to s3://{bucket}/{name}")


def _move(execution: dict, state: str) -> None:
    """Into a state, with the event that EventBridge has of it."""
    from ministack.services import eventbridge

    status = execution["Status"]
    before, status["State"] = status["State"], state
    detail = {
        "versionId": "0",
        "currentState": state,
        "previousState": before,
        "statementType": execution["StatementType"],
        "queryExecutionId": execution["QueryExecutionId"],
        "workgroupName": execution["WorkGroup"],
        "sequenceNumber": _STATES.get(state, "3"),
    }
    entry = {"Source": "aws.athena", "DetailType": "Athena Query State Change", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
