"""Lambda on this machine: functions in sandboxes, each call under its own function's role, deadline and limits."""

import asyncio
import json
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from .credentials import RoleCredentials
from .function_log import FunctionLog
from .http_server import HttpServer, Limits, Request, Response
from .invocation import Crash, FunctionSpec, Invocation
from .loop import LoopThread
from .sandbox import Surroundings
from .sandbox_pool import MAX_REQUEST, SandboxPool
from .supplied import link_supplied

__all__ = ["FunctionHost", "FunctionSpec", "Invocation"]

_HTTP_STATUS = {"ok": 200, "throttled": 429, "too-large": 413, "error": 502, "timeout": 504}


class FunctionHost:
    """`home` is private to this host: sandboxes' scratch folders, what Lambda supplies, and `logs`.

    `credentials` answers a role's ARN with credentials; `endpoint_url` is where sandboxes find AWS. A function
    has at most `max_sandboxes` processes; more calls wait for one, unless reserved concurrency throttles them.
    """

    def __init__(
        self,
        home: Path,
        *,
        endpoint_url: str,
        credentials: Callable[[str], RoleCredentials],
        region: str = "us-east-1",
        max_sandboxes: int = 4,
    ) -> None:
        self.logs = home / "logs"
        self._home = home
        self._endpoint_url = endpoint_url
        self._credentials = credentials
        self._region = region
        self._max_sandboxes = max_sandboxes
        self._loop = LoopThread("function-host")
        self._server = HttpServer(self._serve, limits=Limits(body=MAX_REQUEST + 1))
        self._functions: dict[str, SandboxPool] = {}
        self._roles: dict[str, str] = {}
        self._surroundings: Surroundings | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    def start(self, port: int = 0) -> "FunctionHost":
        for folder in (self._home, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        supplied = link_supplied(self._home / "supplied")
        self._loop.start()
        self._loop.run(self._server.start(port))
        self._surroundings = Surroundings(
            self._region, self._endpoint_url, f"{self.url}/credentials", supplied, self._home / "sandboxes"
        )
        return self

    def stop(self) -> None:
        """Kill every sandbox, whatever it does, and sweep what they left."""
        if self._loop.running:
            self._loop.run(self._close())
            self._loop.stop()
        shutil.rmtree(self._home / "sandboxes", ignore_errors=True)

    def register(self, spec: FunctionSpec) -> None:
        """Add a function, or replace the one of this name: sandboxes of the old one take no further event."""
        if not spec.task_dir.is_dir():
            raise FileNotFoundError(f"function {spec.name!r}: its code folder {spec.task_dir} does not exist")
        self._loop.run(self._replace(spec.name, spec))

    def remove(self, name: str) -> None:
        self._loop.run(self._replace(name, None))

    def names(self) -> list[str]:
        return sorted(self._functions)

    def pids(self, name: str) -> list[int]:
        """The processes of a function's sandboxes, busy or idle."""
        return self._loop.run(self._pids(name))

    def invoke(self, name: str, payload: bytes, *, trace: str | None = None, crash: Crash | None = None) -> Invocation:
        """Call a function and wait for its end. `crash` kills the sandbox before, amid or after the handler's work."""
        return self._loop.run(self._invoke(name, payload, trace, crash))

    def __enter__(self) -> "FunctionHost":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _replace(self, name: str, spec: FunctionSpec | None) -> None:
        old = self._functions.pop(name, None)
        if spec is not None:
            assert self._surroundings is not None
            self._functions[name] = SandboxPool(
                spec,
                self._surroundings,
                FunctionLog(self.logs / f"{name}.log"),
                max_sandboxes=self._max_sandboxes,
                roles=self._roles,
            )
        if old is not None:
            await old.retire()

    async def _close(self) -> None:
        await self._server.stop()
        await asyncio.gather(*(function.retire(kill=True) for function in self._functions.values()))
        self._functions.clear()

    async def _pids(self, name: str) -> list[int]:
        return self._functions[name].pids()

    async def _invoke(self, name: str, payload: bytes, trace: str | None, crash: Crash | None) -> Invocation:
        function = self._functions.get(name)
        if function is None:
            known = ", ".join(self.names()) or "none"
            raise LookupError(f"no function is called {name!r}; registered are {known}")
        return await function.invoke(payload, trace or _new_trace(), crash)

    async def _serve(self, request: Request) -> Response:
        """The role credentials of a sandbox, and the emulator's way in: POST /fn/NAME."""
        if request.header("origin") or request.header("host") != f"127.0.0.1:{self._server.port}":
            return Response(403)
        if request.target == "/credentials":
            return await self._serve_credentials(request)
        name = unquote(request.target.removeprefix("/fn/"))
        if request.method != "POST" or not request.target.startswith("/fn/") or name not in self._functions:
            return Response(404)
        done = await self._invoke(name, request.body, request.header("x-amzn-trace-id"), None)
        return Response(_HTTP_STATUS[done.status], done.payload, [("content-type", "application/json")])

    async def _serve_credentials(self, request: Request) -> Response:
        role = self._roles.get(request.header("authorization") or "")
        if role is None:
            return Response(403)
        held = await asyncio.to_thread(self._credentials, role)
        answer = {
            "AccessKeyId": held.access_key,
            "SecretAccessKey": held.secret_key,
            "Token": held.token,
            "Expiration": held.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Response(200, json.dumps(answer).encode(), [("content-type", "application/json")])


def _new_trace() -> str:
    """An X-Ray trace header, not sampled."""
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"
