"""The archive: every event as it was published, in gzip, on whatever road, beside the lake and independent of it."""

from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws

from . import alarms, lake_permissions, permissions, storage
from .function import account_of
from .handles import Handle, optional
from .scope import Scope

ROADS = ("eventbridge", "kinesis", "sns")
"""A FIFO topic delivers to queues alone."""

EVENTS = "events/"
ERRORS = "errors/"
_BY_DAY = "!{timestamp:yyyy/MM/dd/HH}/"


class Kept(NamedTuple):
    """How long the archive keeps what, in days: 0 is not at all, or for ever."""

    colder_after: int
    locked: int


class Archive:
    """`bucket` is its bucket."""

    def __init__(self, scope: Scope, events: Handle, kept: Kept) -> None:
        self._scope = scope
        rules: list[storage.Rule] = []
        if kept.colder_after:
            rules.append(
                {
                    "id": "colder",
                    "status": "Enabled",
                    "filter": {"prefix": EVENTS},
                    "transitions": [{"days": kept.colder_after, "storage_class": "GLACIER_IR"}],
                }
            )
        self.bucket = storage.bucket(
            scope,
            "archive",
            versioned=bool(kept.locked),
            rules=rules,
            locked_days=kept.locked,
            key_arn=scope.key_arn,
        )
        self._account = account_of(pulumi.Output.from_input(events["bus_arn"]))
        road = events["road"]
        source = self._source(events) if road == "kinesis" else None
        self.delivery = self._delivery(events, source)
        if road == "eventbridge":
            self._from_bus(events)
        elif road == "sns":
            self._from_topic(events)
        alarms.on_late_delivery(scope, "archive", self.delivery.name)

    def _delivery(self, events: Handle, source: dict[str, Any] | None) -> aws.kinesis.FirehoseDeliveryStream:
        statements = [
            *lake_permissions.deliver(self.bucket.arn),
            *lake_permissions.under_key_of_files(self._scope.key_arn),
        ]
        role, allowed = self._role("firehose.amazonaws.com", "delivery", statements)
        delimiter: aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorArgsDict = {
            "type": "AppendDelimiterToRecord",
            "parameters": [{"parameter_name": "Delimiter", "parameter_value": "\\n"}],
        }
        return aws.kinesis.FirehoseDeliveryStream(
            self._scope.child("archive-delivery"),
            destination="extended_s3",
            kinesis_source_configuration=source,  # pyright: ignore[reportArgumentType]
            extended_s3_configuration={
                "bucket_arn": self.bucket.arn,
                "role_arn": role.arn,
                "prefix": f"{EVENTS}{_BY_DAY}",
                "error_output_prefix": f"{ERRORS}!{{firehose:error-output-type}}/{_BY_DAY}",
                "buffering_interval": 300,
                "buffering_size": 64,
                "compression_format": "GZIP",
                "processing_configuration": {
                    "enabled": True,
                    "processors": [delimiter],
                },
            },
            server_side_encryption=None if source else {"enabled": True},
            tags=self._scope.tags,
            opts=self._scope.options(allowed),
        )

    def _source(self, events: Handle) -> dict[str, Any]:
        key = optional(events, "bus_key_arn")
        statements = [
            *permissions.read_data_stream(events["bus_arn"])[:1],
            *permissions.under_key("ReadUnderKey", ["Decrypt"], [key], "kinesis"),
        ]
        role, _ = self._role("firehose.amazonaws.com", "source", statements)
        return {"kinesis_stream_arn": events["bus_arn"], "role_arn": role.arn}

    def _from_bus(self, events: Handle) -> None:
        role, allowed = self._role("events.amazonaws.com", "rule", lake_permissions.archive(self.delivery.arn))
        rule = aws.cloudwatch.EventRule(
            self._scope.child("archive-rule"),
            event_bus_name=events["bus_name"],
            event_pattern=pulumi.Output.json_dumps({"source": [events["domain"]["service"]]}),
            tags=self._scope.tags,
            opts=self._scope.options(),
        )
        aws.cloudwatch.EventTarget(
            self._scope.child("archive-target"),
            event_bus_name=events["bus_name"],
            rule=rule.name,
            arn=self.delivery.arn,
            role_arn=role.arn,
            input_path="$.detail",  # the bare envelope, as the other roads have it
            retry_policy={"maximum_event_age_in_seconds": 24 * 3600, "maximum_retry_attempts": 185},
            opts=self._scope.options(allowed),
        )

    def _from_topic(self, events: Handle) -> None:
        role, allowed = self._role("sns.amazonaws.com", "topic", lake_permissions.archive(self.delivery.arn))
        aws.sns.TopicSubscription(
            self._scope.child("archive-subscription"),
            topic=events["bus_arn"],
            protocol="firehose",
            endpoint=self.delivery.arn,
            subscription_role_arn=role.arn,
            raw_message_delivery=True,
            opts=self._scope.options(allowed),
        )

    def _role(
        self, service: str, suffix: str, statements: list[permissions.Statement]
    ) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        """SNS does not say on whose account's behalf it assumes a role."""
        role = aws.iam.Role(
            self._scope.child(f"archive-{suffix}-role"),
            assume_role_policy=permissions.trusted_by(service, None if service.startswith("sns") else self._account),
            tags=self._scope.tags,
            opts=self._scope.options(),
        )
        allowed = aws.iam.RolePolicy(
            self._scope.child(f"archive-{suffix}-policy"),
            role=role.name,
            policy=permissions.policy(*statements),
            opts=self._scope.options(),
        )
        return role, allowed
