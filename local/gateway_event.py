"""An HTTP request as the event of API Gateway's payload format 2.0."""

import base64
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from .http_server import Request

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TEXT = re.compile(r"^(text/.+|application/(json|xml|javascript))$")
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
)


def make_event(request: Request, *, api_id: str, account: str, authority: str) -> dict[str, Any]:
    """The event for the `$default` route. `authority` is host and port that the API listens on, whatever `Host` says.

    The path is decoded and the query string is not, as HTTP APIs have it. What holds an escape that is none is
    passed on as it came: the function's own grammar refuses it, in the function's own form.
    """
    target = request.target
    if "://" in target:
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    raw_path, _, query = target.partition("?")
    path = _decoded(raw_path)
    now = datetime.now(UTC)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": _headers(request, authority),
        "requestContext": {
            "accountId": account,
            "apiId": api_id,
            "domainName": authority,
            "domainPrefix": authority.split(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.peer,
                "userAgent": request.header("user-agent") or "",
            },
            "requestId": new_request_id(),
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies := [c.strip() for k, v in request.headers if k == "cookie" for c in v.split(";") if c.strip()]:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = _parameters(query)
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request)
    return event


def new_request_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


def _headers(request: Request, authority: str) -> dict[str, str]:
    headers = _joined([(k, v) for k, v in request.headers if k != "cookie" and k not in _HOP_BY_HOP])
    forwarded = headers.get("x-forwarded-for")
    return {
        **headers,
        "content-length": headers.get("content-length", str(len(request.body))),
        "x-amzn-trace-id": headers.get("x-amzn-trace-id") or f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}",
        "x-forwarded-for": f"{forwarded}, {request.peer}" if forwarded else request.peer,
        "x-forwarded-port": authority.rpartition(":")[2],
        "x-forwarded-proto": "http",
    }


def _body(request: Request) -> tuple[str, bool]:
    """AWS passes these few types as text and every other as base64: forms too, and a body of no type."""
    kind = (request.header("content-type") or "").split(";")[0].strip().lower()
    if _TEXT.match(kind):
        try:
            return request.body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def _parameters(query: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return _joined([(_decoded(name, "+"), _decoded(value, "+")) for name, _, value in pairs])


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _decoded(text: str, space: str = " ") -> str:
    """`text` without its escapes, `space` for a space; as it is where they are not those of UTF-8."""
    if _BAD_ESCAPE.search(text):
        return text
    try:
        return unquote_to_bytes(text.replace(space, " ")).decode("utf-8")
    except UnicodeDecodeError:
        return text
