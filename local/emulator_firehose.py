"""The emulator's Firehose: rules and topics deliver to it too, and what was delivered is not kept in memory as well.

Runs inside the emulator's process.
"""

import base64
import json
from typing import Any


def apply() -> None:
    from ministack.services import eventbridge, firehose, sns

    invoke, fanout, deliver = eventbridge._invoke_target, sns._fanout, firehose._deliver_records_to_s3

    def invoke_target(target: dict, event: dict, rule: dict, view: Any = None) -> None:
        if not _is_firehose(target.get("Arn", "")):
            invoke(target, event, rule, view)
            return
        content: Any = (view or eventbridge._pattern_event_view(event)).event_with_detail()
        for part in filter(None, target.get("InputPath", "").strip("$.").split(".")):
            content = content[part]
        _put(target["Arn"], json.dumps(content))

    def fanout_too(topic_arn: str, msg_id: str, message: str, subject: str, *rest: Any, **named: Any) -> None:
        fanout(topic_arn, msg_id, message, subject, *rest, **named)
        for subscription in (sns._topic_by_arn_any_scope(topic_arn) or {}).get("subscriptions", ()):
            if subscription.get("protocol") == "firehose":
                raw = subscription.get("attributes", {}).get("RawMessageDelivery") == "true"
                _put(subscription["endpoint"], message if raw else json.dumps({"Message": message}))

    def deliver_records(stream: dict, dest: dict, records: list) -> None:
        deliver(stream, dest, records)
        dest["records"].clear()

    def _put(arn: str, text: str) -> None:
        record = {"Data": base64.b64encode(text.encode()).decode()}
        firehose._put_record({"DeliveryStreamName": arn.rpartition("/")[2], "Record": record})

    eventbridge._invoke_target = invoke_target
    sns._fanout = fanout_too
    firehose._deliver_records_to_s3 = deliver_records


def _is_firehose(arn: str) -> bool:
    return arn.split(":")[2:3] == ["firehose"]
