"""API Gateway on this machine: each HTTP API has a loopback port of its own, with AWS's limits and error shapes."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .gateway_event import make_event, new_request_id
from .gateway_response import read_response
from .http_server import HttpServer, Limits, Request, Response
from .invocation import Invocation
from .loop import LoopThread

INTEGRATION_SECONDS = 30.0
# Request line and headers; body.
LIMITS = Limits(head=10_240, body=10 * 1024 * 1024, idle=75.0, head_seconds=10.0, body_seconds=30.0)

_MESSAGES = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class Gateway:
    """Doors by the name of their API. `integration_seconds` is how long a function may take to answer."""

    def __init__(
        self,
        *,
        account: str = "000000000000",
        limits: Limits = LIMITS,
        integration_seconds: float = INTEGRATION_SECONDS,
        workers: int = 128,
    ) -> None:
        self._account = account
        self._limits = limits
        self._integration_seconds = integration_seconds
        self._workers = workers
        self._loop = LoopThread("gateway")
        self._calls: ThreadPoolExecutor | None = None
        self._doors: dict[str, _Door] = {}

    def open(self, name: str, invoke: Callable[[bytes], Invocation], port: int = 0) -> str:
        """Serve the API `name` (its id, on AWS) with one `$default` route to a function; answers its URL."""
        if name in self._doors:
            raise ValueError(f"the gateway already serves an API called {name!r}; close it first")
        self._loop.start()
        if self._calls is None:
            self._calls = ThreadPoolExecutor(self._workers, thread_name_prefix="gateway-call")
        door = _Door(name, invoke, self._account, self._calls, self._limits, self._integration_seconds)
        self._loop.run(door.server.start(port))
        self._doors[name] = door
        return door.url

    def url(self, name: str) -> str:
        return self._doors[name].url

    def close(self, name: str | None = None) -> None:
        """Close one API's door, or all of them and the gateway with it."""
        for closing in [name] if name is not None else list(self._doors):
            self._loop.run(self._doors.pop(closing).server.stop())
        if name is None:
            self._loop.stop()
            if self._calls is not None:
                self._calls.shutdown(wait=False, cancel_futures=True)
                self._calls = None

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Door:
    """One API."""

    def __init__(
        self,
        name: str,
        invoke: Callable[[bytes], Invocation],
        account: str,
        calls: ThreadPoolExecutor,
        limits: Limits,
        integration_seconds: float,
    ) -> None:
        self._name, self._invoke, self._account = name, invoke, account
        self._calls, self._seconds = calls, integration_seconds
        self.server = HttpServer(self._serve, limits=limits, refuse=_refuse)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def _serve(self, request: Request) -> Response:
        authority = self.url.removeprefix("http://")
        event = make_event(request, api_id=self._name, account=self._account, authority=authority)
        answer = await self._answer(json.dumps(event, ensure_ascii=False).encode("utf-8"))
        headers = [(name, value) for name, value in answer.headers if name != "apigw-requestid"]
        request_id = event["requestContext"]["requestId"]
        return Response(answer.status, answer.body, [*headers, ("apigw-requestid", request_id)])

    async def _answer(self, event: bytes) -> Response:
        call = asyncio.get_running_loop().run_in_executor(self._calls, self._invoke, event)
        try:
            done = await asyncio.wait_for(asyncio.shield(call), self._seconds)
        except TimeoutError:
            return _refuse(503)
        match done.status:
            case "ok":
                return read_response(done.payload) or _refuse(500)
            case "too-large":
                return _refuse(413)
            case "throttled":
                return _refuse(503)
            case _:
                return _refuse(500)


def _refuse(status: int) -> Response:
    body = json.dumps({"message": _MESSAGES.get(status, "Bad Request")}).encode()
    return Response(status, body, [("content-type", "application/json"), ("apigw-requestid", new_request_id())])
