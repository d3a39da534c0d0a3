"""Entry point of the lake's compactor: by the clock, or for a part of the lake on demand."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ..aws import domain
from ..aws.environment import Environment
from ..lake import composition
from ..lake.tables import PREFIX
from . import cold_start

_MARGIN = 60.0
"""Seconds that one partition may take."""

log = Logger()
metrics = Metrics(namespace="Foldstack")
environment = Environment.read()
service = domain.load(environment.domain)
run = composition.compaction(environment, service)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{"compact": {"tenant"?, "table"?, "day"?}}`: all of the lake, or what these name, each only after the one
    before it. Answers what was done; where `done` is false, the next call goes on."""
    if "compact" not in event:
        raise ValueError(f"this function takes compact; got {', '.join(event) or 'nothing'}")
    until = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    done = run(lambda: time.monotonic() < until, _prefix(event["compact"] or {}))
    if done.merged or done.deleted:  # a metric of every hour is billed for every hour
        metrics.add_metric("CompactedFiles", MetricUnit.Count, done.merged)
        metrics.add_metric("DeletedFiles", MetricUnit.Count, done.deleted)
        metrics.flush_metrics()
    report = log.error if done.failed else log.info
    report("compaction", **done._asdict())
    return done._asdict()


def _prefix(order: dict[str, str]) -> str:
    parts = [PREFIX]
    for name, form in (("tenant", "{}"), ("table", "{}"), ("day", "day={}")):
        if name not in order:
            break
        parts.append(form.format(order[name]))
    if len(parts) - 1 != len(order):
        raise ValueError(f"compact names a tenant, then a table of it, then a day; got {', '.join(order)}")
    return "/".join(parts) + "/"


cold_start.over()
