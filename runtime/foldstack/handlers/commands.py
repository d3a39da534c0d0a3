"""Entry point of commands that nobody waits for, from their queue; and of direct invocations, which are answered."""

import json
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger
from pydantic import ValidationError

from ..aws import composition, consumption, domain
from ..aws.environment import Environment
from ..kernel.decision import Rejection
from ..kernel.errors import InvalidValue, KeyReuse, Unavailable
from ..kernel.executor import Committed
from ..kernel.token import Token
from . import cold_start
from .backoff import receives_of
from .batch import Batch
from .command_document import InvalidCommand, TickDocument
from .command_reader import CommandReader, RestedClear
from .delivered import Delivered
from .ticks import Ticks
from .usage import Usage

_MARGIN = 2.0

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
service.schedules.check(service.name, environment.schedules)
executor = composition.executor(environment, service)
ticks = Ticks(service, executor, log)
reader = CommandReader(service, executor)
usage = Usage(log, environment.tenant_metrics)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of SQS, or one document: `{"tenant", "command", "data", "key", "correlation"?}`.

    A message that is no command, or uses a key again for another, fails until it is among the dead letters; a
    rejection is an answer, logged; what is personal in one must be encrypted.
    A direct invocation is answered `{"status": "committed" | "rejected" | "unavailable", ...}`; `{"seal": document}`
    the document as it may wait in the queue, `{"status": "sealed", "document": ...}`; `{"check": ...}`, sent by each
    deployment with schedules, only that the function has loaded.
    """
    deadline = executor.clock() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    if "check" in event:
        return {"status": "ready"}
    if "seal" in event:
        return _answered(lambda: {"status": "sealed", "document": reader.sealed(event["seal"])})
    if "Records" not in event:
        return _answered(lambda: _committed(_execute(event, deadline)))
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
        ticks.take(_tick(document), deadline, again)
        return
    try:
        outcome = _execute(document, deadline, queued=True, repeated=again)
    except RestedClear as error:
        log.error("a command was refused: %s", error)
        return
    if isinstance(outcome, Rejection):
        about = {"code": outcome.code, "detail": executor.told(outcome), "command": document["command"]}
        log.warning("a command was rejected", **about)


def _tick(document: dict[str, Any]) -> TickDocument:
    try:
        return TickDocument.model_validate(document)
    except ValidationError as error:
        raise InvalidCommand.of(error) from None


def _answered(answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return answer()
    except InvalidCommand as error:
        fields = [{"field": field, "reason": reason} for field, reason in error.errors]
        return {"status": "rejected", "code": "invalid-command", "detail": str(error), "errors": fields}
    except KeyReuse as error:
        return {"status": "rejected", "code": "key-reused", "detail": str(error)}
    except Unavailable as error:
        return {"status": "unavailable", "detail": str(error), "retryAfter": error.retry_after}


def _committed(outcome: Committed | Rejection) -> dict[str, Any]:
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


def _execute(document: Any, deadline: float, *, queued: bool = False, repeated: bool = False) -> Committed | Rejection:
    """Raises InvalidCommand, KeyReuse, Unavailable; RestedClear for what was `queued`."""
    asked = reader.read(document, queued=queued)
    try:
        context = asked.document.context(asked.tenant, deadline, repeated)
        consumption.reset()
        try:
            return executor.execute(service.aggregate_of(type(asked.command)), asked.tenant, asked.command, context)
        finally:
            usage.tell("queued command cost", asked.tenant, command=asked.document.command)
    except (ValidationError, InvalidValue) as error:
        raise InvalidCommand.of(error) from None


cold_start.over()
