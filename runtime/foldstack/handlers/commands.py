"""Entry point of commands that nobody waits for, from their queue; and of direct invocations, which are answered."""

import json
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from pydantic import ValidationError

from ..aws import composition, consumption, domain
from ..aws.environment import Environment
from ..kernel.decision import Rejection
from ..kernel.errors import InvalidValue, KeyReuse, Unavailable
from ..kernel.executor import Committed
from ..kernel.keys import Tenant
from ..kernel.token import Token
from . import cold_start
from .backoff import receives_of
from .batch import Batch
from .command_document import CommandDocument, InvalidCommand, TickDocument
from .delivered import Delivered
from .ticks import Ticks
from .usage import Usage

_MARGIN = 2.0

D = TypeVar("D", CommandDocument, TickDocument)

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
service.schedules.check(service.name, environment.schedules)
executor = composition.executor(environment)
ticks = Ticks(service, executor, log)
usage = Usage(log, environment.tenant_metrics)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of SQS, or one document: `{"tenant", "command", "data", "key", "correlation"?}`.

    A message that is no command, or uses a key again for another, fails until it is among the dead letters; a
    rejection is an answer, logged. A direct invocation is answered `{"status": "committed" | "rejected" |
    "unavailable", ...}`; `{"check": ...}`, sent by each deployment with schedules, only that the function has loaded.
    """
    deadline = executor.clock() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    if "check" in event:
        return {"status": "ready"}
    if "Records" not in event:
        return _answered(event, deadline)
    batch = Batch(log, environment.queue)
    for message in event["Records"]:
        batch.attempt(message, lambda message=message: _take(message, deadline))
    return batch.answer()


def _take(message: Delivered, deadline: float) -> None:
    again = receives_of(message) > 1
    try:
        document = json.loads(message["body"])
    except ValueError as error:
        raise InvalidCommand([("body", f"is not JSON: {error}")]) from None
    if isinstance(document, dict) and "schedule" in document:
        ticks.take(_valid(TickDocument, document), deadline, again)
        return
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
    asked = _valid(CommandDocument, document)
    try:
        tenant = Tenant(asked.tenant)
        kind = service.commands.get(asked.command)
        if kind is None:
            known = ", ".join(sorted(service.commands))
            raise InvalidValue("command", f"{asked.command[:80]!r} is no command of {service.name}; there are {known}")
        command = kind.model_validate_json(json.dumps(asked.data))
        context = asked.context(tenant, deadline, repeated)
        consumption.reset()
        try:
            return executor.execute(service.aggregate_of(kind), tenant, command, context)
        finally:
            usage.tell("queued command cost", tenant, command=asked.command)
    except (ValidationError, InvalidValue) as error:
        raise InvalidCommand.of(error) from None


def _valid(kind: type[D], document: Any) -> D:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise InvalidCommand.of(error) from None


cold_start.over()
