"""HTTP/1.1 on loopback: h11 over asyncio, with a limit on every size and on every wait."""

import asyncio
import contextlib
import http
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import h11

log = logging.getLogger(__name__)

_CHUNK = 64 * 1024
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One whole request; header names are in lower case, in the order sent."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: str

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, waits in seconds. `idle` None leaves a connection open for as long as it says nothing."""

    head: int = 64 * 1024
    body: int = 64 * 1024 * 1024
    idle: float | None = 75.0
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    connections: int = 1024


Handle = Callable[[Request], Awaitable[Response]]
Refuse = Callable[[int], Response]


class _Refused(Exception):
    """The request cannot be taken; `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HttpServer:
    """Serves one loopback port. `refuse` makes the answers to what never reaches `handle`."""

    def __init__(self, handle: Handle, *, limits: Limits | None = None, refuse: Refuse | None = None) -> None:
        self._handle = handle
        self._limits = limits or Limits()
        self._refuse = refuse or (lambda status: Response(status))
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= self._limits.connections:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            # Cancelled: the server stops. Reset, or too slow to read its answer: the client has gone.
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await _Connection(self._handle, self._refuse, self._limits, reader, writer).serve()
        finally:
            self._connections.discard(task)
            writer.transport.abort()


class _Connection:
    def __init__(
        self,
        handle: Handle,
        refuse: Refuse,
        limits: Limits,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._handle, self._refuse, self._limits = handle, refuse, limits
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)
        peer = writer.get_extra_info("peername")
        self._peer = peer[0] if peer else "127.0.0.1"

    async def serve(self) -> None:
        while True:
            method = "GET"
            try:
                head = await self._head()
                if head is None:
                    return
                method = head.method.decode("ascii")
                request = await self._request(head)
            except _Refused as refused:
                await self._send(self._refuse(refused.status), method, close=True)
                await self._linger()
                return
            await self._send(await self._answer(request), method)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                await self._linger()
                return
            self._http.start_next_cycle()

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._handle(request)
        except Exception:
            log.exception("no answer to %s %s", request.method, request.target)
            return self._refuse(500)

    async def _head(self) -> h11.Request | None:
        """The next request's head, or None when the client has closed or stayed silent."""
        first = True
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while True:
            event = self._next()
            if isinstance(event, h11.Request):
                names = sum(len(name) + len(value) + 4 for name, value in event.headers)
                if len(event.method) + len(event.target) + 14 + names > self._limits.head:
                    raise _Refused(431)
                return event
            if isinstance(event, h11.ConnectionClosed):
                return None
            if first and not self._http.trailing_data[0]:
                data = await self._read(self._limits.idle)
                if data is None:
                    return None
            else:
                deadline = deadline or loop.time() + self._limits.head_seconds
                data = await self._read(deadline - loop.time())
                if data is None:
                    raise _Refused(408)
            first = False
            self._receive(data)

    async def _request(self, head: h11.Request) -> Request:
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
        length = next((int(value) for name, value in headers if name == "content-length"), 0)
        if length > self._limits.body:
            raise _Refused(413)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.body_seconds
        parts: list[bytes] = []
        size = 0
        while True:
            if self._http.they_are_waiting_for_100_continue:
                self._writer.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            event = self._next()
            if isinstance(event, h11.Data):
                size += len(event.data)
                if size > self._limits.body:
                    raise _Refused(413)
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                data = await self._read(deadline - loop.time())
                if data is None:
                    raise _Refused(408)
                self._receive(data)
        method, target = head.method.decode("ascii"), head.target.decode("latin-1")
        return Request(method, target, headers, b"".join(parts), self._peer)

    def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise _Refused(error.error_status_hint) from error

    def _receive(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
        except h11.RemoteProtocolError as error:
            raise _Refused(error.error_status_hint) from error

    async def _read(self, seconds: float | None) -> bytes | None:
        """Some bytes, b"" at the end of the stream, or None when `seconds` have passed."""
        try:
            return await asyncio.wait_for(self._reader.read(_CHUNK), seconds)
        except TimeoutError:
            return None

    async def _send(self, response: Response, method: str, *, close: bool = False) -> None:
        """Write the whole answer at once: two writes would wait for a delayed acknowledgement."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        bare = response.status in (204, 304)
        headers = [(name.encode("ascii"), value.encode("utf-8")) for name, value in response.headers]
        if not bare:
            headers.append((b"content-length", str(len(response.body)).encode()))
        if close:
            headers.append((b"connection", b"close"))
        data = (
            self._http.send(h11.Response(status_code=response.status, headers=headers, reason=_reason(response.status)))
            or b""
        )
        if response.body and not bare and method != "HEAD":
            data += self._http.send(h11.Data(data=response.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self._writer.write(data)
        async with asyncio.timeout(self._limits.body_seconds):
            await self._writer.drain()

    async def _linger(self) -> None:
        """Take what the client is still sending, so that it reads the answer instead of a reset."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        taken = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while taken < _LINGER_BYTES and (data := await self._reader.read(_CHUNK)):
                    taken += len(data)


def _reason(status: int) -> bytes:
    try:
        return http.HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""
