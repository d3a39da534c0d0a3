"""Kinesis Data Streams: a stream, that each consumer reads for itself."""

import pulumi_aws as aws

from ..scope import Scope
from .road import Road

KEY = "alias/aws/kinesis"  # AWS's own key: whoever may use the stream may use it
ACTION = "kinesis:PutRecords"


def build(scope: Scope, shards: int, retention_hours: int) -> Road:
    """The stream, with so many shards, or on demand where that is 0; under the team's key, where there is one."""
    stream = aws.kinesis.Stream(
        scope.child("stream"),
        stream_mode_details={"stream_mode": "PROVISIONED" if shards else "ON_DEMAND"},
        shard_count=shards or None,
        retention_period=retention_hours,
        encryption_type="KMS",
        kms_key_id=scope.key_arn or KEY,
        tags=scope.tags,
        opts=scope.options(),
    )
    return Road("kinesis", stream.name, stream.arn, ACTION, scope.key_arn)
