"""Entry point of effects and automations: the delayed queue behind every request that may have died."""

from typing import Any

from aws_lambda_powertools import Logger

from ..aws import composition, domain
from ..aws.environment import Environment
from ..kernel.commit import Commit
from ..kernel.envelope import Envelope
from . import cold_start
from .batch import Batch
from .delivered import Delivered, envelope_of

CONSUMER = "effects"
_MARGIN = 3.0

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
executor = composition.executor(environment, service)
reactor = composition.reactor(environment, service, executor)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of SQS. What is not done yet is delivered again, and to the dead letters in the end."""
    end = executor.clock() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    batch = Batch(log)
    messages = event["Records"]
    for n, message in enumerate(messages):
        # A fair share of what is left: one outside world that hangs must not use up its neighbours' attempts.
        until = executor.clock() + (end - executor.clock()) / (len(messages) - n)
        batch.attempt(message, lambda message=message, until=until: _react(message, until))
    return batch.answer


def _react(message: Delivered, until: float) -> None:
    envelope = envelope_of(message)
    if envelope.replay and envelope.replay != CONSUMER:
        log.info("a replay for another consumer is refused", event_id=envelope.id, replay=envelope.replay)
        return
    commit = _commit(envelope)
    if commit is None:
        log.error("published before a restore, and no longer in the store: nothing is done", event_id=envelope.id)
        return
    reactor.drive(commit, until)


def _commit(envelope: Envelope) -> Commit | Envelope | None:
    """The commit to react to: read from the store where it travels by reference, or where a restore may have
    undone it, and used its version again."""
    restored = envelope.epoch != executor.epoch
    if envelope.stored is not None and not restored:
        return envelope
    commit = executor.commit_at(envelope.stream, envelope.first)
    if commit is None or commit.epoch != envelope.epoch:
        if restored:
            return None
        raise LookupError(f"{envelope.id} was published, and is not in the store")
    return commit


cold_start.over()
