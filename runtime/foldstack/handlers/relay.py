"""Entry point of the relay: records of the commit table's stream."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ..aws import composition
from ..aws.environment import Environment
from . import cold_start

_MARGIN = 5.0

log = Logger()
metrics = Metrics(namespace="Foldstack")
environment = Environment.read()
relay = composition.relay(environment)


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers the first record that is to be delivered again, with all after it."""
    records = event["Records"]
    until = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _MARGIN
    stopped = relay.relay(records, until)
    oldest = min(record["dynamodb"]["ApproximateCreationDateTime"] for record in records)
    metrics.add_metric("RelayLag", MetricUnit.Milliseconds, max(0.0, time.time() - oldest) * 1000)
    metrics.flush_metrics()
    if stopped is None:
        return {"batchItemFailures": []}
    log.error("the road did not take everything", stopped_at=stopped, records=len(records))
    return {"batchItemFailures": [{"itemIdentifier": stopped}]}


cold_start.over()
