"""Tables and buckets as this house keeps them: encrypted, recoverable, private, removed only when told."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from . import permissions, resource_policies
from .scope import Scope

Rule = aws.s3.BucketLifecycleConfigurationRuleArgsDict

COMMIT_KEYS = {"p": "S", "s": "N"}
ID_KEYS = {"p": "S"}
VIEW_KEYS = {"p": "S", "s": "S"}
TENANT_KEYS = {"p": "S", "s": "S"}
LIMIT_KEYS = {"p": "S"}
CASCADE_KEYS = {"p": "S", "s": "S"}


def table(
    scope: Scope,
    suffix: str,
    keys: dict[str, str],
    *,
    stream: str | None = None,
    expires: str | None = None,
    recovery_days: int | None = None,
    key_arn: pulumi.Input[str] | None = None,
) -> aws.dynamodb.Table:
    """A table on demand. `keys` are its key attributes and types, `stream` what its stream shows of an item that
    changes, `expires` the attribute with a time to live; `recovery_days` is how far back it can be restored, as far as
    DynamoDB goes (35) when left out. It is encrypted under AWS's key for DynamoDB, or one of our own."""
    names = list(keys)
    return aws.dynamodb.Table(
        scope.child(suffix),
        billing_mode="PAY_PER_REQUEST",
        attributes=[{"name": name, "type": kind} for name, kind in keys.items()],
        hash_key=names[0],
        range_key=names[1] if len(names) > 1 else None,
        stream_enabled=True if stream else None,
        stream_view_type=stream,
        ttl={"enabled": True, "attribute_name": expires} if expires else None,
        point_in_time_recovery=_recovery(recovery_days),
        server_side_encryption={"enabled": True, "kms_key_arn": key_arn} if key_arn else {"enabled": True},
        deletion_protection_enabled=scope.keep,
        tags=scope.tags,
        opts=scope.data_options(),
    )


def bucket(
    scope: Scope,
    suffix: str,
    *,
    versioned: bool,
    expire_after_days: int | None = None,
    rules: Sequence[Rule] = (),
    locked_days: int = 0,
    key_arn: pulumi.Input[str] | None = None,
) -> aws.s3.Bucket:
    """A private bucket, reached over TLS alone, encrypted by S3 or under a key of our own. Old versions and unfinished
    uploads do not pile up in it; `rules` are those of its lifecycle beside. For `locked_days`, nobody may delete or
    change an object of it."""
    made = aws.s3.Bucket(
        scope.child(suffix),
        force_destroy=not scope.keep,
        object_lock_enabled=True if locked_days else None,
        tags=scope.tags,
        opts=scope.data_options(),
    )
    closed = aws.s3.BucketPublicAccessBlock(
        scope.child(f"{suffix}-access"),
        bucket=made.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=scope.options(),
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        scope.child(f"{suffix}-encryption"),
        bucket=made.bucket,
        rules=[_encryption(key_arn)],
        opts=scope.options(),
    )
    versioning = []
    if versioned:
        versioning = [
            aws.s3.BucketVersioning(
                scope.child(f"{suffix}-versioning"),
                bucket=made.bucket,
                versioning_configuration={"status": "Enabled"},
                opts=scope.options(),
            )
        ]
    aws.s3.BucketLifecycleConfiguration(
        scope.child(f"{suffix}-lifecycle"),
        bucket=made.bucket,
        rules=[*_lifecycle(versioned, expire_after_days), *rules],
        opts=scope.options(*versioning),
    )
    aws.s3.BucketPolicy(
        scope.child(f"{suffix}-policy"),
        bucket=made.bucket,
        policy=permissions.policy(resource_policies.only_over_tls(made.arn)),
        opts=scope.options(closed),
    )
    if locked_days:
        aws.s3.BucketObjectLockConfiguration(
            scope.child(f"{suffix}-lock"),
            bucket=made.bucket,
            rule={"default_retention": {"mode": "GOVERNANCE", "days": locked_days}},
            opts=scope.options(*versioning),
        )
    return made


def key(scope: Scope, suffix: str, purpose: str) -> aws.kms.Key:
    """A key of our own, with AWS's default policy: who may use it is said by the roles."""
    return aws.kms.Key(
        scope.child(suffix),
        description=purpose,
        enable_key_rotation=True,
        deletion_window_in_days=30 if scope.keep else 7,
        tags=scope.tags,
        opts=scope.data_options(),
    )


def secret(scope: Scope, name: str, value: pulumi.Input[str] | None) -> aws.secretsmanager.Secret:
    """A secret, under AWS's key for them or the team's; without a value it waits for a person to set one."""
    made = aws.secretsmanager.Secret(
        scope.child(f"secret-{name}"),
        recovery_window_in_days=30 if scope.keep else 0,
        kms_key_id=scope.key_arn,
        tags=scope.tags,
        opts=scope.options(),
    )
    if value is not None:
        aws.secretsmanager.SecretVersion(
            scope.child(f"secret-{name}-value"),
            secret_id=made.id,
            secret_string=pulumi.Output.secret(value),
            opts=scope.options(),
        )
    return made


def _recovery(days: int | None) -> aws.dynamodb.TablePointInTimeRecoveryArgsDict:
    return {"enabled": True} if days is None else {"enabled": True, "recovery_period_in_days": days}


def _encryption(key_arn: pulumi.Input[str] | None) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
    if key_arn is None:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
        "bucket_key_enabled": True,
    }


def _lifecycle(versioned: bool, expire_after_days: int | None) -> list[Rule]:
    rules: list[Rule] = [
        {
            "id": "abort-unfinished-uploads",
            "status": "Enabled",
            "filter": {},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
        }
    ]
    if versioned:
        rules.append(
            {
                "id": "expire-old-versions",
                "status": "Enabled",
                "filter": {},
                "noncurrent_version_expiration": {"noncurrent_days": 30},
            }
        )
    if expire_after_days:
        rules.append(
            {
                "id": "expire",
                "status": "Enabled",
                "filter": {},
                "expiration": {"days": expire_after_days},
            }
        )
    return rules
