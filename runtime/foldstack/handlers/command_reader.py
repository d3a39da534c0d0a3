"""A command out of its document; where the domain has personal fields, out of an encrypted one."""

import json
from typing import Any, NamedTuple

from pydantic import ValidationError

from ..kernel.errors import FoldstackError, InvalidValue
from ..kernel.executor import Executor
from ..kernel.keys import Tenant
from ..kernel.messages import Command
from ..kernel.service import Service
from .command_document import CommandDocument, InvalidCommand


class Received(NamedTuple):
    """A command, and its document with personal fields in the clear: requests are known by it."""

    document: CommandDocument
    tenant: Tenant
    command: Command


class RestedClear(FoldstackError):
    """A message with personal fields that are not encrypted. Among the dead letters it would be so for two weeks."""

    def __init__(self, command: str) -> None:
        super().__init__(
            f"{command} has personal fields, and waited in the queue with them in the clear: nothing was done, and the "
            'message is gone. Have its document encrypted first: invoke this function with {"seal": DOCUMENT} and send '
            "the `document` that it answers; or invoke it with DOCUMENT itself, which is executed at once"
        )


class CommandReader:
    def __init__(self, service: Service, executor: Executor) -> None:
        self._service = service
        self._keyring = executor.keyring

    def read(self, document: Any, *, queued: bool = False) -> Received:
        """Raises InvalidCommand; Unavailable where keys can't be read now; RestedClear for what was `queued`, but
        not for a timer: it may have been set before its fields were marked."""
        try:
            asked = CommandDocument.model_validate(document)
            tenant = Tenant(asked.tenant)
            kind = self._service.commands.get(asked.command)
            if kind is None:
                known = f"is no command of {self._service.name}; there are {', '.join(sorted(self._service.commands))}"
                raise InvalidValue("command", f"{asked.command[:80]!r} {known}")
            if self._keyring is None:
                return Received(asked, tenant, kind.model_validate_json(json.dumps(asked.data)))
            from ..kernel.personal_commands import in_the_clear, opened

            if queued and not asked.reaction and in_the_clear(kind, asked.data):
                raise RestedClear(asked.command)
            command, data = opened(self._keyring, tenant, kind, asked.data)
            return Received(asked.model_copy(update={"data": data}), tenant, command)
        except (ValidationError, InvalidValue) as error:
            raise InvalidCommand.of(error) from None

    def sealed(self, document: Any) -> dict[str, Any]:
        """The document as it may wait somewhere: what is personal in it encrypted. Raises as `read` does."""
        asked = self.read(document)
        said = asked.document.model_dump(exclude_defaults=True)
        if self._keyring is None:
            return said
        from ..kernel.personal_commands import sealed

        return {**said, "data": sealed(self._keyring, asked.tenant, asked.command)}
