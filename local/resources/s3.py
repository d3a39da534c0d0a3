"""S3 buckets and what is configured on them."""

from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, pascal
from .policies import document

_LIFECYCLE_NAMES = {"id": "ID"}


class Bucket(Handler):
    understood = frozenset({"bucket", "forceDestroy", "tags"})
    without_effect = frozenset({"objectLockEnabled"})
    replaced_by = frozenset({"bucket", "objectLockEnabled"})
    holds_data = True

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, region = request.physical_name("bucket"), request.site.region
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        request.site.client("s3").create_bucket(Bucket=name, **place)
        return name, _outputs(name, region)

    def update(self, request: Request, record: Record) -> Outputs:
        return _outputs(record.id, request.site.region)

    def delete(self, site: Site, record: Record) -> None:
        s3 = site.client("s3")
        with absent_is_fine():
            _empty(s3, record.id)
            s3.delete_bucket(Bucket=record.id)


class _Configuration(Handler):
    """Something put on a bucket; its id is the bucket's name."""

    replaced_by = frozenset({"bucket"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        bucket = request.inputs["bucket"]
        self.put(request.site.client("s3"), bucket, request.inputs)
        return bucket, {}

    def put(self, s3: Any, bucket: str, inputs: dict[str, Any]) -> None:
        raise NotImplementedError


class PublicAccessBlock(_Configuration):
    understood = frozenset(
        {"bucket", "blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"}
    )

    def put(self, s3: Any, bucket: str, inputs: dict[str, Any]) -> None:
        flags = {k: v for k, v in inputs.items() if k in self.understood - {"bucket"}}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=pascal(flags))

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("s3").delete_public_access_block(Bucket=record.id)


class Versioning(_Configuration):
    understood = frozenset({"bucket", "versioningConfiguration"})

    def put(self, s3: Any, bucket: str, inputs: dict[str, Any]) -> None:
        status = inputs["versioningConfiguration"]["status"]
        if status != "Disabled":
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("s3").put_bucket_versioning(Bucket=record.id, VersioningConfiguration={"Status": "Suspended"})


class Encryption(_Configuration):
    understood = frozenset({"bucket", "rules"})

    def put(self, s3: Any, bucket: str, inputs: dict[str, Any]) -> None:
        rules = pascal(inputs["rules"], {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"})
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("s3").delete_bucket_encryption(Bucket=record.id)


class Lifecycle(_Configuration):
    """Stored, and not followed: nothing expires on a laptop."""

    understood = frozenset({"bucket", "rules"})
    without_effect = frozenset({"transitionDefaultMinimumObjectSize"})

    def put(self, s3: Any, bucket: str, inputs: dict[str, Any]) -> None:
        rules = [{"filter": {"prefix": ""}, **rule} for rule in inputs["rules"]]
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": pascal(rules, _LIFECYCLE_NAMES)}
        )

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("s3").delete_bucket_lifecycle(Bucket=record.id)


class ObjectLock(_Configuration):
    """Not followed: on a laptop data goes when its owner says so."""

    understood = frozenset({"bucket"})
    without_effect = frozenset({"objectLockEnabled", "rule"})

    def put(self, s3: Any, bucket: str, inputs: dict[str, Any]) -> None:
        s3.head_bucket(Bucket=bucket)

    def delete(self, site: Site, record: Record) -> None:
        """Nothing of it is kept."""


class Policy(_Configuration):
    understood = frozenset({"bucket", "policy"})

    def put(self, s3: Any, bucket: str, inputs: dict[str, Any]) -> None:
        s3.put_bucket_policy(Bucket=bucket, Policy=document(inputs["policy"]))

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("s3").delete_bucket_policy(Bucket=record.id)


def _outputs(name: str, region: str) -> Outputs:
    return {
        "bucket": name,
        "arn": f"arn:aws:s3:::{name}",
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "bucketRegion": region,
    }


def _empty(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=item["Key"])


HANDLERS = {
    "aws:s3/bucket:Bucket": Bucket(),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": PublicAccessBlock(),
    "aws:s3/bucketVersioning:BucketVersioning": Versioning(),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Encryption(),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Lifecycle(),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": ObjectLock(),
    "aws:s3/bucketPolicy:BucketPolicy": Policy(),
}
