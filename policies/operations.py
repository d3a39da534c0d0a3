"""Rules for what is found out, and by whom: logs, alarms, tags."""

from collections.abc import Iterator

from .rule import Graph, Resource, Rule, given

Broken = Iterator[tuple[Resource, str]]

FUNCTION = "aws:lambda/function:Function"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
QUEUE = "aws:sqs/queue:Queue"
SOURCE = "aws:lambda/eventSourceMapping:EventSourceMapping"


def logs_end(graph: Graph) -> Broken:
    for each in graph.of(LOGS):
        if not given(each, "retentionInDays"):
            yield each, "keeps logs for ever: set retentionInDays"
    for each in graph.of(FUNCTION):
        if not set(each.property_dependencies.get("loggingConfig", ())) & {group.urn for group in graph.of(LOGS)}:
            yield each, "writes to a log group that Lambda makes, without an end: give it one in loggingConfig"


def watched(graph: Graph) -> Broken:
    """A function that is called by a deployment alone fails with it: no event source, route or schedule leads to it."""
    dimensions = {urn for alarm in graph.of(ALARM) for urn in alarm.property_dependencies.get("dimensions", ())}
    called = {urn for source in graph.of(SOURCE) for urn in source.property_dependencies.get("functionName", ())}
    called |= {
        urn
        for permission in graph.of("aws:lambda/permission:Permission")
        for urn in permission.property_dependencies.get("function", ())
    }
    for each in graph.of(FUNCTION):
        if each.urn in called and each.urn not in dimensions:
            yield each, "fails unseen: add a MetricAlarm on its Errors"
    targets = {urn for queue in graph.of(QUEUE) for urn in queue.property_dependencies.get("redrivePolicy", ())}
    for each in graph.of(QUEUE):
        if each.urn in targets and each.urn not in dimensions:
            yield each, "collects dead letters unseen: add a MetricAlarm on its depth"


def tagged(graph: Graph) -> Broken:
    for each in graph.of(FUNCTION, QUEUE, "aws:dynamodb/table:Table", "aws:s3/bucket:Bucket", "aws:iam/role:Role"):
        absent = [tag for tag in ("service", "component") if not given(each, "tags", tag)]
        if absent:
            yield each, f"nobody knows whose it is: add the tags {', '.join(absent)}"


RULES = (
    Rule("logs-end", "Each function writes to a log group of its own, which has an end.", logs_end),
    Rule("watched", "Errors of functions and dead letters ring an alarm.", watched),
    Rule("tagged", "What costs or acts says whose it is, by the tags `service` and `component`.", tagged),
)
