"""One sandbox: a process of its own under AWS's runtime client, fed through a Runtime API of its own."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .http_server import HttpServer, Limits, Request, Response
from .invocation import FunctionSpec

# AWS's own figure: 6 MB and 100 bytes.
MAX_RESPONSE = 6_291_556
INIT_SECONDS = 10.0

_MAIN = Path(__file__).resolve().parent / "sandbox_main.py"
_PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Outcome:
    """What came of one event. `payload`: the response, the error's JSON, or how the process ended."""

    kind: Literal["response", "error", "timeout", "init-timeout", "exit"]
    payload: bytes = b""


@dataclass(frozen=True)
class Surroundings:
    """What every sandbox of a host shares."""

    region: str
    endpoint_url: str
    credentials_url: str
    supplied: Path
    scratch: Path


class Sandbox:
    """Takes one event at a time. Once `alive` is False it is of no use any more."""

    def __init__(self, spec: FunctionSpec, surroundings: Surroundings) -> None:
        self.spec = spec
        self.token = secrets.token_urlsafe(32)
        self._surroundings = surroundings
        self._init_ms: float | None = None
        self._spent = False
        self._scratch = surroundings.scratch / secrets.token_hex(8)
        # A handler may be silent for 15 minutes, so its connection may too.
        self._api = HttpServer(self._serve, limits=Limits(idle=None))
        self._process: asyncio.subprocess.Process | None = None
        self._exited: asyncio.Task[int] | None = None
        self._asked = asyncio.Event()
        self._events: asyncio.Queue[tuple[bytes, dict[str, str]]] = asyncio.Queue()
        self._request_id = ""
        self._answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    @property
    def alive(self) -> bool:
        return not self._spent and self._exited is not None and not self._exited.done()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self, log: int) -> Outcome | None:
        """Start the process, printing to `log`, until it asks for work. An outcome: it did not come so far."""
        began = time.monotonic()
        await self._api.start()
        self._scratch.mkdir(mode=0o700, parents=True)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(_MAIN),
            self.spec.handler,
            str(self._surroundings.supplied),
            str(self.spec.task_dir),
            *(str(layer) for layer in self.spec.layer_dirs),
            cwd=self.spec.task_dir,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            umask=0o077,
            start_new_session=True,
        )
        self._exited = asyncio.create_task(self._process.wait())
        asked = asyncio.create_task(self._asked.wait())
        waits: set[asyncio.Future[Any]] = {asked, self._exited, self._answer}
        # AWS begins an init that took too long anew, in the time of the invocation.
        seconds = INIT_SECONDS + self.spec.timeout
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if self._asked.is_set():
            self._init_ms = (time.monotonic() - began) * 1000
            return None
        self._spent = True
        if self._answer.done():
            return self._answer.result()
        if self._exited.done():
            return _exit(self._exited.result())
        return Outcome("init-timeout")

    async def invoke(self, event: bytes, request_id: str, trace: str) -> Outcome:
        """Run the handler on `event`, and kill the sandbox when the function's timeout has passed."""
        assert self._exited is not None
        self._request_id = request_id
        self._answer = asyncio.get_running_loop().create_future()
        deadline = int((time.time() + self.spec.timeout) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": self.spec.arn,
            "Lambda-Runtime-Trace-Id": trace,
            "Content-Type": "application/json",
        }
        self._events.put_nowait((event, headers))
        await asyncio.wait({self._answer, self._exited}, timeout=self.spec.timeout, return_when=asyncio.FIRST_COMPLETED)
        if self._answer.done():
            return self._answer.result()
        if self._exited.done():
            return _exit(self._exited.result())
        await self.close()
        return Outcome("timeout")

    async def close(self) -> None:
        """Kill the process and what it started, wait until it is gone, remove its temporary files."""
        self._spent = True
        process, self._process = self._process, None
        if process is not None and self._exited is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await self._exited
        await self._api.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def take_init_ms(self) -> float | None:
        """How long it took to start, told once."""
        taken, self._init_ms = self._init_ms, None
        return taken

    def peak_memory_mb(self) -> int | None:
        """Most memory it has used, where the system tells."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(lines[0].split()[1]) // 1024 if lines else None

    async def _serve(self, request: Request) -> Response:
        path = request.target.removeprefix(_PREFIX)
        if path == "invocation/next":
            self._asked.set()
            event, headers = await self._events.get()
            return Response(200, event, list(headers.items()))
        kind = path.rsplit("/", 1)[-1]
        if path != "init/error" and (
            path != f"invocation/{self._request_id}/{kind}" or kind not in ("response", "error")
        ):
            return Response(400, b'{"errorMessage":"no such invocation","errorType":"InvalidRequestID"}')
        if self._answer.done():
            return Response(400, b'{"errorMessage":"already answered","errorType":"InvalidRequestID"}')
        if len(request.body) > MAX_RESPONSE:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
            error = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
            self._spent = True  # the runtime client ends itself on this answer
            self._answer.set_result(Outcome("error", json.dumps(error).encode()))
            return Response(413, b'{"errorMessage":"response too large","errorType":"RequestEntityTooLarge"}')
        self._answer.set_result(Outcome("response" if kind == "response" else "error", request.body))
        return Response(202, b'{"status":"OK"}')

    def _environment(self) -> Mapping[str, str]:
        """Lambda's variables and the function's own; nothing of this process."""
        spec, around = self.spec, self._surroundings
        own = {k: v for k, v in spec.environment.items() if k != "MINISTACK_LAMBDA_PROXY_URL"}
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "AWS_ENDPOINT_URL": around.endpoint_url,
            **own,
            # A home of its own: the SDK would find the user's credentials before the role's.
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "AWS_REGION": around.region,
            "AWS_DEFAULT_REGION": around.region,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": around.credentials_url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.token,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.port}",
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": time.strftime("%Y/%m/%d/[$LATEST]", time.gmtime()) + secrets.token_hex(16),
            "LAMBDA_TASK_ROOT": str(spec.task_dir),
            "LAMBDA_RUNTIME_DIR": str(around.supplied),
            "_HANDLER": spec.handler,
        }


def _exit(code: int) -> Outcome:
    if code == 0:
        return Outcome("exit", b"Runtime exited without providing a reason")
    how = f"signal: {(signal.strsignal(-code) or str(-code)).lower()}" if code < 0 else f"exit status {code}"
    return Outcome("exit", f"Runtime exited with error: {how}".encode())
