"""Firehose delivery streams to S3. The emulator writes one object for each record, at once and as it came."""

from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal

_NAMES = {
    "bucketArn": "BucketARN",
    "roleArn": "RoleARN",
    "kinesisStreamArn": "KinesisStreamARN",
}
_BUFFERING = {"bufferingSize": "SizeInMBs", "bufferingInterval": "IntervalInSeconds"}


class DeliveryStream(Handler):
    understood = frozenset({"destination", "extendedS3Configuration", "kinesisSourceConfiguration", "name", "tags"})
    without_effect = frozenset({"serverSideEncryption"})
    replaced_by = frozenset({"destination", "kinesisSourceConfiguration", "name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        inputs, site = request.inputs, request.site
        if inputs["destination"] != "extended_s3":
            raise ValueError(f"destination is {inputs['destination']!r}; the laptop delivers to extended_s3 alone")
        name, source = request.physical_name(), inputs.get("kinesisSourceConfiguration")
        given: dict[str, Any] = {"DeliveryStreamType": "DirectPut"}
        if source:
            given = {
                "DeliveryStreamType": "KinesisStreamAsSource",
                "KinesisStreamSourceConfiguration": pascal(source, _NAMES),
            }
        arn = site.client("firehose").create_delivery_stream(
            DeliveryStreamName=name,
            ExtendedS3DestinationConfiguration=_destination(inputs["extendedS3Configuration"]),
            **given,
        )["DeliveryStreamARN"]
        return arn, {"name": name, "arn": arn}

    def update(self, request: Request, record: Record) -> Outputs:
        firehose, name = request.site.client("firehose"), record.outputs["name"]
        described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        firehose.update_destination(
            DeliveryStreamName=name,
            CurrentDeliveryStreamVersionId=described["VersionId"],
            DestinationId=described["Destinations"][0]["DestinationId"],
            ExtendedS3DestinationUpdate=_destination(request.inputs["extendedS3Configuration"]),
        )
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("firehose").delete_delivery_stream(DeliveryStreamName=record.outputs["name"])


def _destination(given: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in given.items() if key not in _BUFFERING}
    buffering = {api: int(given[key]) for key, api in _BUFFERING.items() if key in given}
    return {**pascal(plain, _NAMES), **({"BufferingHints": buffering} if buffering else {})}


HANDLERS = {"aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": DeliveryStream()}
