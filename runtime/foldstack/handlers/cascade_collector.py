"""Entry point of a cascade's collector: who refers to whom, and what was deleted, as their events come by the road."""

from typing import Any

from aws_lambda_powertools import Logger

from ..aws import cascades, composition, consumption, domain
from ..aws.environment import Environment
from ..kernel.cascading import Collector
from ..kernel.errors import DefinitionError
from . import cold_start
from .batch import Batch
from .delivered import Delivered, envelope_of
from .recorded import recorded
from .usage import Usage

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
store = composition.commit_store(environment)
collector = Collector(service, cascades.index(environment), cascades.send(environment))
usage = Usage(log, environment.tenant_metrics)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of SQS or of Kinesis; or `{"check": [...]}`, the event types that it is fed with, all when there are
    none: an error where the domain's cascades need others, or there are none."""
    if "check" in event:
        return _check(event["check"])
    batch = Batch(log, environment.queue)
    for record in event["Records"]:
        batch.attempt(record, lambda record=record: _collect(record))
    return batch.answer()


def _collect(record: Delivered) -> None:
    envelope = envelope_of(record)
    if envelope.replay and envelope.replay != environment.consumer:
        log.info("a replay for another consumer is refused", event_id=envelope.id, replay=envelope.replay)
        return
    consumption.reset()
    try:
        commit = recorded(store, environment.store_epoch, envelope)
        if commit is None:
            log.error("published before a restore, and no longer in the store: nothing is kept", event_id=envelope.id)
        else:
            collector.take(commit)
    finally:
        usage.tell("collecting cost", envelope.stream.tenant, event_id=envelope.id)


def _check(types: list[str]) -> dict[str, Any]:
    if not service.cascades:
        raise DefinitionError(
            f"{service.name} declares no cascade, and a DeletionCascade runs those it has: give its Service "
            "`cascades=[Cascade(...)]`, or take the DeletionCascade out of the program"
        )
    needed = frozenset[str]().union(*(each.stored_types for each in service.cascades.values()))
    if types and (missing := sorted(needed - set(types))):
        raise DefinitionError(
            f"the cascades of {service.name} need {', '.join(missing)}, and are not told of them: name them in `types` "
            "of the DeletionCascade, or leave that out"
        )
    return {"checked": len(types)}


cold_start.over()
