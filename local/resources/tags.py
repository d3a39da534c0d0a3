"""Tags of resources: set on creation and on change, by each service's own calls."""

from collections.abc import Callable
from typing import Any

from ..state import Record
from .handler import Site

Tags = dict[str, str]

# These the emulator's tagging API writes; the rest have calls of their own.
_TAGGED_TOGETHER = {
    "aws:dynamodb/table:Table",
    "aws:s3/bucket:Bucket",
    "aws:lambda/function:Function",
    "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue",
    "aws:cloudwatch/eventBus:EventBus",
    "aws:cloudwatch/eventRule:EventRule",
    "aws:kms/key:Key",
}


def set_tags(site: Site, record: Record, tags: Tags, old: Tags) -> None:
    """Make `tags` the resource's tags, which were `old`. What lives in the graph alone is left there."""
    gone = sorted(old.keys() - tags.keys())
    put = {k: v for k, v in tags.items() if old.get(k) != v}
    if not gone and not put:
        return
    if record.type in _TAGGED_TOGETHER:
        _tag_together(site, record.outputs["arn"], put, gone)
    elif record.type in _OWN_CALLS:
        _OWN_CALLS[record.type](site, record, put, gone)


def _tag_together(site: Site, arn: str, put: Tags, gone: list[str]) -> None:
    tagging = site.client("resourcegroupstaggingapi")
    if put:
        _raise_failed(tagging.tag_resources(ResourceARNList=[arn], Tags=put))
    if gone:
        _raise_failed(tagging.untag_resources(ResourceARNList=[arn], TagKeys=gone))


def _raise_failed(answer: dict[str, Any]) -> None:
    for arn, failure in answer["FailedResourcesMap"].items():
        raise ValueError(f"its tags could not be set on {arn}: {failure['ErrorMessage']}")


def _tag_role(site: Site, record: Record, put: Tags, gone: list[str]) -> None:
    iam = site.client("iam")
    if put:
        iam.tag_role(RoleName=record.id, Tags=_list(put))
    if gone:
        iam.untag_role(RoleName=record.id, TagKeys=gone)


def _tag_secret(site: Site, record: Record, put: Tags, gone: list[str]) -> None:
    manager = site.client("secretsmanager")
    if put:
        manager.tag_resource(SecretId=record.id, Tags=_list(put))
    if gone:
        manager.untag_resource(SecretId=record.id, TagKeys=gone)


def _tag_log_group(site: Site, record: Record, put: Tags, gone: list[str]) -> None:
    logs, arn = site.client("logs"), record.outputs["arn"]
    if put:
        logs.tag_resource(resourceArn=arn, tags=put)
    if gone:
        logs.untag_resource(resourceArn=arn, tagKeys=gone)


def _tag_alarm(site: Site, record: Record, put: Tags, gone: list[str]) -> None:
    cloudwatch, arn = site.client("cloudwatch"), record.outputs["arn"]
    if put:
        cloudwatch.tag_resource(ResourceARN=arn, Tags=_list(put))
    if gone:
        cloudwatch.untag_resource(ResourceARN=arn, TagKeys=gone)


def _tag_data_stream(site: Site, record: Record, put: Tags, gone: list[str]) -> None:
    kinesis, name = site.client("kinesis"), record.outputs["name"]
    if put:
        kinesis.add_tags_to_stream(StreamName=name, Tags=put)
    if gone:
        kinesis.remove_tags_from_stream(StreamName=name, TagKeys=gone)


def _tag_user_pool(site: Site, record: Record, put: Tags, gone: list[str]) -> None:
    cognito, arn = site.client("cognito-idp"), record.outputs["arn"]
    if put:
        cognito.tag_resource(ResourceArn=arn, Tags=put)
    if gone:
        cognito.untag_resource(ResourceArn=arn, TagKeys=gone)


def _tag_timers(site: Site, record: Record, put: Tags, gone: list[str]) -> None:
    scheduler, arn = site.client("scheduler"), record.outputs["arn"]
    if put:
        scheduler.tag_resource(ResourceArn=arn, Tags=_list(put))
    if gone:
        scheduler.untag_resource(ResourceArn=arn, TagKeys=gone)


def _tag_budget(site: Site, record: Record, put: Tags, gone: list[str]) -> None:
    budgets, arn = site.client("budgets"), record.outputs["arn"]
    if put:
        budgets.tag_resource(ResourceARN=arn, ResourceTags=_list(put))
    if gone:
        budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=gone)


def _list(tags: Tags) -> list[dict[str, str]]:
    return [{"Key": k, "Value": v} for k, v in sorted(tags.items())]


_OWN_CALLS: dict[str, Callable[[Site, Record, Tags, list[str]], None]] = {
    "aws:budgets/budget:Budget": _tag_budget,
    "aws:cognito/userPool:UserPool": _tag_user_pool,
    "aws:iam/role:Role": _tag_role,
    "aws:kinesis/stream:Stream": _tag_data_stream,
    "aws:secretsmanager/secret:Secret": _tag_secret,
    "aws:cloudwatch/logGroup:LogGroup": _tag_log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _tag_alarm,
    "aws:scheduler/scheduleGroup:ScheduleGroup": _tag_timers,
}
