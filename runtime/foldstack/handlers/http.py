"""The door: API Gateway HTTP API to the domain's routes, commands and queries in one function or in two."""

import re
import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from ..aws import composition, consumption, domain
from ..aws.environment import Environment
from ..kernel.api import Route
from ..kernel.errors import FoldstackError
from . import cold_start
from .http_event import Incoming
from .http_router import HttpRouter, encode, refusal
from .usage import Usage

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
executor = composition.executor(environment)
router = HttpRouter(service, environment, executor, composition.reactor(environment, service, executor))
usage = Usage(log, environment.tenant_metrics)
app = APIGatewayHttpResolver()


def _register(route: Route) -> None:
    @app.route(re.sub(r"\{(\w+)\}", r"<\1>", route.template), route.method)
    def serve(**path: str) -> Response:
        incoming: Incoming = app.context["incoming"]
        began = time.perf_counter()
        status = 500
        try:
            answer = router.answer(route, incoming, path, app.lambda_context.get_remaining_time_in_millis() / 1000)
            status = answer.status
        finally:
            what = "command cost" if route.is_command else "query cost"
            _tell(what, f"{route.method} {route.template}", incoming, status, began)
        return _response(*encode(answer))


for _route in router.routes:
    _register(_route)


@app.not_found
def unrouted(error: Exception) -> Response:
    incoming: Incoming = app.context["incoming"]
    began = time.perf_counter()
    answer = router.unrouted(incoming)
    _tell("unrouted", incoming.method, incoming, answer.status, began)
    return _response(*encode(answer))


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Payload format 2.0 in and out."""
    consumption.reset()
    try:
        app.append_context(incoming=Incoming.of(event))
    except FoldstackError as error:
        status, headers, body = encode(refusal(error))
        return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}
    return app.resolve(event, context)


def _tell(what: str, route: str, incoming: Incoming, status: int, began: float) -> None:
    """It is for the token's tenant; a 401 says that there is none."""
    usage.tell(
        what,
        "" if status == 401 else str(incoming.claims.get("tenant", "")),
        requests=1,
        throttled=int(status == 429),
        route=route,
        status=status,
        milliseconds=round((time.perf_counter() - began) * 1000, 2),
    )


def _response(status: int, headers: dict[str, str], body: str) -> Response:
    return Response(status, headers.pop("content-type", None), body, dict(headers))


cold_start.over()
