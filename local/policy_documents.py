"""Whether IAM policy documents allow an action: explicit denial first, then any allowance."""

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


class PolicyError(Exception):
    """A policy that cannot be judged here."""


def allows(
    documents: Iterable[Any],
    action: str,
    resource: str,
    *,
    principal: str | None = None,
    context: Mapping[str, str] | None = None,
) -> bool:
    """Evaluate documents (JSON text or objects) for one action on one resource.

    With `principal` (a service such as "events.amazonaws.com", or an ARN) they are resource policies, and
    statements for other principals do not count. `context` holds condition keys, such as "aws:SourceArn".
    """
    allowed = False
    for statement in (s for d in documents for s in statements(d)):
        if _applies(statement, action, resource, principal, context or {}):
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def denies(documents: Iterable[Any], action: str, resource: str, *, principal: str, context: Mapping[str, str]) -> bool:
    """Whether resource policies deny the principal explicitly."""
    return any(
        s["Effect"] == "Deny" and _applies(s, action, resource, principal, context)
        for d in documents
        for s in statements(d)
    )


def statements(policy: Any) -> list[dict[str, Any]]:
    """The statements of a document."""
    parsed = json.loads(policy) if isinstance(policy, str) else policy
    found = parsed.get("Statement", [])
    return found if isinstance(found, list) else [found]


def _applies(
    statement: dict[str, Any], action: str, resource: str, principal: str | None, context: Mapping[str, str]
) -> bool:
    return (
        _element(statement, "Action", action.lower(), str.lower)
        and _element(statement, "Resource", resource, str)
        and (principal is None or _names(statement, principal))
        and all(
            _condition(operator, key, values, context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _element(statement: dict[str, Any], element: str, value: str, form: Any) -> bool:
    if f"Not{element}" in statement:
        return not any(_like(form(p), value) for p in _list(statement[f"Not{element}"]))
    if element not in statement:
        # A trust policy has no Resource.
        return element == "Resource"
    return any(_like(form(p), value) for p in _list(statement[element]))


def _names(statement: dict[str, Any], principal: str) -> bool:
    named = statement.get("Principal")
    if named is None:
        return False
    if named == "*":
        return True
    return any(p in ("*", principal) for group in named.values() for p in _list(group))


def _condition(operator: str, key: str, values: Any, context: Mapping[str, str]) -> bool:
    known = {k.lower(): v for k, v in context.items()}
    operator, optional = operator.removesuffix("IfExists"), operator.endswith("IfExists")
    actual = known.get(key.lower())
    if operator == "Null":
        return (actual is None) == (str(_list(values)[0]).lower() == "true")
    if actual is None:
        return optional or "Not" in operator
    wanted = [str(v) for v in _list(values)]
    match operator:
        case "StringEquals":
            return actual in wanted
        case "StringNotEquals":
            return actual not in wanted
        case "StringEqualsIgnoreCase" | "Bool":
            return actual.lower() in [v.lower() for v in wanted]
        case "StringLike" | "ArnLike" | "ArnEquals":
            return any(_like(v, actual) for v in wanted)
        case "StringNotLike" | "ArnNotLike" | "ArnNotEquals":
            return not any(_like(v, actual) for v in wanted)
    raise PolicyError(f"condition operator {operator} on {key} is not read by the laptop's edge check")


def _like(pattern: str, value: str) -> bool:
    """IAM's wildcards, `*` and `?`; a bracket is an ordinary character."""
    return re.fullmatch(fnmatch.translate(pattern.replace("[", "[[]")), value) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
