"""Physical names of resources: the same on every run, and within what the service allows."""

import hashlib

_LONGEST = {
    "aws:s3/bucket:Bucket": 63,
    "aws:iam/role:Role": 64,
    "aws:iam/rolePolicy:RolePolicy": 128,
    "aws:lambda/function:Function": 64,
    "aws:lambda/layerVersion:LayerVersion": 140,
    "aws:cloudwatch/eventRule:EventRule": 64,
    "aws:athena/workgroup:Workgroup": 128,
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": 64,
    "aws:kinesis/stream:Stream": 128,
    "aws:sqs/queue:Queue": 80,
    "aws:scheduler/schedule:Schedule": 64,
    "aws:scheduler/scheduleGroup:ScheduleGroup": 64,
    "aws:lambda/permission:Permission": 100,
    "aws:apigatewayv2/api:Api": 128,
    "aws:budgets/budget:Budget": 100,
}
_SHORTEST_LIMIT = 255


def physical_name(type_: str, urn: str, project: str, stack: str, name: str, *, suffix: str = "") -> str:
    """`{project}-{stack}-{name}-{6 hex of the URN}`, the middle cut where the service's limit asks for it.

    Buckets are lower-case. `suffix` is kept at the end, as `.fifo` must be.
    """
    ending = f"-{hashlib.sha256(urn.encode()).hexdigest()[:6]}{suffix}"
    room = _LONGEST.get(type_, _SHORTEST_LIMIT) - len(ending)
    stem = f"{project}-{stack}-{name}"
    if type_ == "aws:s3/bucket:Bucket":
        stem = stem.lower().replace("_", "-")
    return stem[:room].rstrip("-.") + ending
