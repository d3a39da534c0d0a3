"""What is done for a tenant: a line of the log always, metrics of the tenant's own where the stack says so."""

from typing import Any

from aws_lambda_powertools import Logger

from ..aws import consumption


class Usage:
    """Of one function. `metrics`: whether each tenant has metrics, which CloudWatch bills by tenant and month."""

    def __init__(self, log: Logger, metrics: bool) -> None:
        self._log = log
        self._metrics = _tenant_metrics() if metrics else None

    def tell(self, what: str, tenant: str, *, requests: int = 0, throttled: int = 0, **about: Any) -> None:
        """What DynamoDB was asked for since the last `consumption.reset` was for `tenant`; of none, it has a line and
        no metrics."""
        taken = consumption.taken()
        self._log.info(what, tenant=tenant, throttled=throttled, **about, **taken)
        if self._metrics is not None and tenant:
            units = {"ReadUnits": taken["read_units"], "WriteUnits": taken["write_units"]}
            counted = {"Requests": requests, "Throttled": throttled, **units}
            self._metrics.add_dimension("tenant", tenant)
            for name, value in counted.items():
                self._metrics.add_metric(name, "Count", value)
            self._metrics.add_metric("StoredBytes", "Bytes", taken["stored_bytes"])
            self._metrics.flush_metrics()


def _tenant_metrics() -> Any:
    """Imported by those who have it: a cold start pays for its own parts alone."""
    from aws_lambda_powertools import Metrics

    return Metrics(namespace="Foldstack")
