"""Rules that keep tenants apart, as the emulator judges them: patches of policy variables, session tags and keys."""

import http.client
import json
import uuid
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from local.emulator import Emulator

from .conftest import allow, make_role, make_table
from .test_emulator import LEADING, allowed, as_role, bare, keyed_table, table_arn, tagged  # noqa: F401

TENANT = "${aws:PrincipalTag/tenant}"


def open_role(running: Emulator, **condition: Any) -> str:
    """A role that anybody may assume and tag, under a condition."""
    name = f"role-{uuid.uuid4().hex}"
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    if condition:
        trust["Condition"] = condition
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return running.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]


def assumes(running: Emulator, role: str, value: str = "acme", key: str = "tenant", **more: Any) -> bool:
    assume = running.client("sts").assume_role
    try:
        return allowed(assume, RoleArn=role, RoleSessionName="tests", Tags=[{"Key": key, "Value": value}], **more)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return False


@pytest.mark.parametrize("value", ["*", "ac*", "acm?", "acme#", "${aws:username}", "acme!"])
def test_patch_session_tags_keeps_the_grammar(emulator: Emulator, bare: Emulator, value: str) -> None:  # noqa: F811
    assert assumes(emulator, open_role(emulator), "acme")
    assert not assumes(emulator, open_role(emulator), value)
    assert assumes(bare, open_role(bare), value), "the patch is no longer needed"


def test_patch_session_tags_shows_what_is_transitive(emulator: Emulator, bare: Emulator) -> None:  # noqa: F811
    none_transitive = {"Null": {"sts:TransitiveTagKeys": "true"}}
    assert assumes(emulator, open_role(emulator, **none_transitive))
    assert not assumes(emulator, open_role(emulator, **none_transitive), TransitiveTagKeys=["tenant"])
    assert assumes(emulator, open_role(emulator), TransitiveTagKeys=["tenant"])
    assert assumes(bare, open_role(bare, **none_transitive), TransitiveTagKeys=["tenant"]), "no longer needed"


def test_a_trust_policy_sees_the_tags_of_a_request(emulator: Emulator) -> None:
    only = {"ForAllValues:StringEquals": {"aws:TagKeys": ["tenant"]}, "StringLike": {"aws:RequestTag/tenant": "?*"}}
    role = open_role(emulator, **only)
    assert assumes(emulator, role)
    assert not assumes(emulator, role, key="Tenant")
    assert not assumes(emulator, role, key="department")
    assert not allowed(emulator.client("sts").assume_role, RoleArn=role, RoleSessionName="untagged")


def test_a_listing_is_judged_by_its_prefix(emulator: Emulator) -> None:
    bucket = f"prefixes-{uuid.uuid4().hex}"
    emulator.client("s3").create_bucket(Bucket=bucket)
    grant = allow(
        ["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"], Condition={"StringLike": {"s3:prefix": [f"{TENANT}/*"]}}
    )
    listing = tagged(emulator, "s3", "acme", grant).list_objects_v2
    assert allowed(listing, Bucket=bucket, Prefix="acme/")
    assert allowed(listing, Bucket=bucket, Prefix="acme/2026")
    for prefix in ("globex/", "acme", "acme-b/", ""):
        assert not allowed(listing, Bucket=bucket, Prefix=prefix)
    assert not allowed(listing, Bucket=bucket)
    assert not allowed(tagged(emulator, "s3", None, grant).list_objects_v2, Bucket=bucket, Prefix="acme/")


OWN, OTHER = {"pk": {"S": "acme#1"}}, {"pk": {"S": "globex#1"}}
EQ = {":own": OWN["pk"], ":other": OTHER["pk"]}


@pytest.mark.parametrize(
    ("operation", "body"),
    {
        "key and item": ("PutItem", {"Key": OWN, "Item": OTHER}),
        "item and key": ("GetItem", {"Item": OWN, "Key": OTHER}),
        "a transaction around": ("PutItem", {"TransactItems": [{"Put": {"Item": OWN}}], "Item": OTHER}),
        "a batch around": ("GetItem", {"RequestItems": {"T": {"Keys": [OWN]}}, "Key": OTHER}),
        "two keys in a query": ("Query", {"KeyConditionExpression": "pk = :own AND pk = :other"}),
        "the other first": ("Query", {"KeyConditionExpression": "pk = :other AND pk = :own"}),
        "a range": ("Query", {"KeyConditionExpression": "pk >= :own"}),
        "a prefix": ("Query", {"KeyConditionExpression": "begins_with(pk, :own)"}),
        "either": ("Query", {"KeyConditionExpression": "pk = :own OR pk = :other"}),
        "both ways": (
            "Query",
            {
                "KeyConditionExpression": "pk = :other",
                "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [OWN["pk"]]}},
            },
        ),
        "a filter alone": ("Query", {"FilterExpression": "pk = :own"}),
        "two types": ("GetItem", {"Key": {"pk": {"S": "globex#1", "N": "1"}}}),
    }.values(),
)
def test_a_request_in_two_minds_is_refused(emulator: Emulator, operation: str, body: dict[str, Any]) -> None:
    """What no SDK sends, and a handler of ours never would: sent as it is, signed by a tenant's session."""
    table = keyed_table(emulator)
    emulator.client("dynamodb").put_item(TableName=table, Item=OTHER)
    condition = {**LEADING, "Null": {"dynamodb:LeadingKeys": "false"}}
    role = make_role(emulator, allow(["dynamodb:*"], [table_arn(emulator, table)], Condition=condition))
    client = as_role(emulator, role, "dynamodb")
    text = json.dumps({"TableName": table, "ExpressionAttributeValues": EQ, **body}).replace('"T"', json.dumps(table))
    text = text.replace('{"Put": {', f'{{"Put": {{"TableName": {json.dumps(table)}, ')
    status, answer = sent(emulator, client, operation, text)
    assert status == 403, answer
    assert "AccessDenied" in answer


def test_a_plain_request_sent_so_is_allowed(emulator: Emulator) -> None:
    table = make_table(emulator)
    role = make_role(emulator, allow(["dynamodb:*"], [table_arn(emulator, table)], Condition=LEADING))
    client = as_role(emulator, role, "dynamodb")
    assert sent(emulator, client, "GetItem", json.dumps({"TableName": table, "Key": OWN}))[0] == 200


def sent(emulator: Emulator, client: Any, operation: str, body: str) -> tuple[int, str]:
    """Status and body of what a client of DynamoDB would not send by itself."""
    headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    request = AWSRequest("POST", emulator.url + "/", headers=headers, data=body)
    keys = client._request_signer._credentials.get_frozen_credentials()
    SigV4Auth(keys, "dynamodb", emulator.region).add_auth(request)
    connection = http.client.HTTPConnection(emulator.url.split("/")[2])
    connection.request("POST", "/", body, dict(request.headers))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text
