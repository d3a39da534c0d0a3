"""Entry point of a projector: commits from the road, the sweep by the clock, and what a person may order."""

import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ..aws import composition, domain
from ..aws.environment import Environment
from ..kernel.envelope import Envelope
from ..kernel.keys import StreamId
from . import cold_start
from .batch import Batch
from .delivered import Delivered, envelope_of

_MARGIN = 15.0

log = Logger()
metrics = Metrics(namespace="Foldstack")
environment = Environment.read()
projector = composition.projector(environment, domain.load(environment.domain))


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Takes a batch of SQS or Kinesis; `{"sweep": true, "segment"?, "segments"?}`;
    `{"redrive": {"projection", "stream"}}`; `{"skip": {"projection", "stream", "who", "why"}}`."""
    if "Records" in event:
        return _project(event["Records"])
    if event.get("sweep"):
        return _sweep(event, context.get_remaining_time_in_millis() / 1000)
    if "redrive" in event:
        return {"outcome": projector.redrive(*_row(event["redrive"]))}
    if "skip" in event:
        order = event["skip"]
        return {"outcome": projector.skip(*_row(order), order["who"], order["why"])}
    raise ValueError(f"this function takes Records, sweep, redrive or skip; got {', '.join(event) or 'nothing'}")


def _project(records: list[Delivered]) -> dict[str, Any]:
    batch = Batch(log)
    groups: dict[str, list[tuple[Delivered, Envelope]]] = {}
    for record in records:
        batch.attempt(record, lambda record=record: _group(groups, record))
    together = projector.project_together({key: [envelope for _, envelope in group] for key, group in groups.items()})
    for key, group in groups.items():
        if key in together:
            _tell(key, together[key])
        else:
            batch.together([record for record, _ in group], lambda group=group: _advance([e for _, e in group]))
    return batch.answer


def _group(groups: dict[str, list[tuple[Delivered, Envelope]]], record: Delivered) -> None:
    envelope = envelope_of(record)
    groups.setdefault(envelope.stream.key, []).append((record, envelope))


def _advance(envelopes: list[Envelope]) -> None:
    stream = envelopes[0].stream
    _tell(stream.key, projector.project(stream, envelopes))


def _tell(stream: str, outcomes: Mapping[str, str]) -> None:
    for name, outcome in outcomes.items():
        if outcome == "parked":
            log.error("a stream is parked; its later events wait", projection=name, stream=stream)


def _sweep(event: dict[str, Any], seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds - _MARGIN
    swept = composition.sweep(environment, projector).run(
        until, int(event.get("segment", 0)), int(event.get("segments", 1))
    )
    metrics.add_metric("SweptRows", MetricUnit.Count, swept.checked)
    metrics.add_metric("HealedRows", MetricUnit.Count, swept.healed)
    metrics.add_metric("ParkedRows", MetricUnit.Count, swept.parked)
    metrics.flush_metrics()
    report = log.info if swept.done and not swept.failed else log.error
    report("sweep", **swept._asdict())
    return swept._asdict()


def _row(order: dict[str, Any]) -> tuple[Any, StreamId]:
    projection = projector.projections.get(order["projection"])
    if projection is None:
        raise ValueError(
            f"no projection {order['projection']!r} here; there are {', '.join(sorted(projector.projections))}"
        )
    return projection, StreamId.parse(order["stream"])


cold_start.over()
