"""A door of the gateway: the function behind it, and the client before it."""

import http.client
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from local.gateway import Gateway
from local.invocation import Invocation

MEGABYTE = 1024 * 1024


@dataclass
class Api:
    """A door to a function that remembers its events and answers what it is told."""

    port: int = 0
    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    answer: Any = field(default_factory=lambda: {"statusCode": 200, "body": "fine"})

    def invoke(self, payload: bytes) -> Invocation:
        self.events.append(json.loads(payload))
        return self.answer if isinstance(self.answer, Invocation) else ok(self.answer)

    def call(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers or []:
            connection.putheader(name, value)
        if isinstance(body, bytes):
            connection.putheader("content-length", str(len(body)))
        elif body is not None:
            connection.putheader("transfer-encoding", "chunked")
        connection.endheaders(body, encode_chunked=body is not None and not isinstance(body, bytes))
        answer = connection.getresponse()
        found = (answer.status, answer.getheaders(), answer.read())
        connection.close()
        return found

    def event(self, *call: Any, **more: Any) -> dict[str, Any]:
        assert self.call(*call, **more)[0] == 200
        return self.events[-1]

    def raw(self, data: bytes) -> bytes:
        """What comes back on one connection until the server closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def ok(answer: Any) -> Invocation:
    return Invocation("ok", json.dumps(answer).encode())


def opened(gateway: Gateway) -> Api:
    made = Api()
    made.url = gateway.open("shop", made.invoke)
    made.port = int(made.url.rpartition(":")[2])
    return made


def message(text: str) -> bytes:
    return json.dumps({"message": text}).encode()
