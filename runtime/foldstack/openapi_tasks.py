"""The routes by which a lake's questions are asked, as OpenAPI: one path a question, and one for all answers."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .lake.questions import MOST_TEXT, Parameter, Question

PROBLEMS_OF_ASKING = (400, 404, 422)
PROBLEMS_OF_LOOKING = (400, 404)

_SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "maxLength": MOST_TEXT},
    "whole": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "decimal": {"type": "string", "pattern": r"^-?[0-9]{1,38}(\.[0-9]{1,37})?$"},
    "date": {"type": "string", "pattern": r"^([0-9]{4}-[0-9]{2}-[0-9]{2}|today(-[0-9]{1,4})?)$"},
    "timestamp": {"type": "string", "format": "date-time"},
    "boolean": {"type": "boolean"},
}


class TaskRoute(NamedTuple):
    """`permission` is empty where whoever has asked may look."""

    method: str
    path: str
    operation: dict[str, Any]
    problems: tuple[int, ...]
    permission: str


def routes(questions: Iterable[Question]) -> Iterator[TaskRoute]:
    """None where there are no questions."""
    asked = list(questions)
    for question in asked:
        yield TaskRoute("post", f"/tasks/{question.name}", _asking(question), PROBLEMS_OF_ASKING, question.permission)
    if asked:
        yield TaskRoute("get", "/tasks/{taskId}", _LOOKING, PROBLEMS_OF_LOOKING, "")


def _asking(question: Question) -> dict[str, Any]:
    key = {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"}
    needed = [each.name for each in question.parameters if each.default is None]
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {each.name: _of(each) for each in question.parameters},
        **({"required": needed} if needed else {}),
    }
    return {
        "summary": question.summary,
        "operationId": f"ask_{question.name.replace('-', '_')}",
        "parameters": [{"in": "header", "name": "idempotency-key", "required": False, "schema": key}],
        "requestBody": {"required": bool(needed), "content": {"application/json": {"schema": schema}}},
        "responses": {
            "202": {
                "description": "asked; the answer is at `location`, not before `retry-after`",
                "headers": {"location": {"schema": {"type": "string"}}, "retry-after": {"schema": {"type": "integer"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Task"}}},
            }
        },
    }


def _of(parameter: Parameter) -> dict[str, Any]:
    default = {} if parameter.default is None else {"default": parameter.default}
    return {**_SCHEMAS[parameter.type], **default}


_LOOKING: dict[str, Any] = {
    "summary": "What became of a question: for whoever asked it, seven days long.",
    "operationId": "look_at_task",
    "parameters": [
        {"in": "path", "name": "taskId", "required": True, "schema": {"type": "string"}},
        {"in": "query", "name": "next", "required": False, "schema": {"type": "string"}},
    ],
    "responses": {
        "200": {
            "description": "done",
            "headers": {"retry-after": {"schema": {"type": "integer"}}},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/TaskAnswer"}}},
        }
    },
}
_TASK: dict[str, Any] = {
    "type": "object",
    "required": ["taskId", "name", "parameters", "status", "askedAt"],
    "properties": {
        "taskId": {"type": "string"},
        "name": {"type": "string"},
        "parameters": {"type": "object"},
        "status": {"enum": ["running", "succeeded", "failed"]},
        "askedAt": {"type": "string", "format": "date-time"},
        "endedAt": {"type": "string", "format": "date-time"},
        "error": {"type": "string"},
    },
}
_COLUMN = {
    "type": "object",
    "required": ["name", "type"],
    "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
}
SCHEMAS: dict[str, Any] = {
    "Task": _TASK,
    "TaskAnswer": {
        **_TASK,
        "properties": {
            **_TASK["properties"],
            "columns": {"type": "array", "items": _COLUMN},
            "rows": {
                "type": "array",
                "items": {"type": "array", "items": {}},
                "maxItems": 1000,
                "description": "decimals and moments are texts, exact",
            },
            "next": {"type": ["string", "null"]},
        },
    },
}
"""Of what is answered."""
