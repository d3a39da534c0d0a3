"""From a request to a domain's handler and back: one class, whatever gateway stands in front."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from ..aws import composition
from ..aws.environment import Environment
from ..kernel.access import Caller
from ..kernel.api import Route
from ..kernel.commit import CommandContext
from ..kernel.decision import Rejection
from ..kernel.errors import FoldstackError
from ..kernel.executor import Executor
from ..kernel.http_answer import Answer
from ..kernel.idempotency import command_id, request_hash
from ..kernel.keys import Tenant, check_id
from ..kernel.problem import from_error, from_rejection, problem
from ..kernel.reactor import Reactor
from ..kernel.request import CommandRequest, QueryRequest
from ..kernel.service import Service
from ..kernel.token import HEADER as TOKEN_HEADER
from ..kernel.token import Token
from .http_access import Door
from .http_event import BodyTooLarge, Incoming, InvalidFields, parse_body, parse_query, path_field

_MARGIN = 3.5  # a put in doubt, begun just before the deadline, takes up to 3 s


class HttpRouter:
    """Answers requests to a service's routes. Faults that no client can mend propagate."""

    def __init__(self, service: Service, environment: Environment, executor: Executor, reactor: Reactor) -> None:
        self.service = service
        standings, limit = composition.standings(environment), composition.request_limit(environment)
        self._door = Door(service.api, environment.anonymous, standings, limit)
        self._environment = environment
        self._executor = executor
        self._reactor = reactor
        self._generations = composition.read_generations(environment, service)
        wanted = {"all": (True, False), "commands": (True,), "queries": (False,)}[environment.routes]
        self.routes = [route for route in service.api.routes if route.is_command in wanted]

    def answer(self, route: Route, incoming: Incoming, path: dict[str, str], seconds_left: float) -> Answer:
        """One request to one route; `seconds_left` is what remains of the function's time."""
        try:
            caller = self._door.admit(incoming)
            self._door.allow(caller, route)
            for name, value in path.items():
                check_id(value, path_field(name))
            if route.is_command:
                return self._command(route, incoming, path, caller, seconds_left)
            return self._query(route, incoming, path, caller.tenant)
        except FoldstackError as error:
            return refusal(error)

    def unrouted(self, incoming: Incoming) -> Answer:
        """405 where another method is routed, else 404; to those who may come in."""
        if not self._environment.anonymous:
            try:
                self._door.admit(incoming)
            except FoldstackError as error:
                return refusal(error)
        allowed = sorted({route.method for route in self.routes if _matches(route, incoming.path)})
        if allowed:
            detail = f"{incoming.path} takes {', '.join(allowed)}"
            return problem(405, "method-not-allowed", detail, headers={"allow": ", ".join(allowed)})
        return problem(404, "no-such-path", f"there is nothing at {incoming.path}")

    def _command(
        self, route: Route, incoming: Incoming, path: dict[str, str], caller: Caller, seconds_left: float
    ) -> Answer:
        key = incoming.idempotency_key()
        document = incoming.json() if route.body and key else None
        body = parse_body(route.body, incoming.raw_body) if route.body else None
        parse_query(route.query, incoming.query)
        name = f"{route.method} {route.template}"
        context = CommandContext(
            command_id=command_id(
                caller.tenant, caller.subject, name, "key" if key else "once", key or incoming.request_id
            ),
            request_hash=request_hash(route.method, route.template, path, document) if key else "",
            keyed=key is not None,
            expected=incoming.expected_version(),
            deadline=self._executor.clock() + seconds_left - _MARGIN,
            correlation=incoming.request_id,
            actor=caller.subject,
            traceparent=incoming.traceparent(),
        )
        request = CommandRequest(
            tenant=caller.tenant,
            path=path,
            body=body,
            now=_now(),
            url=incoming.url,
            context=context,
            service=self.service,
            executor=self._executor,
            reactor=self._reactor,
            inline=timedelta(seconds=self._environment.inline_seconds),
            environment=self._environment.variables,
        )
        answer = _answer(route.handler(request))
        if (answer.status < 300 or answer.status == 402) and request.tips:
            answer.headers[TOKEN_HEADER] = Token.of(self._environment.store_epoch, request.tips.items()).encode()
            if request.version is not None:
                answer.headers["etag"] = f'"{request.version}"'
        return answer

    def _query(self, route: Route, incoming: Incoming, path: dict[str, str], tenant: Tenant) -> Answer:
        text = incoming.headers.get(TOKEN_HEADER)
        token = Token.decode(text) if text is not None else None
        query = parse_query(route.query, incoming.query)
        views = composition.views(
            self._environment, self.service, self._executor.store, tenant, token, self._generations
        )
        return _answer(route.handler(QueryRequest(tenant, path, query, _now(), views, incoming.url)))


def refusal(error: FoldstackError) -> Answer:
    """The problem document for an error that a client can understand; any other is raised again."""
    if isinstance(error, InvalidFields):
        return problem(400, "invalid-request", str(error), errors=error.errors)
    if isinstance(error, BodyTooLarge):
        return problem(413, "body-too-large", str(error), errors=[("body", str(error))])
    answer = from_error(error)
    if answer is None:
        raise error
    return answer


def encode(answer: Answer) -> tuple[int, dict[str, str], str]:
    """Status, headers and body text."""
    headers = {"cache-control": "no-store", **answer.headers}
    if answer.body is None:
        return answer.status, headers, ""
    headers.setdefault("content-type", "application/json")
    return answer.status, headers, _json(answer.body)


def _json(body: Any) -> str:
    if isinstance(body, BaseModel):
        return body.model_dump_json(by_alias=True)
    return to_json(body, by_alias=True).decode()


def _answer(made: Answer | Rejection) -> Answer:
    return from_rejection(made) if isinstance(made, Rejection) else made


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _matches(route: Route, path: str) -> bool:
    parts, given = route.template.split("/"), path.split("/")
    if len(parts) != len(given):
        return False
    return all(p == g or (p.startswith("{") and g) for p, g in zip(parts, given, strict=True))
