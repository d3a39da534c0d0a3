"""SQS queues and their policies."""

import json
from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine
from .policies import document

_ATTRIBUTES = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "delaySeconds": "DelaySeconds",
    "fifoThroughputLimit": "FifoThroughputLimit",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "redrivePolicy": "RedrivePolicy",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
_DEFAULTS: dict[str, Any] = {
    "delaySeconds": 0,
    "messageRetentionSeconds": 345600,
    "receiveWaitTimeSeconds": 0,
    "visibilityTimeoutSeconds": 30,
}


class Queue(Handler):
    understood = frozenset({*_ATTRIBUTES, "fifoQueue", "name", "tags"})
    without_effect = frozenset({"kmsDataKeyReusePeriodSeconds", "kmsMasterKeyId", "sqsManagedSseEnabled"})
    replaced_by = frozenset({"fifoQueue", "name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        fifo = request.inputs.get("fifoQueue", False)
        name = request.physical_name(suffix=".fifo" if fifo else "")
        sqs = request.site.client("sqs")
        attributes = _attributes(request.inputs) | ({"FifoQueue": "true"} if fifo else {})
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, {"name": name, "url": url, "arn": arn, **_unset(request.inputs)}

    def update(self, request: Request, record: Record) -> Outputs:
        gone = {k: "" for k in ("policy", "redrivePolicy", "redriveAllowPolicy") if k in record.inputs}
        attributes = _attributes({**gone, **_DEFAULTS, **request.inputs})
        request.site.client("sqs").set_queue_attributes(QueueUrl=record.id, Attributes=attributes)
        return {**{k: record.outputs[k] for k in ("name", "url", "arn")}, **_unset(request.inputs)}

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("sqs").delete_queue(QueueUrl=record.id)


class QueuePolicy(Handler):
    understood = frozenset({"policy", "queueUrl"})
    replaced_by = frozenset({"queueUrl"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        url = request.inputs["queueUrl"]
        request.site.client("sqs").set_queue_attributes(
            QueueUrl=url, Attributes={"Policy": document(request.inputs["policy"])}
        )
        return url, {}

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("sqs").set_queue_attributes(QueueUrl=record.id, Attributes={"Policy": ""})


def _unset(inputs: dict[str, Any]) -> Outputs:
    return {k: v for k, v in _DEFAULTS.items() if k not in inputs}


def _attributes(inputs: dict[str, Any]) -> dict[str, str]:
    return {api: _text(inputs[name]) for name, api in _ATTRIBUTES.items() if name in inputs}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


HANDLERS = {"aws:sqs/queue:Queue": Queue(), "aws:sqs/queuePolicy:QueuePolicy": QueuePolicy()}
