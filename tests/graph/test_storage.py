"""Tables, buckets and secrets: their shape, and what happens to them with the stack."""

import pytest

from components import EventSourcedService
from local.monitor import Secret
from tests.graph.support import DOMAIN, component, document, shop

TABLE, BUCKET = "aws:dynamodb/table:Table", "aws:s3/bucket:Bucket"
USERS = "aws:cognito/userPool:UserPool"
SECRET, VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"


def test_the_keys_of_each_table():
    keys = {}
    for table in shop("dev").of(TABLE):
        types = {each["name"]: each["type"] for each in table.inputs["attributes"]}
        names = [table.inputs["hashKey"], *filter(None, [table.inputs.get("rangeKey")])]
        assert types.keys() == set(names)
        keys[table.name] = [(name, types[name]) for name in names]
    view = [("p", "S"), ("s", "S")]
    assert keys == {
        "shop-commits": [("p", "S"), ("s", "N")],
        "shop-ids": [("p", "S")],
        "shop-views-view-checkout": view,
        "shop-views-view-products": view,
        "shop-views-view-purchases": view,
        "shop-auth-tenants": [("p", "S"), ("s", "S")],
        "shop-api-limits": [("p", "S")],
    }


def test_every_table_is_on_demand_encrypted_and_recoverable():
    for table in shop("dev").of(TABLE):
        assert table.inputs["billingMode"] == "PAY_PER_REQUEST"
        assert table.inputs["pointInTimeRecovery"] == {"enabled": True}
        assert table.inputs["serverSideEncryption"] == {"enabled": True}
        assert not table.inputs.keys() & {"globalSecondaryIndexes", "localSecondaryIndexes", "readCapacity"}


def test_only_commits_have_a_stream():
    streams = {table.name: table.inputs.get("streamViewType") for table in shop("dev").of(TABLE)}
    assert {name: view for name, view in streams.items() if view} == {"shop-commits": "NEW_IMAGE"}
    assert shop("dev").one(TABLE, "shop-commits").inputs["streamEnabled"] is True


def test_only_command_ids_and_counts_of_requests_expire():
    lives = {table.name: table.inputs.get("ttl") for table in shop("dev").of(TABLE)}
    expires = {"enabled": True, "attributeName": "ttl"}
    assert {name: ttl for name, ttl in lives.items() if ttl} == {"shop-ids": expires, "shop-api-limits": expires}


@pytest.mark.parametrize(("removal", "kept"), [("keep", True), ("destroy", False)])
def test_data_goes_with_the_stack_only_when_told(removal, kept):
    graph = shop("dev", removal=removal)
    timers = graph.of("aws:scheduler/scheduleGroup:ScheduleGroup")
    data = graph.of(TABLE) + graph.of(BUCKET) + graph.of(USERS) + timers
    assert len(data) == 11
    for each in data:
        assert each.options.protect is kept, each
        assert each.options.retain_on_delete is kept, each
    assert {each.inputs["deletionProtectionEnabled"] for each in graph.of(TABLE)} == {kept}
    assert {each.inputs["forceDestroy"] for each in graph.of(BUCKET)} == {not kept}
    assert graph.one(USERS).inputs["deletionProtection"] == ("ACTIVE" if kept else "INACTIVE")
    assert graph.one(SECRET).inputs["recoveryWindowInDays"] == (30 if kept else 0)
    for each in graph.resources:
        if each not in data:
            assert not each.options.protect, each


def test_data_is_kept_by_default():
    graph = component(EventSourcedService, "orders", {"domain": DOMAIN})
    assert all(each.options.protect and each.options.retain_on_delete for each in graph.of(TABLE) + graph.of(BUCKET))


@pytest.mark.parametrize("bucket", ["shop-bodies", "shop-failures"])
def test_buckets_are_private_encrypted_and_reached_over_tls_alone(bucket):
    graph = shop("dev")
    made = graph.one(BUCKET, bucket)
    name, arn = made.outputs["bucket"], made.outputs["arn"]
    access = graph.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", f"{bucket}-access").inputs
    assert access.pop("bucket") == name
    assert access == dict.fromkeys(
        ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"], True
    )
    encryption = graph.one(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", f"{bucket}-encryption"
    ).inputs
    assert encryption["bucket"] == name
    assert encryption["rules"] == [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    policy = graph.one("aws:s3/bucketPolicy:BucketPolicy", f"{bucket}-policy").inputs
    assert policy["bucket"] == name
    (statement,) = document(policy["policy"])
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == "*"
    assert statement["Resource"] == [arn, f"{arn}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_bodies_keep_old_versions_for_a_while_and_failures_go_after_a_month():
    graph = shop("dev")
    (versioning,) = graph.of("aws:s3/bucketVersioning:BucketVersioning")
    assert versioning.inputs["bucket"] == graph.one(BUCKET, "shop-bodies").outputs["bucket"]
    assert versioning.inputs["versioningConfiguration"] == {"status": "Enabled"}
    kind = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    bodies, failures = (graph.one(kind, f"shop-{each}-lifecycle").inputs["rules"] for each in ("bodies", "failures"))
    assert [each["id"] for each in bodies] == ["abort-unfinished-uploads", "expire-old-versions"]
    assert "expiration" not in repr(bodies).replace("VersionExpiration", "")
    assert [each["id"] for each in failures] == ["abort-unfinished-uploads", "expire"]
    assert failures[1]["expiration"] == {"days": 30}


def test_a_secret_without_a_value_waits_for_one():
    assert len(shop("dev").of(SECRET)) == 1
    assert shop("dev").of(VERSION) == []


def test_a_secret_with_a_value_is_secret_all_the_way():
    version = shop("dev", paymentProviderKey="open-sesame").one(VERSION)
    assert version.inputs["secretString"] == Secret("open-sesame")
    for each in shop("dev", paymentProviderKey="open-sesame").resources:
        assert "open-sesame" not in repr(each.inputs), each


def test_a_value_is_made_secret_where_its_caller_forgot_to():
    args = {"domain": DOMAIN, "secrets": ["key"], "secret_values": {"key": "open-sesame"}}
    for each in component(EventSourcedService, "orders", args).resources:
        assert "open-sesame" not in repr(each.inputs), each


def test_secrets_are_handed_out_by_name():
    graph = shop("dev")
    for name in ("shop-effects", "shop-api-router"):
        variables = graph.one("aws:lambda/function:Function", name).inputs["environment"]["variables"]
        assert variables["FOLDSTACK_SECRETS"] == f'{{"paymentProviderKey": "{graph.one(SECRET).outputs["arn"]}"}}'
