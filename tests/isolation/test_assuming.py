"""Who gets a session for a tenant, and with which tags."""

import random
from typing import Any

import pytest

from .conftest import TENANTS, Deployed, key_of, outcome

SERVING = ("shop-api-router", "shop-commands", "shop-effects")
ALPHABET = "abz09-AZ _.:/=+@é*?#${}\\\"',"


def asked(role: str, *tags: tuple[str, str], **more: Any) -> dict[str, Any]:
    """The parameters of AssumeRole."""
    given = {"Tags": [{"Key": key, "Value": value} for key, value in tags]} if tags else {}
    return {"RoleArn": role, "RoleSessionName": "attacker", **given, **more}


def test_a_function_assumes_its_own_role_for_tenants_and_no_other(deployed: Deployed) -> None:
    """Relay and projector, which serve all tenants, assume none."""
    granted = set()
    for function in deployed.functions:
        assume = deployed.own(function)("sts").assume_role
        for of in SERVING:
            if outcome(assume, **asked(deployed.tenant_role(of), ("tenant", "a"))) == "allowed":
                granted.add((function, of))
    assert granted == {(function, function) for function in SERVING}
    assert {"shop-relay", "shop-views-projector"} < deployed.functions.keys()


def test_the_accounts_root_is_not_trusted_either(deployed: Deployed) -> None:
    """Where root was trusted, whoever may assume roles at all could choose a tenant."""
    assume = deployed.cloud.client("sts").assume_role
    for function in SERVING:
        assert outcome(assume, **asked(deployed.tenant_role(function), ("tenant", "acme"))) == "refused"


@pytest.mark.parametrize("function", SERVING)
def test_a_session_of_a_tenant_becomes_none_of_another(deployed: Deployed, function: str) -> None:
    assume = deployed.tenant(function, "acme")("sts").assume_role
    for role in [*map(deployed.tenant_role, SERVING), deployed.functions[function].role_arn]:
        assert outcome(assume, **asked(role, ("tenant", "globex"))) == "refused"
        assert outcome(assume, **asked(role)) == "refused"


@pytest.mark.parametrize(
    "tags",
    {
        "none": (),
        "empty": (("tenant", ""),),
        "another key": (("department", "acme"),),
        "another case": (("Tenant", "acme"),),
        "one more": (("tenant", "acme"), ("department", "x")),
        "everybody": (("tenant", "*"),),
        "anybody": (("tenant", "?"),),
        "a prefix": (("tenant", "a*"),),
        "a separator": (("tenant", "a#"),),
        "a key": (("tenant", "acme#product#oak"),),
        "a folder": (("tenant", "acme/x"),),
        "two": (("tenant", "acme,globex"),),
        "a variable": (("tenant", "${aws:username}"),),
        "a space": (("tenant", "acme "),),
        "an underscore": (("tenant", "acme_2"),),
    }.values(),
)
def test_tags_that_no_tenant_has_make_no_session(deployed: Deployed, tags: tuple[tuple[str, str], ...]) -> None:
    assume, role = _of_router(deployed)
    assert outcome(assume, **asked(role, *tags)) in {"refused", "ValidationError"}
    assert outcome(assume, **asked(role, ("tenant", "acme"))) == "allowed"


def test_a_tag_is_not_handed_on(deployed: Deployed) -> None:
    assume, role = _of_router(deployed)
    assert outcome(assume, **asked(role, ("tenant", "acme"), TransitiveTagKeys=["tenant"])) == "refused"


def test_whatever_is_made_up_for_a_tag_reaches_no_tenant(deployed: Deployed) -> None:
    """A thousand of them: most make no session, and a session that they make has nobody's items."""
    rng, ids = random.Random(1120), deployed.stores.ids
    assume, role = _of_router(deployed)
    sessions = 0
    for _ in range(1000):
        tag = "".join(rng.choices(ALPHABET, k=rng.randint(0, 6)))
        if rng.random() < 0.5:
            tag = rng.choice(TENANTS) + tag
        parameters = asked(role, ("tenant", tag))
        if tag in TENANTS or outcome(assume, **parameters) in {"refused", "ValidationError"}:
            continue
        sessions += 1
        dynamodb = deployed.holding(assume(**parameters)["Credentials"])("dynamodb")
        for tenant in rng.sample(TENANTS, 3):
            key = key_of(deployed.stores, ids, tenant)
            assert outcome(dynamodb.get_item, TableName=ids, Key=key) == "refused", tag
        assert outcome(dynamodb.scan, TableName=ids) == "refused", tag
    assert sessions > 50


@pytest.mark.parametrize("function", SERVING)
def test_a_functions_own_role_reaches_no_tenant(deployed: Deployed, function: str) -> None:
    stores, dynamodb, s3 = deployed.stores, deployed.own(function)("dynamodb"), deployed.own(function)("s3")
    for table in stores.tables:
        for tenant in TENANTS:
            key = key_of(stores, table, tenant)
            query = {"KeyConditionExpression": "p = :p", "ExpressionAttributeValues": {":p": key["p"]}}
            assert outcome(dynamodb.get_item, TableName=table, Key=key) == "refused"
            assert outcome(dynamodb.put_item, TableName=table, Item=key) == "refused"
            assert outcome(dynamodb.query, TableName=table, **query) == "refused"
        assert outcome(dynamodb.scan, TableName=table) == "refused"
    assert outcome(s3.list_objects_v2, Bucket=stores.bodies) == "refused"
    assert outcome(s3.get_object, Bucket=stores.bodies, Key="acme/x") == "refused"
    control = {"p": {"S": "#control"}, "s": {"S": "products#1"}}
    reads = "allowed" if function == "shop-api-router" else "refused"
    assert {outcome(dynamodb.get_item, TableName=table, Key=control) for table in stores.views} == {reads}


def _of_router(deployed: Deployed) -> tuple[Any, str]:
    return deployed.own("shop-api-router")("sts").assume_role, deployed.tenant_role("shop-api-router")
