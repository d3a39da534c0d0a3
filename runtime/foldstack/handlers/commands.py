"""Entry point of commands that nobody waits for, from their queue; and of direct invocations, which are answered."""

import json
import re
from typing import Any

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from ..aws import composition, domain
from ..aws.environment import Environment
from ..kernel.commit import CommandContext
from ..kernel.decision import Rejection
from ..kernel.errors import FoldstackError, InvalidValue, KeyReuse, Unavailable
from ..kernel.executor import Committed
from ..kernel.idempotency import command_id, request_hash
from ..kernel.keys import Tenant
from ..kernel.token import Token
from . import cold_start
from .batch import Batch
from .delivered import Delivered

_MARGIN = 2.0
_KEY = re.compile(r"[\x21-\x7e]{1,255}").fullmatch

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
executor = composition.executor(environment, service)


class CommandDocument(BaseModel):
    """`command` is a type name of the domain, `data` its fields. One `key` takes effect once on a stream."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tenant: str
    command: str
    data: dict[str, Any]
    key: str
    correlation: str = ""

    @field_validator("key")
    @classmethod
    def _visible(cls, key: str) -> str:
        if not _KEY(key):
            raise ValueError("1 to 255 visible ASCII characters")
        return key


class InvalidCommand(FoldstackError):
    """No command of this domain: `errors` are (field, reason). Delivered again, it is the same."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in errors))
        self.errors = errors


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of SQS, or one document: `{"tenant", "command", "data", "key", "correlation"?}`.

    A message that is no command, or uses a key again for another, fails until it is among the dead letters; a
    rejection is an answer, logged. A direct invocation is answered `{"status": "committed" | "rejected" |
    "unavailable", ...}`.
    """
    deadline = executor.clock() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    if "Records" not in event:
        return _answered(event, deadline)
    batch = Batch(log)
    for message in event["Records"]:
        batch.attempt(message, lambda message=message: _take(message, deadline))
    return batch.answer


def _take(message: Delivered, deadline: float) -> None:
    again = int(message["attributes"]["ApproximateReceiveCount"]) > 1
    try:
        document = json.loads(message["body"])
    except ValueError as error:
        raise InvalidCommand([("body", f"is not JSON: {error}")]) from None
    outcome = _execute(document, deadline, again)
    if isinstance(outcome, Rejection):
        log.warning("a command was rejected", code=outcome.code, detail=outcome.detail, command=document["command"])


def _answered(document: dict[str, Any], deadline: float) -> dict[str, Any]:
    try:
        outcome = _execute(document, deadline, repeated=False)
    except InvalidCommand as error:
        fields = [{"field": field, "reason": reason} for field, reason in error.errors]
        return {"status": "rejected", "code": "invalid-command", "detail": str(error), "errors": fields}
    except KeyReuse as error:
        return {"status": "rejected", "code": "key-reused", "detail": str(error)}
    except Unavailable as error:
        return {"status": "unavailable", "detail": str(error), "retryAfter": error.retry_after}
    if isinstance(outcome, Rejection):
        return {"status": "rejected", "code": outcome.code, "detail": outcome.detail, "facts": dict(outcome.facts)}
    tip = (outcome.stream.category, outcome.stream.id), outcome.next
    return {
        "status": "committed",
        "stream": outcome.stream.path,
        "version": outcome.next - 1,
        "replayed": outcome.replayed,
        "consistencyToken": Token.of(executor.epoch, [tip] if outcome.next > 1 else []).encode(),
    }


def _execute(document: Any, deadline: float, repeated: bool) -> Committed | Rejection:
    """Raises InvalidCommand, KeyReuse, Unavailable."""
    try:
        asked = CommandDocument.model_validate(document)
        tenant = Tenant(asked.tenant)
        kind = service.commands.get(asked.command)
        if kind is None:
            known = ", ".join(sorted(service.commands))
            raise InvalidValue("command", f"{asked.command[:80]!r} is no command of {service.name}; there are {known}")
        command = kind.model_validate_json(json.dumps(asked.data))
        return executor.execute(
            service.aggregate_of(kind),
            tenant,
            command,
            CommandContext(
                command_id=command_id(tenant, "commands", asked.command, "key", asked.key),
                request_hash=request_hash("COMMAND", asked.command, {}, asked.data),
                keyed=True,
                repeated=repeated,
                deadline=deadline,
                correlation=asked.correlation,
                actor="commands",
            ),
        )
    except ValidationError as error:
        parts = error.errors(include_url=False, include_context=False, include_input=False)
        named = [(".".join(map(str, part["loc"])) or "document", part["msg"]) for part in parts]
        raise InvalidCommand(named) from None
    except InvalidValue as error:
        raise InvalidCommand([(error.field, error.reason)]) from None


cold_start.over()
