"""Errors as clients see them: RFC 9457 problem documents that name the field."""

from collections.abc import Mapping, Sequence
from typing import Any

from .decision import Rejection
from .errors import (
    AccessRefused,
    InvalidValue,
    KeyReuse,
    OutcomeUnknown,
    PreconditionFailed,
    StoreThrottled,
    StoreTimeout,
    TooManyRequests,
    Unavailable,
)
from .http_answer import Answer

CONTENT_TYPE = "application/problem+json"
_STATUS = {"not-found": 404, "conflict": 409, "invalid": 422, "forbidden": 403}
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[tuple[str, str]] = (),
    headers: dict[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Answer:
    """An answer with a problem document. `errors` are (field, reason); `facts` become members of their own."""
    document: dict[str, Any] = {
        "type": f"urn:foldstack:problem:{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        document["errors"] = [{"field": field, "reason": reason} for field, reason in errors]
    return Answer(status, {**(facts or {}), **document}, {**(headers or {}), "content-type": CONTENT_TYPE})


def from_rejection(rejection: Rejection) -> Answer:
    return problem(_STATUS[rejection.kind], rejection.code, rejection.detail, facts=rejection.facts)


def from_error(error: Exception) -> Answer | None:
    """The answer to an error that the tree in `errors.py` knows; None for any other: that one is a fault."""
    if isinstance(error, InvalidValue):
        return problem(400, "invalid-value", str(error), errors=[(error.field, error.reason)])
    if isinstance(error, AccessRefused):
        challenge = {"www-authenticate": 'Bearer error="invalid_token"'} if error.status == 401 else None
        return problem(error.status, error.code, error.reason, headers=challenge)
    if isinstance(error, KeyReuse):
        return problem(422, "key-reused", str(error), errors=[("idempotency-key", str(error))])
    if isinstance(error, PreconditionFailed):
        return problem(
            412, "precondition-failed", str(error), errors=[("if-match", str(error))], facts={"version": error.actual}
        )
    if isinstance(error, TooManyRequests):
        return problem(429, "too-many-requests", str(error), headers={"retry-after": str(error.retry_after)})
    if isinstance(error, OutcomeUnknown):
        return problem(503, "outcome-unknown", str(error), headers={"retry-after": str(error.retry_after)})
    if isinstance(error, Unavailable):
        # What one request to a service said is for the log: it may name what a client should not know.
        lost = isinstance(error, StoreTimeout | StoreThrottled)
        detail = "a service behind this one did not answer; try again" if lost else str(error)
        return problem(503, "unavailable", detail, headers={"retry-after": str(error.retry_after)})
    return None
