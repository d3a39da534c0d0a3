"""Entry point of a lake's questions: asked and answered over HTTP, and told by EventBridge which queries have ended."""

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from ..aws import clients, composition, domain
from ..aws.environment import Environment
from ..aws.sessions import client_for
from ..kernel.access import Caller
from ..kernel.api import Route
from ..kernel.errors import FoldstackError, InvalidValue
from ..kernel.http_answer import Answer
from ..kernel.problem import problem
from ..lake.questions import BadParameters, Question, questions
from ..lake.tasks import Missing, Place, Task, Tasks
from . import cold_start
from .http_access import Door
from .http_event import Incoming, InvalidFields
from .http_router import encode, refusal

_WAIT = "1"
"""Seconds after which it is worth asking again."""
_NAMES = uuid.UUID("1f0c9f7e-3d4b-4b6e-9d5a-6f2c8e7a1b30")

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
door = Door(
    service.api, environment.anonymous, composition.standings(environment), composition.request_limit(environment)
)
asked = questions(Path(os.environ["LAMBDA_TASK_ROOT"]) / environment.lake_questions)
tasks = Tasks(
    Place(environment.lake_workgroup, environment.lake_database, environment.lake_bucket, environment.lake_tasks),
    client=lambda name, tenant: client_for(
        clients.client(name), tenant, clients.tenant_sessions(environment.tenant_role)
    ),
    own=clients.client,
)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Takes a request in payload format 2.0, or an event of Athena's."""
    if event.get("detail-type") == "Athena Query State Change":
        _ended(event["detail"]["queryExecutionId"])
        return None
    try:
        answer = _answer(Incoming.of(event), event.get("pathParameters") or {})
    except FoldstackError as error:
        answer = refusal(error)
    status, headers, body = encode(answer)
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}


def _ended(query: str) -> None:
    task = tasks.told(query)
    if task is not None:
        log.info("query task", task=task.id, question=task.question, status=task.status, query=query)


def _answer(incoming: Incoming, path: Mapping[str, str]) -> Answer:
    caller = door.admit(incoming)
    if incoming.method == "POST":
        return _ask(caller, incoming, path["name"])
    try:
        return _show(caller, incoming, path["id"])
    except Missing:
        return problem(404, "no-such-task", f"there is no task {path['id']}, or it is over a week old")


def _ask(caller: Caller, incoming: Incoming, name: str) -> Answer:
    question = asked.get(name)
    if question is None:
        return problem(404, "no-such-question", f"there is no question {name}; there are {', '.join(asked)}")
    _allow(caller, question, "POST", "/tasks/{name}")
    given = incoming.json()
    if given is not None and not isinstance(given, dict):
        raise InvalidValue("body", "a JSON object of parameters, or nothing")
    key = incoming.idempotency_key()
    id_ = uuid.uuid5(_NAMES, "\x1f".join((caller.tenant, caller.subject, name, key))) if key else uuid.uuid4()
    try:
        task = tasks.ask(caller.tenant, caller.subject, id_.hex, question, given or {})
    except BadParameters as error:
        raise InvalidFields(error.errors) from None
    log.info("query task", task=task.id, question=name, status=task.status, query=task.query)
    return Answer(202, _shown(task), {"location": f"/tasks/{task.id}", "retry-after": _WAIT})


def _show(caller: Caller, incoming: Incoming, id_: str) -> Answer:
    after = incoming.query.get("next")
    if strangers := sorted(incoming.query.keys() - {"next"}):
        raise InvalidFields([(name, "unknown query parameter") for name in strangers])
    task = tasks.find(caller.tenant, caller.subject, id_)
    question = asked.get(task.question)
    if question is None:
        raise Missing(id_)
    _allow(caller, question, "GET", "/tasks/{id}")
    task = tasks.look(task, question)
    if task.status != "succeeded":
        return Answer(200, _shown(task), {} if task.ended else {"retry-after": _WAIT})
    page = tasks.page(task, after)
    return Answer(200, {**_shown(task), "columns": page.columns, "rows": page.rows, "next": page.next})


def _allow(caller: Caller, question: Question, method: str, template: str) -> None:
    """Who may ask may see the answer to what they asked."""
    door.allow(caller, Route(method, template, _answer, permission=question.permission))


def _shown(task: Task) -> dict[str, Any]:
    shown = {
        "taskId": task.id,
        "name": task.question,
        "parameters": task.parameters,
        "status": "running" if task.status == "accepted" else task.status,
        "askedAt": _moment(task.asked_at),
    }
    ended = {"endedAt": _moment(task.ended_at)} if task.ended else {}
    return {**shown, **ended, **({"error": task.error} if task.error else {})}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


cold_start.over()
