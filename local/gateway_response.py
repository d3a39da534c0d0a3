"""A function's answer as an HTTP response, by API Gateway's payload format 2.0."""

import base64
import binascii
import json
from typing import Any

from .http_server import Response

# The gateway sets these itself.
_OWN = frozenset({"content-length", "connection", "transfer-encoding", "apigw-requestid", "date"})


def read_response(payload: bytes) -> Response | None:
    """The response, or None where AWS answers 500 because it cannot make one of the function's answer."""
    try:
        answer = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer if isinstance(answer, str) else payload.decode("utf-8")
        return Response(200, body.encode("utf-8"), [("content-type", "application/json")])
    try:
        return _stated(answer)
    except (TypeError, ValueError):
        return None


def _stated(answer: dict[str, Any]) -> Response:
    """Raises TypeError or ValueError on a field of the wrong shape."""
    status = answer["statusCode"]
    if isinstance(status, bool) or not 200 <= int(status) <= 599:
        raise ValueError(status)
    headers = [(str(k).lower(), _header(v)) for k, v in (answer.get("headers") or {}).items() if v is not None]
    headers = [(name, value) for name, value in headers if name not in _OWN]
    if all(name != "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    headers += [("set-cookie", _header(cookie)) for cookie in answer.get("cookies") or []]
    return Response(int(status), _body(answer), headers)


def _body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        body = json.dumps(body)
    if answer.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise ValueError("the body is not base64") from error
    return body.encode("utf-8")


def _header(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise TypeError(value)
    text = str(value)
    if any(c in text for c in "\r\n\x00"):
        raise ValueError("a header value has a line break")
    return text.strip()
