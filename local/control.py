"""The control endpoint of a running cloud: status, a deployment anew, the end. JSON over loopback HTTP."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .running import Running, control_token

Event = dict[str, Any]
Tell = Callable[[Event], None]


class ControlError(Exception):
    """The running cloud did not answer."""


class ControlServer:
    """Answers GET /status, POST /deploy (a line of JSON for each event) and POST /down."""

    def __init__(
        self,
        home: Path,
        *,
        status: Callable[[], Event],
        deploy: Callable[[Event, Tell], None],
        down: Callable[[Event], None],
    ) -> None:
        token = control_token(home)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self._allowed("/status"):
                    self._answer(status())

            def do_POST(self) -> None:
                if self.path == "/deploy" and self._allowed("/deploy"):
                    self.send_response(200)
                    self.end_headers()
                    deploy(self._body(), self._tell)
                elif self._allowed("/down"):
                    down(self._body())
                    self._answer({})

            def log_message(self, format: str, *args: Any) -> None:
                """The log is the supervisor's own."""

            def _allowed(self, path: str) -> bool:
                if self.path == path and self.headers.get("authorization") == token:
                    return True
                self.send_error(403)
                return False

            def _body(self) -> Event:
                return json.loads(self.rfile.read(int(self.headers["content-length"])))

            def _tell(self, event: Event) -> None:
                # Whoever asked may have gone; the deployment goes on.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    self.wfile.flush()

            def _answer(self, content: Event) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="control", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Control:
    """The caller's side."""

    def __init__(self, home: Path, running: Running) -> None:
        self._home, self._running = home, running

    def status(self) -> Event:
        return json.loads(self._request("GET", "/status", None).read())

    def deploy(self, request: Event) -> Iterator[Event]:
        """Events of a deployment as they come."""
        for line in self._request("POST", "/deploy", request):
            yield json.loads(line)

    def down(self, *, keep_data: bool) -> None:
        self._request("POST", "/down", {"keep_data": keep_data}).read()

    def _request(self, method: str, path: str, content: Event | None) -> http.client.HTTPResponse:
        where = urlsplit(self._running.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=600)
        body = None if content is None else json.dumps(content).encode()
        try:
            connection.request(method, path, body, {"authorization": control_token(self._home)})
            answer = connection.getresponse()
        except OSError as error:
            raise ControlError(f"the cloud (pid {self._running.supervisor.pid}) does not answer: {error}") from None
        if answer.status != 200:
            raise ControlError(f"the cloud refused {path}: {answer.status} {answer.reason}")
        return answer
