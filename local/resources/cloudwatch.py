"""Log groups and alarms. Function output itself is kept by the function host."""

from typing import Any

from ..arns import arn
from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal

_ALARM_NAMES = {"evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile", "okActions": "OKActions"}


class LogGroup(Handler):
    understood = frozenset({"name", "retentionInDays", "tags"})
    without_effect = frozenset({"deletionProtectionEnabled", "kmsKeyId", "logGroupClass", "skipDestroy"})
    replaced_by = frozenset({"name", "logGroupClass"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, site = request.physical_name(), request.site
        site.client("logs").create_log_group(logGroupName=name)
        self._set_retention(site, name, request.inputs)
        return name, {"name": name, "arn": arn(request.resource.type, name, site.region, site.account)}

    def update(self, request: Request, record: Record) -> Outputs:
        self._set_retention(request.site, record.id, request.inputs)
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("logs").delete_log_group(logGroupName=record.id)

    def _set_retention(self, site: Site, name: str, inputs: dict[str, Any]) -> None:
        if days := inputs.get("retentionInDays"):
            site.client("logs").put_retention_policy(logGroupName=name, retentionInDays=days)
        else:
            site.client("logs").delete_retention_policy(logGroupName=name)


class MetricAlarm(Handler):
    """Known to the emulator, which has no Lambda or queue metrics of ours: it stays in INSUFFICIENT_DATA."""

    understood = frozenset(
        {
            "actionsEnabled",
            "alarmActions",
            "alarmDescription",
            "comparisonOperator",
            "datapointsToAlarm",
            "dimensions",
            "evaluateLowSampleCountPercentiles",
            "evaluationPeriods",
            "extendedStatistic",
            "insufficientDataActions",
            "metricName",
            "metricQueries",
            "name",
            "namespace",
            "okActions",
            "period",
            "statistic",
            "tags",
            "threshold",
            "thresholdMetricId",
            "treatMissingData",
            "unit",
        }
    )
    replaced_by = frozenset({"name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, site = request.physical_name(), request.site
        shape = {k: v for k, v in request.inputs.items() if k in self.understood - {"name", "tags", "metricQueries"}}
        shape["dimensions"] = _dimensions(shape.get("dimensions"))
        if queries := request.inputs.get("metricQueries"):
            shape["metrics"] = [_query(q) for q in queries]
            del shape["dimensions"]
        api = pascal({k: v for k, v in shape.items() if k not in ("dimensions", "metrics")}, _ALARM_NAMES)
        api |= {k.capitalize(): shape[k] for k in ("dimensions", "metrics") if k in shape}
        site.client("cloudwatch").put_metric_alarm(AlarmName=name, **api)
        return name, {"name": name, "arn": arn(request.resource.type, name, site.region, site.account)}

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("cloudwatch").delete_alarms(AlarmNames=[record.id])


def _dimensions(dimensions: dict[str, str] | None) -> list[dict[str, str]]:
    return [{"Name": k, "Value": v} for k, v in sorted((dimensions or {}).items())]


def _query(query: dict[str, Any]) -> dict[str, Any]:
    shape = pascal({k: v for k, v in query.items() if k != "metric"})
    if metric := query.get("metric"):
        what = {"Namespace": metric.get("namespace"), "MetricName": metric["metricName"]}
        shape["MetricStat"] = {
            "Metric": {**what, "Dimensions": _dimensions(metric.get("dimensions"))},
            "Period": metric["period"],
            "Stat": metric["stat"],
        }
    return shape


HANDLERS = {
    "aws:cloudwatch/logGroup:LogGroup": LogGroup(),
    "aws:cloudwatch/metricAlarm:MetricAlarm": MetricAlarm(),
}
