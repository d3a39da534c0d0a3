"""What the queue of commands carries: a command, with what the one who sent it knows of its cause."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..kernel.commit import CommandContext
from ..kernel.errors import FoldstackError, InvalidValue
from ..kernel.idempotency import command_id, request_hash
from ..kernel.keys import Tenant
from ..kernel.reactor import DEEPEST

_KEY = re.compile(r"[\x21-\x7e]{1,255}").fullmatch


class InvalidCommand(FoldstackError):
    """No command of this domain: `errors` are (field, reason). Delivered again, it is the same."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in errors))
        self.errors = errors

    @classmethod
    def of(cls, error: ValidationError | InvalidValue) -> "InvalidCommand":
        if isinstance(error, InvalidValue):
            return cls([(error.field, error.reason)])
        parts = error.errors(include_url=False, include_context=False, include_input=False)
        return cls([(".".join(map(str, part["loc"])) or "document", part["msg"]) for part in parts])


class CommandDocument(BaseModel):
    """`command` is a type name of the domain, `data` its fields. One `key` takes effect once on a stream.

    A `reaction` says that an automation has asked for the command with Later: then `key` is the command's id itself,
    since the automation, run again when the time is over, executes it under that id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tenant: str
    command: str
    data: dict[str, Any]
    key: str
    correlation: str = ""
    causation: str = Field("", max_length=512)
    traceparent: str = Field("", max_length=64)
    reaction: str = Field("", max_length=128)
    depth: int = Field(0, ge=0, le=DEEPEST)

    @field_validator("key")
    @classmethod
    def _visible(cls, key: str) -> str:
        if not _KEY(key):
            raise ValueError("1 to 255 visible ASCII characters")
        return key

    def context(self, tenant: Tenant, deadline: float, repeated: bool) -> CommandContext:
        if self.reaction:
            id, asked, actor = self.key, self.reaction, f"reaction:{self.reaction}"
        else:
            id = command_id(tenant, "commands", self.command, "key", self.key)
            asked, actor = request_hash("COMMAND", self.command, {}, self.data), "commands"
        return CommandContext(
            command_id=id,
            request_hash=asked,
            keyed=True,
            repeated=repeated or bool(self.reaction),
            deadline=deadline,
            correlation=self.correlation,
            causation=self.causation,
            actor=actor,
            traceparent=self.traceparent,
            depth=self.depth,
        )


class TickDocument(BaseModel):
    """A schedule has fired for some tenants; `at` is when it was to."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schedule: str
    at: str
    tenants: list[str] = Field(min_length=1)
