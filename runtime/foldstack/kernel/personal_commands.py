"""Commands with personal fields where they rest on their way: in the queue of commands, in a schedule of Scheduler."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

from .keyring import Keyring
from .keys import Tenant
from .messages import Command
from .personal import CLEAR, token_of
from .personal_check import personal_fields


class Opened(NamedTuple):
    """A command as it arrived, and its fields as plain JSON: [erased] where nobody can read them."""

    command: Command
    document: dict[str, Any]


def sealed(keyring: Keyring, tenant: Tenant, command: Command) -> dict[str, Any]:
    """The fields as plain JSON, personal ones encrypted. What is about somebody who was erased is written as erased:
    nothing that waits is refused for it, and its decider decides on what is left."""
    return command.model_dump(mode="json", context=keyring.sealer(tenant, (), [command]))


def opened(keyring: Keyring, tenant: Tenant, kind: type[Command], document: dict[str, Any]) -> Opened:
    """The command of a document that `sealed` made, or somebody else. Raises pydantic's ValidationError."""
    opener = keyring.opener(tenant, document)
    return Opened(kind.model_validate_json(json.dumps(document), context=opener), opener.document(document))


def in_the_clear(kind: type[Command], document: dict[str, Any]) -> bool:
    """Whether something personal is in a document that is not encrypted, and says something: by the names of fields,
    since it need be no valid one."""
    defaults: dict[str, list[Any]] = {}
    for field in personal_fields(kind):
        defaults.setdefault(field.name, []).append(_default(field.model, field.name))
    return any(_says(value, defaults[name]) for name, value in _fields(document) if name in defaults)


def _says(value: Any, nothing: list[Any]) -> bool:
    token = token_of(value)
    return (isinstance(value, str) and value not in nothing) or (token is not None and token.startswith(CLEAR))


def _fields(document: Any) -> Iterator[tuple[str, Any]]:
    """All fields in plain JSON, however deep."""
    if isinstance(document, list):
        for each in document:
            yield from _fields(each)
    elif isinstance(document, dict):
        for name, value in document.items():
            yield name, value
            yield from _fields(value)


def _default(model: type[BaseModel], name: str) -> Any:
    field = model.model_fields[name]
    return None if field.is_required() else json.loads(json.dumps(field.default, default=str))
