"""A function's sandboxes: warm ones are used again, broken ones replaced, calls beyond its share throttled."""

import asyncio
import json
import random
import time
import uuid

from .function_log import FunctionLog
from .invocation import Crash, FunctionSpec, Invocation, Status
from .sandbox import Outcome, Sandbox, Surroundings

MAX_REQUEST = 6 * 1024 * 1024
_AMID_SECONDS = 0.05


class SandboxPool:
    """`roles` maps each living sandbox's token to the function's role: who may ask for which credentials."""

    def __init__(
        self,
        spec: FunctionSpec,
        surroundings: Surroundings,
        function_log: FunctionLog,
        *,
        max_sandboxes: int,
        roles: dict[str, str],
    ) -> None:
        self._spec, self._surroundings, self._log, self._roles = spec, surroundings, function_log, roles
        self._places = asyncio.Semaphore(max_sandboxes)
        self._idle: list[Sandbox] = []
        self._all: set[Sandbox] = set()
        self._running = 0
        self._retired = False

    def pids(self) -> list[int]:
        """The processes of the sandboxes there are."""
        return [sandbox.pid for sandbox in self._all if sandbox.pid is not None]

    async def invoke(self, payload: bytes, trace: str, crash: Crash | None = None) -> Invocation:
        request_id = str(uuid.uuid4())
        if len(payload) > MAX_REQUEST:
            message = (
                f"{len(payload)} byte payload is too large for the RequestResponse invocation type"
                f" (limit {MAX_REQUEST} bytes)"
            )
            return _failed("too-large", "RequestEntityTooLargeException", message, request_id)
        if self._spec.reserved is not None and self._running >= self._spec.reserved:
            return _failed("throttled", "TooManyRequestsException", "Rate Exceeded.", request_id)
        self._running += 1
        try:
            async with self._places:
                return await self._run(payload, request_id, trace, crash)
        finally:
            self._running -= 1

    async def retire(self, *, kill: bool = False) -> None:
        """Idle sandboxes end now, busy ones after their event, or now with `kill`."""
        self._retired = True
        for sandbox in list(self._all) if kill else list(self._idle):
            await self._discard(sandbox)

    async def _run(self, payload: bytes, request_id: str, trace: str, crash: Crash | None) -> Invocation:
        sandbox, outcome = await self._sandbox()
        self._log.start(request_id)
        began = time.monotonic()
        if outcome is None and crash == "before":
            outcome = await _killed(sandbox)
        if outcome is None and crash == "amid":
            working = asyncio.create_task(sandbox.invoke(payload, request_id, trace))
            await asyncio.wait({working}, timeout=random.uniform(0, _AMID_SECONDS))
            outcome = await _killed(sandbox)
            await working
        if outcome is None:
            outcome = await sandbox.invoke(payload, request_id, trace)
        if crash == "after":
            outcome = await _killed(sandbox)
        milliseconds = (time.monotonic() - began) * 1000
        memory = sandbox.peak_memory_mb()
        if sandbox.alive and not self._retired:
            self._idle.append(sandbox)
        else:
            await self._discard(sandbox)
        answer = self._invocation(outcome, request_id)
        self._log.end(answer, milliseconds, self._spec, memory, sandbox.take_init_ms())
        return answer

    async def _sandbox(self) -> tuple[Sandbox, Outcome | None]:
        """A warm sandbox or a new one; with an outcome if the new one came to nothing."""
        while self._idle:
            sandbox = self._idle.pop()
            if sandbox.alive:
                return sandbox, None
            await self._discard(sandbox)
        sandbox = Sandbox(self._spec, self._surroundings)
        self._all.add(sandbox)
        self._roles[sandbox.token] = self._spec.role_arn
        try:
            with self._log.opened() as log:
                return sandbox, await sandbox.start(log)
        except BaseException:
            await self._discard(sandbox)
            raise

    async def _discard(self, sandbox: Sandbox) -> None:
        if sandbox in self._idle:
            self._idle.remove(sandbox)
        self._all.discard(sandbox)
        self._roles.pop(sandbox.token, None)
        await sandbox.close()

    def _invocation(self, outcome: Outcome, request_id: str) -> Invocation:
        match outcome.kind:
            case "response":
                return Invocation("ok", outcome.payload, None, request_id)
            case "error":
                error = json.loads(outcome.payload)
                return _error({**error, "requestId": error.get("requestId") or request_id}, request_id)
            case "exit":
                message = f"RequestId: {request_id} Error: {outcome.payload.decode()}"
                return _error({"errorType": "Runtime.ExitError", "errorMessage": message}, request_id)
            case "init-timeout":
                message = f"RequestId: {request_id} Error: the runtime did not ask for work in time"
                return _failed("timeout", "Sandbox.Timedout", message, request_id)
            case "timeout":
                message = f"RequestId: {request_id} Error: Task timed out after {self._spec.timeout:.2f} seconds"
                return _failed("timeout", "Sandbox.Timedout", message, request_id)


async def _killed(sandbox: Sandbox) -> Outcome:
    await sandbox.close()
    return Outcome("exit", b"Runtime exited with error: signal: killed")


def _error(error: dict, request_id: str) -> Invocation:
    return Invocation("error", json.dumps(error).encode(), error, request_id)


def _failed(status: Status, kind: str, message: str, request_id: str) -> Invocation:
    error = {"errorType": kind, "errorMessage": message}
    return Invocation(status, json.dumps(error).encode(), error, request_id)
