"""Entry point of a cascade's remover: page by page, what refers to something deleted; in the end, the report."""

from typing import Any

from aws_lambda_powertools import Logger

from ..aws import cascades, composition, consumption, domain
from ..aws.environment import Environment
from ..aws.removals_queue import work_of
from ..kernel.cascading import Remover, Work
from ..kernel.decision import Rejection
from ..kernel.keys import StreamId
from . import cold_start
from .batch import Batch
from .delivered import Delivered
from .usage import Usage

_MARGIN = 5.0

log = Logger()
environment = Environment.read()
service = domain.load(environment.domain)
executor = composition.executor(environment, service)


def _left(work: Work, stream: StreamId, rejection: Rejection) -> None:
    log.warning(
        "a removal was rejected; it is tried again after the others",
        cascade=work.cascade,
        event_id=work.deletion,
        stream=stream.path,
        code=rejection.code,
        detail=executor.told(rejection),
    )


remover = Remover(
    service,
    executor,
    cascades.index(environment),
    cascades.send(environment),
    page=environment.cascade_page,
    log=_left,
)
usage = Usage(log, environment.tenant_metrics)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of SQS, each message a page or a straggler. What is refused is delivered again, ever later, and in the
    end among the dead letters: its deletion is not reported until those are redriven."""
    end = executor.clock() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    batch = Batch(log, environment.queue)
    messages = event["Records"]
    for n, message in enumerate(messages):
        until = executor.clock() + (end - executor.clock()) / (len(messages) - n)
        batch.attempt(message, lambda message=message, until=until: _remove(message, until))
    return batch.answer()


def _remove(message: Delivered, until: float) -> None:
    work = work_of(message["body"])
    consumption.reset()
    try:
        if not remover.take(work, until):
            log.error(
                "deleted before a restore, and not in the store any more: nothing is done", event_id=work.deletion
            )
    finally:
        usage.tell("removal cost", work.stream.tenant, event_id=work.deletion)


cold_start.over()
