"""Kinesis data streams."""

from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine

_PROVISIONED = "PROVISIONED"
_HOURS = 24


class Stream(Handler):
    """A stream on demand has one shard here."""

    understood = frozenset({"name", "retentionPeriod", "shardCount", "streamModeDetails", "tags"})
    without_effect = frozenset({"encryptionType", "enforceConsumerDeletion", "kmsKeyId", "shardLevelMetrics"})
    replaced_by = frozenset({"name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, kinesis = request.physical_name(), request.site.client("kinesis")
        mode, shards = _mode(request.inputs), _shards(request.inputs)
        kinesis.create_stream(StreamName=name, ShardCount=shards, StreamModeDetails={"StreamMode": mode})
        kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
        self._set_retention(kinesis, name, request.inputs)
        arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
        return arn, {"name": name, "arn": arn}

    def update(self, request: Request, record: Record) -> Outputs:
        kinesis, name, shards = request.site.client("kinesis"), record.outputs["name"], _shards(request.inputs)
        if shards != _shards(record.inputs):
            kinesis.update_shard_count(StreamName=name, TargetShardCount=shards, ScalingType="UNIFORM_SCALING")
        self._set_retention(kinesis, name, request.inputs)
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("kinesis").delete_stream(StreamName=record.outputs["name"], EnforceConsumerDeletion=True)

    def _set_retention(self, kinesis: Any, name: str, inputs: dict[str, Any]) -> None:
        wanted = int(inputs.get("retentionPeriod", _HOURS))
        found = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["RetentionPeriodHours"]
        if wanted > found:
            kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=wanted)
        elif wanted < found:
            kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=wanted)


def _mode(inputs: dict[str, Any]) -> str:
    return inputs.get("streamModeDetails", {}).get("streamMode", _PROVISIONED)


def _shards(inputs: dict[str, Any]) -> int:
    return int(inputs.get("shardCount", 1)) if _mode(inputs) == _PROVISIONED else 1


HANDLERS = {"aws:kinesis/stream:Stream": Stream()}
