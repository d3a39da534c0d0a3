"""Amazon Resource Names, for those resource types whose ARN follows from their name."""

ACCOUNT = "000000000000"

_PATTERNS = {
    "aws:dynamodb/table:Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "aws:s3/bucket:Bucket": "arn:aws:s3:::{name}",
    "aws:iam/role:Role": "arn:aws:iam::{account}:role/{name}",
    "aws:lambda/function:Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "aws:lambda/layerVersion:LayerVersion": "arn:aws:lambda:{region}:{account}:layer:{name}:1",
    "aws:lambda/eventSourceMapping:EventSourceMapping": (
        "arn:aws:lambda:{region}:{account}:event-source-mapping:{name}"
    ),
    "aws:cloudwatch/logGroup:LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
    "aws:cloudwatch/eventBus:EventBus": "arn:aws:events:{region}:{account}:event-bus/{name}",
    "aws:cloudwatch/eventRule:EventRule": "arn:aws:events:{region}:{account}:rule/{name}",
    "aws:athena/workgroup:Workgroup": "arn:aws:athena:{region}:{account}:workgroup/{name}",
    "aws:glue/catalogDatabase:CatalogDatabase": "arn:aws:glue:{region}:{account}:database/{name}",
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": (
        "arn:aws:firehose:{region}:{account}:deliverystream/{name}"
    ),
    "aws:kinesis/stream:Stream": "arn:aws:kinesis:{region}:{account}:stream/{name}",
    "aws:sns/topic:Topic": "arn:aws:sns:{region}:{account}:{name}",
    "aws:sqs/queue:Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "aws:secretsmanager/secret:Secret": "arn:aws:secretsmanager:{region}:{account}:secret:{name}",
    "aws:scheduler/scheduleGroup:ScheduleGroup": "arn:aws:scheduler:{region}:{account}:schedule-group/{name}",
    "aws:scheduler/schedule:Schedule": "arn:aws:scheduler:{region}:{account}:schedule/default/{name}",
    "aws:rds/cluster:Cluster": "arn:aws:rds:{region}:{account}:cluster:{name}",
    "aws:rds/clusterInstance:ClusterInstance": "arn:aws:rds:{region}:{account}:db:{name}",
    "aws:cognito/userPool:UserPool": "arn:aws:cognito-idp:{region}:{account}:userpool/{name}",
    "aws:budgets/budget:Budget": "arn:aws:budgets::{account}:budget/{name}",
    "aws:kms/key:Key": "arn:aws:kms:{region}:{account}:key/{name}",
}


def arn(type_: str, name: str, region: str, account: str = ACCOUNT) -> str:
    """The ARN of a resource of this type token; KeyError for a type without one of its own."""
    return _PATTERNS[type_].format(name=name, region=region, account=account)


def has_arn(type_: str) -> bool:
    """Whether `arn` knows the type."""
    return type_ in _PATTERNS


def name_of(arn_or_name: str) -> str:
    """The last part of an ARN, without a function's qualifier; a plain name comes back as it is."""
    if not arn_or_name.startswith("arn:"):
        return arn_or_name
    service, resource = arn_or_name.split(":")[2], arn_or_name.split(":", 5)[5]
    if service == "lambda":
        return resource.split(":")[1]
    return resource.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
