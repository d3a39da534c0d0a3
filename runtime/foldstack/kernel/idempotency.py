"""Ids and hashes that make a retry recognisable."""

import base64
import hashlib
from typing import Any

from pydantic_core import to_json


def command_id(*parts: str) -> str:
    """A stable id of 128 bits, 22 characters of the id grammar: H(tenant, caller, route, key), or any other parts."""
    return _digest("\x1f".join(f"{len(part)}:{part}" for part in parts).encode())


def request_hash(method: str, template: str, path: dict[str, str], body: Any) -> str:
    """Of what was received, not of what was understood: method, route template, path parameters, JSON
    with sorted keys. A renamed model field does not make a retry another request."""
    return _digest(to_json([method, template, _sorted(path), _sorted(body)]))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def _digest(data: bytes) -> str:

    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()[:16]).rstrip(b"=").decode()
