"""A payment provider on loopback, with the manners of a real one: idempotency keys, declines, slowness, faults.

    python -m shop.stand_ins.payment_provider --port 4010

POST /charges   {"reference", "amount", "currency", "token"} with Authorization and Idempotency-Key
POST /charges/{reference}/cancellation   with Authorization: gives back what was charged, and refuses it from then on
GET  /charges   {"items": [{"reference", "amount", "currency", "status"}]}
PUT  /outage    {"down": true}: every POST is answered 503 until {"down": false}

Tokens: tok_ok succeeds; tok_declined is declined; tok_slow succeeds after 10 s; tok_flaky fails twice, then
succeeds; tok_lost succeeds, and answers with a fault all the same; any other is declined as unknown.
"""

import argparse
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_SECONDS = 10.0
FLAKY_FAULTS = 2
_MOST_BODY = 64 * 1024
_FIELDS = {"reference", "amount", "currency", "token"}
_CANCELLATION = re.compile(r"/charges/([A-Za-z0-9._~-]{1,128})/cancellation").fullmatch
_PATHS = "GET /charges, POST /charges, POST /charges/{reference}/cancellation, or PUT /outage"

Response = tuple[int, dict[str, Any]]


@dataclass
class Attempt:
    """One idempotency key: its request, and the answer once there is one."""

    request: dict[str, str]
    done: threading.Event = field(default_factory=threading.Event)
    faults: int = 0
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)


class Charges:
    """Every key is charged once: a repetition waits for the first and is answered the same. What was cancelled is
    charged never again."""

    def __init__(self, slow_seconds: float = SLOW_SECONDS) -> None:
        self._slow = slow_seconds
        self._lock = threading.Lock()
        self._attempts: dict[str, Attempt] = {}
        self._items: dict[str, dict[str, str]] = {}
        self._cancelled: dict[str, str] = {}
        self.down = False

    def charge(self, key: str, request: dict[str, str]) -> Response:
        with self._lock:
            if request["reference"] in self._cancelled:
                return _gone(request["reference"])
            attempt = self._attempts.get(key)
            first = attempt is None
            if attempt is None:
                attempt = self._attempts[key] = Attempt(request)
            elif attempt.request != request:
                return 422, {"error": "this idempotency key was used for another request"}
            if request["token"] == "tok_flaky" and attempt.faults < FLAKY_FAULTS:
                attempt.faults += 1
                return 500, {"error": "a fault of ours; repeat the call"}
            if request["token"] == "tok_flaky" and not attempt.done.is_set():
                first = True
            if first:
                if request["token"] != "tok_slow":
                    self._settle(attempt)
                else:
                    threading.Timer(self._slow, self._settle_later, [attempt]).start()
        attempt.done.wait()
        return attempt.status, attempt.answer

    def cancel(self, reference: str) -> Response:
        """`refunded` where it had been charged, else `cancelled`: the same again however often it is asked."""
        with self._lock:
            if reference not in self._cancelled:
                item = self._items.get(reference)
                charged = item is not None and item["status"] == "succeeded"
                status = self._cancelled[reference] = "refunded" if charged else "cancelled"
                if charged or item is None:
                    unknown = {"reference": reference, "amount": "0", "currency": ""}
                    self._items[reference] = {**(item or unknown), "status": status}
            return 200, {"reference": reference, "status": self._cancelled[reference]}

    def items(self) -> list[dict[str, str]]:
        with self._lock:
            return list(self._items.values())

    def _settle_later(self, attempt: Attempt) -> None:
        with self._lock:
            self._settle(attempt)

    def _settle(self, attempt: Attempt) -> None:
        request = attempt.request
        if request["reference"] in self._cancelled:
            attempt.status, attempt.answer = _gone(request["reference"])
            attempt.done.set()
            return
        succeeded = request["token"] in ("tok_ok", "tok_slow", "tok_flaky", "tok_lost")
        charge = {name: request[name] for name in ("reference", "amount", "currency")}
        charge["status"] = "succeeded" if succeeded else "declined"
        self._items[request["reference"]] = charge
        id = f"ch_{len(self._items):06d}"
        if request["token"] == "tok_lost":
            attempt.status, attempt.answer = 500, {"error": "a fault of ours, and nobody knows what was charged"}
        elif succeeded:
            attempt.status, attempt.answer = 201, {"id": id, **charge}
        else:
            reason = "card declined" if request["token"] == "tok_declined" else "unknown token"
            attempt.status, attempt.answer = 402, {"id": id, "reason": reason, **charge}
        attempt.done.set()


def _gone(reference: str) -> Response:
    return 410, {"reference": reference, "error": "this charge was cancelled"}


class Handler(BaseHTTPRequestHandler):
    """HTTP around `Charges`."""

    protocol_version = "HTTP/1.1"
    charges: Charges

    def do_GET(self) -> None:
        if self.path == "/charges":
            self._send(200, {"items": self.charges.items()})
        else:
            self._send(404, {"error": _PATHS})

    def do_PUT(self) -> None:
        request = self._body()
        if request is None:
            return None
        if self.path != "/outage" or not isinstance(request.get("down"), bool):
            return self._send(404, {"error": f'{_PATHS} with {{"down": true}} or {{"down": false}}'})
        self.charges.down = request["down"]
        return self._send(200, {"down": self.charges.down})

    def do_POST(self) -> None:
        request = self._body()
        if request is None:
            return None
        key = self.headers.get("idempotency-key")
        cancelled = _CANCELLATION(self.path)
        if self.path != "/charges" and not cancelled:
            return self._send(404, {"error": _PATHS})
        if not (self.headers.get("authorization") or "").startswith("Bearer "):
            return self._send(401, {"error": "an Authorization header with a Bearer key is required"})
        if self.charges.down:
            return self._send(503, {"error": "we are down; repeat the call"})
        if cancelled:
            return self._send(*self.charges.cancel(cancelled[1]))
        if not key or set(request) != _FIELDS:
            return self._send(400, {"error": f"an Idempotency-Key and {sorted(_FIELDS)} are required"})
        return self._send(*self.charges.charge(key, request))

    def _body(self) -> dict[str, Any] | None:
        """The object that was sent; None where it is none, and that is answered."""
        length = int(self.headers.get("content-length", "0"))
        if length > _MOST_BODY:
            self.close_connection = True
            self._send(413, {"error": "too large"})
            return None
        try:
            document = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self._send(400, {"error": "the body is no JSON object"})
            return None
        return document

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the laptop cloud has logs of its own."""

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller gave up waiting; its charge stands


def serve(port: int, slow_seconds: float = SLOW_SECONDS) -> ThreadingHTTPServer:
    """A server bound to loopback; port 0 picks a free one. The caller runs `serve_forever`."""
    handler = type("BoundHandler", (Handler,), {"charges": Charges(slow_seconds)})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description="A payment provider on loopback, for the laptop only.")
    parser.add_argument("--port", type=int, default=0)
    server = serve(parser.parse_args().port)
    print(f"ready http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
