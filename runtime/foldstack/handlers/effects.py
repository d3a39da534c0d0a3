"""Entry point of effects and automations: the delayed queue behind every request that may have died; and of what a
person may order of sagas."""

from typing import Any

from aws_lambda_powertools import Logger

from ..aws import composition, consumption, domain
from ..aws.environment import Environment
from ..kernel.envelope import Envelope
from ..kernel.errors import DefinitionError, ReactionLoop
from . import cold_start
from .backoff import receives_of
from .batch import Batch
from .delivered import Delivered, envelope_of
from .recorded import recorded
from .saga_orders import SagaOrders
from .usage import Usage

CONSUMER = "effects"
_MARGIN = 3.0

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
executor = composition.executor(environment, service)
reactor = composition.reactor(environment, service, executor)
sagas = SagaOrders(service, executor, reactor, log)
usage = Usage(log, environment.tenant_metrics)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of SQS; `{"saga": {...}}`, see `SagaOrders`; or `{"check": [...]}`, the event types that the queue is
    fed with: an error where the domain reacts to others.

    What is not done yet is delivered again. In the end a saga's step is recorded as stuck, and all else is among the
    dead letters; what would only loop again at once."""
    end = executor.clock() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    if "check" in event:
        return _check(event["check"])
    if "Records" not in event:
        return sagas.take(event.get("saga") or {}, end)
    batch = Batch(log, environment.queue)
    messages = event["Records"]
    for n, message in enumerate(messages):
        # A fair share of what is left: one outside world that hangs must not use up its neighbours' attempts.
        until = executor.clock() + (end - executor.clock()) / (len(messages) - n)
        batch.attempt(message, lambda message=message, until=until: _react(message, until))
    return batch.answer()


def _react(message: Delivered, until: float) -> None:
    envelope = envelope_of(message)
    if envelope.replay and envelope.replay != CONSUMER:
        log.info("a replay for another consumer is refused", event_id=envelope.id, replay=envelope.replay)
        return
    consumption.reset()
    try:
        _drive(envelope, message, until)
    finally:
        usage.tell("reaction cost", envelope.stream.tenant, event_id=envelope.id)


def _drive(envelope: Envelope, message: Delivered, until: float) -> None:
    commit = recorded(executor.store, executor.epoch, envelope)
    if commit is None:
        log.error("published before a restore, and no longer in the store: nothing is done", event_id=envelope.id)
        return
    receives = receives_of(message)
    # The very last time is kept for recording what this one could not: it may die of it.
    last = environment.queue is not None and receives >= max(1, environment.queue.attempts - 1)
    try:
        reactor.drive(commit, until, attempts=receives if last else None)
    except ReactionLoop as error:
        log.error("to the dead letters at once: %s", error)
        composition.dead_letters(environment)(message, str(error))


def _check(types: list[str]) -> dict[str, Any]:
    if missing := sorted(service.reactions.stored_types() - set(types)):
        raise DefinitionError(
            f"{service.name} has reactions to {', '.join(missing)}, and its queue is not fed with them: name them in "
            "`effect_types` of the EventSourcedService, or leave that out"
        )
    return {"checked": len(types)}


cold_start.over()
