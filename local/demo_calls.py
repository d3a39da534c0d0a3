"""The calls of a demo: one request each, shown with its answer."""

import http.client
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape

from .tokens import Tokens

_TIMEOUT = 40.0
_ALIKE_SHOWN = 3


@dataclass(frozen=True)
class Answer:
    """`json` is None where there was no body. Header names are lower-case."""

    status: int
    headers: dict[str, str]
    json: Any


class Calls:
    """Calls one API over one connection. Of calls alike in a row only the first are shown whole.

    `tokens` are those that the API accepts; without any it is anonymous, and a tenant is named by header.
    """

    def __init__(self, url: str, console: Console, tokens: Tokens | None) -> None:
        self._tokens = tokens
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_TIMEOUT)
        self._base = where.path
        self._console = console
        self._alike: tuple[str, int] | None = None
        self._count = 0

    def call(
        self,
        tenant: str,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        role: str | None = None,
    ) -> Answer:
        """Send one request of a tenant's user, the body as JSON, and show it with its answer. Without a role the user
        has the domain's first."""
        content = None if body is None else json.dumps(body).encode()
        sent = {**self._caller(tenant, role), **(headers or {})}
        if content is not None:
            sent.setdefault("content-type", "application/json")
        begun = time.perf_counter()
        self._connection.request(method, self._base + path, content, sent)
        response = self._connection.getresponse()
        answered = response.read()
        milliseconds = (time.perf_counter() - begun) * 1000
        got = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, got, _json(answered))
        self._show(tenant, method, path, content, answer, milliseconds)
        return answer

    def close(self) -> None:
        self._tell_omitted()
        self._connection.close()

    def _caller(self, tenant: str, role: str | None) -> dict[str, str]:
        if self._tokens is None:
            return {"x-tenant-id": tenant}
        return {"authorization": f"Bearer {self._tokens.of(tenant, role or 'somebody', role)['access_token']}"}

    def _show(
        self, tenant: str, method: str, path: str, content: bytes | None, answer: Answer, milliseconds: float
    ) -> None:
        kind = (f"{method} {re.sub(r'[^/]*[0-9][^/]*', '…', path)}", answer.status)
        if kind != self._alike:
            self._tell_omitted()
            self._alike, self._count = kind, 0
        self._count += 1
        if self._count > _ALIKE_SHOWN:
            return
        colour = "green" if answer.status < 400 else "yellow" if answer.status < 500 else "red"
        self._console.print(f"[bold]{method} {escape(path)}[/bold]  [dim]{escape(tenant)}[/dim]")
        if content:
            self._line(f"  [dim]{escape(content.decode())}[/dim]")
        shown = "" if answer.json is None else escape(json.dumps(answer.json, ensure_ascii=False))
        self._line(f"  [{colour}]{answer.status}[/{colour}] {milliseconds:.0f} ms  {shown}")

    def _line(self, text: str) -> None:
        """One line, cut where the terminal ends."""
        self._console.print(text, no_wrap=True, overflow="ellipsis", crop=True)

    def _tell_omitted(self) -> None:
        if self._alike and self._count > _ALIKE_SHOWN:
            what, status = self._alike
            self._console.print(f"  … and {self._count - _ALIKE_SHOWN} more: {escape(what)}, each answered {status}")


def _json(body: bytes) -> Any:
    return json.loads(body) if body else None
