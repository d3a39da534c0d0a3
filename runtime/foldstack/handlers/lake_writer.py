"""Entry point of the lake's writer: commits from the road, rows from the streams of views, and all rows on demand."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ..aws import composition as aws
from ..aws import domain
from ..aws.environment import Environment
from ..kernel.envelope import Envelope
from ..lake import composition
from ..lake.entities import EntityChange, Unusable
from . import cold_start
from .batch import Batch
from .delivered import Delivered, envelope_of

_MARGIN = 15.0

log = Logger()
metrics = Metrics(namespace="Foldstack")
environment = Environment.read()
service = domain.load(environment.domain)
writer = composition.writer(environment, service)
completed = composition.completed(environment)
entities = composition.entities(environment, service) if environment.variables.get("FOLDSTACK_VIEW_TABLES") else None
folded = composition.folded(environment, service) if environment.folded_views else None


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Takes a batch of SQS, of Kinesis, or of the stream of a view's table; or `{"resync": view, "after"?}`, which
    writes every row of a view again: what it answers as `after`, if anything, is where to go on."""
    if "Records" in event:
        records = event["Records"]
        of_views = [record for record in records if record.get("eventSource") == "aws:dynamodb"]
        return _take_rows(of_views) if of_views else _take_commits(records)
    if "resync" in event:
        return _resync(event["resync"], event.get("after"), context.get_remaining_time_in_millis() / 1000)
    raise ValueError(f"this function takes Records or resync; got {', '.join(event) or 'nothing'}")


def _take_commits(records: list[Delivered]) -> dict[str, Any]:
    batch = Batch(log, environment.queue)
    taken: list[Delivered] = []
    envelopes: list[Envelope] = []
    for record in records:
        batch.attempt(record, lambda record=record: _add(record, taken, envelopes))
    if taken:
        batch.together(taken, lambda: _write(envelopes, *_rows_of(envelopes)))
    return batch.answer()


def _add(record: Delivered, taken: list[Delivered], envelopes: list[Envelope]) -> None:
    envelope = envelope_of(record)
    if not envelope.replay or environment.consumer in ("", envelope.replay):
        envelopes.append(completed(envelope))
        taken.append(record)


def _rows_of(envelopes: list[Envelope]) -> tuple[list[EntityChange], list[Unusable]]:
    if folded is None:
        return [], []
    rows = folded.of_commits(envelopes, datetime.now(UTC))
    return rows.changes, rows.unusable


def _take_rows(records: list[Delivered]) -> dict[str, Any]:
    if entities is None:
        raise ValueError("this lake takes no rows: FOLDSTACK_VIEW_TABLES is not set")
    batch, reader = Batch(log, environment.queue), entities
    batch.together(records, lambda: _write([], *reader.of_stream(records)))
    return batch.answer()


def _write(envelopes: list[Envelope], changes: list[EntityChange], unusable: list[Unusable]) -> None:
    written = writer.write(envelopes, changes, unusable)
    metrics.add_metric("LakeRows", MetricUnit.Count, written.rows)
    metrics.add_metric("LakeObjects", MetricUnit.Count, written.objects)
    metrics.flush_metrics()
    if written.parked:
        log.error("records fit no table of the lake, and are parked", records=written.parked)


def _resync(view: str, after: Any, seconds: float) -> dict[str, Any]:
    page = _pages()
    until = time.monotonic() + seconds - _MARGIN
    rows = 0
    while True:
        began = time.monotonic()
        changes, unusable, after = page(view, after, datetime.now(UTC))
        _write([], changes, unusable)
        rows += len(changes)
        now = time.monotonic()
        if after is None or now + 2 * (now - began) > until:  # the next page may take longer
            return {"done": after is None, "rows": rows, **({} if after is None else {"after": after})}


def _pages() -> Callable[[str, Any, datetime], tuple[list[EntityChange], list[Unusable], Any]]:
    """Of the rows of a view, from wherever they are to be had."""
    if folded is not None:
        return partial(folded.of_store, composition.scan(environment))
    if entities is not None:
        return partial(entities.of_table, aws.view_store(environment, service))
    raise ValueError("this lake has no rows of views: name them in the `entities` of the AnalyticsLake")


cold_start.over()
