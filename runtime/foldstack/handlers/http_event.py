"""What arrived over HTTP (API Gateway payload format 2.0), checked before any route is looked for."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from ..kernel.errors import FoldstackError, InvalidValue
from ..kernel.keys import ID_PATTERN

MOST_BODY_BYTES = 256 * 1024
_SEGMENT = re.compile(ID_PATTERN).fullmatch
_KEY = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
_VERSION = re.compile(r'"?([0-9]{1,15})"?').fullmatch


class BodyTooLarge(FoldstackError):
    """Over 256 KB: refused before it is parsed."""


@dataclass
class InvalidFields(FoldstackError):
    """Some fields of a body or a query string are not as declared: (field, reason) each."""

    errors: list[tuple[str, str]]

    def __str__(self) -> str:
        return "; ".join(f"{field}: {reason}" for field, reason in self.errors)


@dataclass(frozen=True)
class Incoming:
    """One request. `url` is the API's address without a path; `claims` are those of a verified token."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw_body: bytes
    url: str
    request_id: str
    claims: Mapping[str, Any]

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Incoming":
        """Raises InvalidValue for a path segment outside the grammar of ids, BodyTooLarge for a large body."""
        context = event["requestContext"]
        body = event.get("body") or ""
        raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
        if len(raw) > MOST_BODY_BYTES:
            raise BodyTooLarge(f"the body has {len(raw)} bytes; at most {MOST_BODY_BYTES} are taken")
        path = event["rawPath"]
        for segment in path.strip("/").split("/"):
            if segment and not _SEGMENT(segment):
                reason = "each part has 1 to 128 of A-Z, a-z, 0-9 and . _ ~ -"
                raise InvalidValue("path", f"{reason}; got {segment[:140]!r}")
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        scheme = headers.get("x-forwarded-proto", "https")
        claims = context.get("authorizer", {}).get("jwt", {}).get("claims", {})
        return cls(
            context["http"]["method"],
            path,
            event.get("queryStringParameters") or {},
            headers,
            raw,
            f"{scheme}://{context['domainName']}",
            context["requestId"],
            claims,
        )

    def idempotency_key(self) -> str | None:
        key = self.headers.get("idempotency-key")
        if key is not None and not _KEY(key):
            raise InvalidValue("idempotency-key", "1 to 255 visible ASCII characters")
        return key

    def expected_version(self) -> int | None:
        text = self.headers.get("if-match")
        if text is None:
            return None
        version = _VERSION(text)
        if version is None:
            raise InvalidValue("if-match", 'a version as an earlier answer\'s etag gave it, e.g. "3"')
        return int(version[1])

    def traceparent(self) -> str:
        text = self.headers.get("traceparent", "")
        return text if _TRACEPARENT(text) else ""

    def json(self) -> Any:
        """The body as plain JSON, None where there is none. Raises InvalidValue."""
        if not self.raw_body:
            return None
        try:
            return from_json(self.raw_body, allow_inf_nan=False)
        except ValueError as error:
            raise InvalidValue("body", f"is not JSON: {error}") from None


def parse_body(model: type[BaseModel], raw: bytes) -> Any:
    """Raises InvalidFields naming every field that is wrong, unknown or missing."""
    if not raw:
        raise InvalidFields([("body", "a JSON object is required")])
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidFields(_named(error, "body")) from None


def parse_query(model: type[BaseModel] | None, query: Mapping[str, str]) -> Any:
    """Raises InvalidFields. A route that declares no query takes none."""
    if model is None:
        if query:
            raise InvalidFields([(name, "unknown query parameter") for name in query])
        return None
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise InvalidFields(_named(error, "query")) from None


def path_field(parameter: str) -> str:
    return to_camel(parameter)


def _named(error: ValidationError, whole: str) -> list[tuple[str, str]]:
    return [
        (".".join(str(part) for part in each["loc"]) or whole, each["msg"])
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
