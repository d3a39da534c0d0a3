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

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
executor = composition.executor(environment, service)
router = HttpRouter(service, environment, executor, composition.reactor(environment, service, executor))
app = APIGatewayHttpResolver()


def _register(route: Route) -> None:
    @app.route(re.sub(r"\{(\w+)\}", r"<\1>", route.template), route.method)
    def serve(**path: str) -> Response:
        incoming: Incoming = app.context["incoming"]
        began = time.perf_counter()
        answer = router.answer(route, incoming, path, app.lambda_context.get_remaining_time_in_millis() / 1000)
        log.info(
            "command cost" if route.is_command else "query cost",
            route=f"{route.method} {route.template}",
            status=answer.status,
            milliseconds=round((time.perf_counter() - began) * 1000, 2),
            **consumption.taken(),
        )
        return _response(*encode(answer))


for _route in router.routes:
    _register(_route)


@app.not_found
def unrouted(error: Exception) -> Response:
    return _response(*encode(router.unrouted(app.context["incoming"])))


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


def _response(status: int, headers: dict[str, str], body: str) -> Response:
    return Response(status, headers.pop("content-type", None), body, dict(headers))


cold_start.over()
