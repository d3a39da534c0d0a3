"""Entry point of a projector: commits from the road, the sweep by the clock, and what a person may order."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ..aws import composition, domain
from ..aws.environment import Environment
from ..aws.projector import Outcome
from ..kernel.envelope import Envelope
from ..kernel.keys import StreamId
from ..kernel.projection import Projection
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
    `{"redrive": {"projection", "stream"}}`; `{"skip": {"projection", "stream", "who", "why"}}`;
    `{"describe": true}`."""
    if "Records" in event:
        return _project(event["Records"])
    if event.get("sweep"):
        return _sweep(event, context.get_remaining_time_in_millis() / 1000)
    if "redrive" in event:
        projection, stream = _row(event["redrive"])
        return {"outcome": _together(projector.redrive(each, stream) for each in projector.fed(projection))}
    if "skip" in event:
        order = event["skip"]
        return {"outcome": _skip(*_row(order), order["who"], order["why"])}
    if "describe" in event:
        return {"code": {name: projection.fingerprint for name, projection in projector.projections.items()}}
    raise ValueError(f"this function takes Records, sweep, redrive or skip; got {', '.join(event) or 'nothing'}")


def _project(records: list[Delivered]) -> dict[str, Any]:
    batch = Batch(log, environment.queue)
    groups: dict[str, list[tuple[Delivered, Envelope]]] = {}
    for record in records:
        batch.attempt(record, lambda record=record: _group(groups, record))
    together = projector.project_together({key: [envelope for _, envelope in group] for key, group in groups.items()})
    for key, group in groups.items():
        if key in together:
            _tell(key, together[key])
        else:
            batch.together([record for record, _ in group], lambda group=group: _advance([e for _, e in group]))
    _measure([envelope for group in groups.values() for _, envelope in group if not envelope.replay])
    return batch.answer()


def _measure(envelopes: list[Envelope]) -> None:
    """How long ago the oldest of them was committed, now that it can be read."""
    if envelopes:
        oldest = datetime.fromisoformat(min(envelope.time for envelope in envelopes))
        lag = max(0.0, (datetime.now(UTC) - oldest).total_seconds())
        metrics.add_metric("ProjectionLag", MetricUnit.Milliseconds, lag * 1000)
        metrics.flush_metrics()


def _group(groups: dict[str, list[tuple[Delivered, Envelope]]], record: Delivered) -> None:
    envelope = envelope_of(record)
    if envelope.replay and environment.consumer not in ("", envelope.replay):
        return  # what is there is there: it would do no harm, and no good
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


def _skip(projection: Projection, stream: StreamId, who: str, why: str) -> str:
    """In every generation that is parked there; an error where none is."""
    fed = projector.fed(projection)
    parked = [each for each in fed if projector.parked(each, stream)]
    return _together(projector.skip(each, stream, who, why) for each in parked or fed)


def _together(outcomes: Iterable[Outcome]) -> Outcome:
    """What came of one order in several generations: the one that asks for most."""
    found = list(outcomes)
    return next(each for each in ("parked", "written", "unchanged") if each in found)


def _row(order: dict[str, Any]) -> tuple[Projection, StreamId]:
    projection = projector.projections.get(order["projection"])
    if projection is None:
        raise ValueError(
            f"no projection {order['projection']!r} here; there are {', '.join(sorted(projector.projections))}"
        )
    return projection, StreamId.parse(order["stream"])


cold_start.over()
