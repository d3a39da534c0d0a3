"""A function's answer as an HTTP response, by API Gateway's payload format 2.0."""

import base64
import binascii
import json
import re
from typing import Any

from .http_server import Response

# The gateway sets these itself.
_OWN = frozenset({"content-length", "connection", "transfer-encoding", "apigw-requestid", "date"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


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
    stated = answer.get("headers") or {}
    cookies = answer.get("cookies") or []
    if not isinstance(stated, dict) or not isinstance(cookies, list):
        raise TypeError("headers are an object, cookies a list")
    headers = [(_name(name), _value(value)) for name, value in stated.items() if value is not None]
    headers = [(name, value) for name, value in headers if name not in _OWN]
    if all(name != "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    headers += [("set-cookie", _value(cookie)) for cookie in cookies]
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


def _name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no header name")
    return name.lower()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise TypeError(f"{value!r} is no header value")
    text = str(value).strip()
    if _CONTROL.search(text):
        raise ValueError("a header value has a control character")
    return text
