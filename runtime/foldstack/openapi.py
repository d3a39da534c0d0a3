"""The OpenAPI 3.1 document of a service's routes.

python -m foldstack.openapi shop:service
"""

import inspect
import json
import sys
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from . import openapi_tasks
from .aws.domain import load
from .kernel.access import Roles
from .kernel.api import Route
from .kernel.keys import ID_PATTERN, TENANT_PATTERN
from .kernel.service import Service
from .kernel.token import HEADER as TOKEN_HEADER
from .lake.questions import Question

GATEWAY_STATUSES = {
    "413": "over 10 MB",
    "429": "throttled by the stage",
    "431": "head over 10,240 bytes",
    "500": "the function failed",
    "503": "no answer within 30 s",
}
TOKEN_STATUSES = {
    "401": "no token, or one that is expired, forged or of another issuer",
    "403": "no access token for this API",
}
_REF = "#/components/schemas/{model}"


def document(service: Service, questions: Iterable[Question] = (), version: str = "1") -> dict[str, Any]:
    """Errors that the service makes are problem documents; errors that the gateway makes keep its own body. `questions`
    are those of its lake, where it has one."""
    models: list[type[BaseModel]] = []
    paths: dict[str, dict[str, Any]] = {}
    for route in service.api.routes:
        models += [m for m in (route.body, *route.answers.values()) if m is not None]
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, service.api.roles)
    tasks = list(openapi_tasks.routes(questions))
    for method, path, operation, problems, permission in tasks:
        paths[path] = {method: _refusing(operation, problems, permission, service.api.roles)}
    _, definitions = models_json_schema([(m, "validation") for m in dict.fromkeys(models)], ref_template=_REF)
    of_tasks = openapi_tasks.SCHEMAS if tasks else {}
    schemas = {**definitions.get("$defs", {}), **of_tasks, "Problem": _PROBLEM, "GatewayError": _GATEWAY}
    schemes = {"securitySchemes": {"token": _TOKEN}} if service.api.roles else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": service.name, "version": version},
        "paths": paths,
        "components": {"schemas": schemas, **schemes},
    }


def _operation(route: Route, roles: Roles | None) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        **_description(route),
        "operationId": route.handler.__name__,
        "parameters": [*_parameters(route)],
        "responses": {str(status): _success(status, model, route) for status, model in route.answers.items()},
    }
    if route.body:
        schema = {"$ref": _REF.format(model=route.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    # If-Match is on every command.
    return _refusing(operation, (*route.problems, *([412] if route.is_command else [])), route.permission, roles)


def _refusing(
    operation: dict[str, Any], problems: Iterable[int], permission: str, roles: Roles | None
) -> dict[str, Any]:
    """With what is refused: by the route, by the door, and by the gateway before it."""
    refused = sorted({*problems, *([401, 403, 429] if roles else [])})
    responses = {**operation["responses"], **{str(each): _error("a problem document", "Problem") for each in refused}}
    told: dict[str, Any] = {}
    if roles:
        responses["429"]["headers"] = {"retry-after": {"schema": {"type": "integer"}}}
        who = f"For the roles {', '.join(roles.having(permission))}." if permission else "For whoever asked."
        told = {"description": " ".join(filter(None, (operation.get("description"), who))), "security": [{"token": []}]}
    for status, meaning in {**GATEWAY_STATUSES, **(TOKEN_STATUSES if roles else {})}.items():
        _add_gateway_error(responses, status, meaning)
    return {**operation, "responses": responses, **told}


def _description(route: Route) -> dict[str, str]:
    """What the handler's docstring says after its first paragraph."""
    _, _, rest = (inspect.getdoc(route.handler) or "").partition("\n\n")
    return {"description": " ".join(rest.split())} if rest else {}


def _parameters(route: Route):
    for name in route.parameters:
        first, *rest = name.split("_")
        yield _parameter("path", first + "".join(map(str.title, rest)), {"pattern": f"^{ID_PATTERN}$"}, required=True)
    yield _parameter("header", "x-tenant-id", {"pattern": f"^{TENANT_PATTERN}$"})
    if route.is_command:
        yield _parameter("header", "idempotency-key", {"pattern": r"^[\x21-\x7e]{1,255}$"})
        yield _parameter("header", "if-match", {})
    else:
        yield _parameter("header", TOKEN_HEADER, {})
    if route.query:
        schema = route.query.model_json_schema(by_alias=True)
        for name, field in schema.get("properties", {}).items():
            yield {"in": "query", "name": name, "required": name in schema.get("required", ()), "schema": field}


def _parameter(where: str, name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"in": where, "name": name, "required": required, "schema": {"type": "string", **schema}}


def _success(status: int, model: type[BaseModel] | None, route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "accepted, the outcome is still open" if status == 202 else "done"}
    if model:
        answer["content"] = {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
    if route.is_command:
        answer["headers"] = {TOKEN_HEADER: {"schema": {"type": "string"}}, "etag": {"schema": {"type": "string"}}}
    return answer


def _error(description: str, model: str) -> dict[str, Any]:
    kind = "application/problem+json" if model == "Problem" else "application/json"
    return {"description": description, "content": {kind: {"schema": {"$ref": _REF.format(model=model)}}}}


def _add_gateway_error(responses: dict[str, Any], status: str, meaning: str) -> None:
    mine = _error(f"the gateway's own: {meaning}", "GatewayError")
    if status in responses:
        responses[status]["description"] += f", or {mine['description']}"
        responses[status]["content"].update(mine["content"])
    else:
        responses[status] = mine


_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token with the claims `tenant` and `role`. An ID token is refused.",
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
_GATEWAY = {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}


if __name__ == "__main__":
    print(json.dumps(document(load(sys.argv[1])), indent=2, ensure_ascii=False))
