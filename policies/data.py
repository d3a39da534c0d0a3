"""Rules for what holds data: encrypted, recoverable, protected, private."""

from collections.abc import Iterator

from .rule import Graph, Resource, Rule, given, several, statements

Broken = Iterator[tuple[Resource, str]]

TABLE = "aws:dynamodb/table:Table"
BUCKET = "aws:s3/bucket:Bucket"
QUEUE = "aws:sqs/queue:Queue"
TOPIC = "aws:sns/topic:Topic"
STREAM = "aws:kinesis/stream:Stream"
CLUSTER = "aws:rds/cluster:Cluster"
POOL = "aws:cognito/userPool:UserPool"
KEY = "aws:kms/key:Key"
_S3 = "aws:s3/bucket"
_ENCRYPTION = f"{_S3}ServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_ACCESS = f"{_S3}PublicAccessBlock:BucketPublicAccessBlock"
_POLICY = f"{_S3}Policy:BucketPolicy"
_CLOSED = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def encrypted(graph: Graph) -> Broken:
    wanted = {
        TABLE: (("serverSideEncryption", "enabled"), "serverSideEncryption={'enabled': True}"),
        TOPIC: (("kmsMasterKeyId",), "kmsMasterKeyId='alias/aws/sns'"),
        CLUSTER: (("storageEncrypted",), "storageEncrypted=True"),
    }
    for type_, (path, mend) in wanted.items():
        for each in graph.of(type_):
            if not given(each, *path):
                yield each, f"not encrypted at rest: set {mend}"
    for each in graph.of(QUEUE):
        if not (given(each, "sqsManagedSseEnabled") or given(each, "kmsMasterKeyId")):
            yield each, "not encrypted at rest: set sqsManagedSseEnabled=True, or a key"
    for each in graph.of(STREAM):
        if given(each, "encryptionType") != "KMS":
            yield each, "not encrypted at rest: set encryptionType='KMS'"
    for each in graph.of(BUCKET):
        if not graph.about(_ENCRYPTION, "bucket", each.urn):
            yield each, "says nothing of its encryption: add a BucketServerSideEncryptionConfiguration"


def recoverable(graph: Graph) -> Broken:
    for each in graph.of(TABLE):
        if not given(each, "pointInTimeRecovery", "enabled"):
            yield each, "what is deleted by mistake is gone: set pointInTimeRecovery={'enabled': True}"
    for each in graph.of(CLUSTER):
        if (given(each, "backupRetentionPeriod") or 0) < 7:
            yield each, "backups of less than a week: set backupRetentionPeriod to 7 or more days"


def protected(graph: Graph) -> Broken:
    if graph.removal == "destroy":
        return
    for each in graph.of(TABLE, BUCKET, CLUSTER, POOL):
        if not each.options.protect:
            yield each, "holds data, and goes with the stack: protect it, or say removal: destroy"
    for each in graph.of(TABLE):
        if not given(each, "deletionProtectionEnabled"):
            yield each, "anybody with the right may delete it: set deletionProtectionEnabled=True"
    for each in graph.of(CLUSTER):
        if not given(each, "deletionProtection"):
            yield each, "anybody with the right may delete it: set deletionProtection=True"
    for each in graph.of(POOL):
        if given(each, "deletionProtection") != "ACTIVE":
            yield each, "anybody with the right may delete it: set deletionProtection='ACTIVE'"
    for each in graph.of(BUCKET):
        if given(each, "forceDestroy"):
            yield each, "its objects are deleted with it: set forceDestroy=False"


def private(graph: Graph) -> Broken:
    for each in graph.of(BUCKET):
        blocks = graph.about(_ACCESS, "bucket", each.urn)
        if not any(all(given(block, key) for key in _CLOSED) for block in blocks):
            yield each, f"may be made public: add a BucketPublicAccessBlock with {', '.join(_CLOSED)}"
        if not any(_tls_only(policy) for policy in graph.about(_POLICY, "bucket", each.urn)):
            yield each, "is reached without TLS: deny requests with aws:SecureTransport false in its policy"
    for each in graph.of("aws:rds/clusterInstance:ClusterInstance"):
        if given(each, "publiclyAccessible") is not False:
            yield each, "may have a public address: set publiclyAccessible=False"


def rotating(graph: Graph) -> Broken:
    for each in graph.of(KEY):
        if not given(each, "enableKeyRotation") and not given(each, "customerMasterKeySpec"):
            yield each, "is never rotated: set enableKeyRotation=True"


def _tls_only(policy: Resource) -> bool:
    return any(
        statement.get("Effect") == "Deny"
        and several(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")) == ["false"]
        for statement in statements(given(policy, "policy"))
    )


RULES = (
    Rule("encrypted", "Tables, buckets, queues, topics, streams and databases are encrypted at rest.", encrypted),
    Rule("recoverable", "Tables can be restored to any second of the last weeks, databases to a week.", recoverable),
    Rule(
        "protected", "What holds data is protected from deletion, unless the stack says `removal: destroy`.", protected
    ),
    Rule(
        "private", "No bucket can be made public or is reached without TLS; no database has a public address.", private
    ),
    Rule("rotating", "KMS keys rotate.", rotating),
)
