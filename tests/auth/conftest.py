"""A tenants table and a user pool on the emulator, as TenantAuth has them."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local.emulator import Emulator
from local.operations.members import Auth, Members

ROLES = ("admin", "buyer", "viewer")


@pytest.fixture
def auth(emulator: Emulator) -> Iterator[Auth]:
    dynamodb, cognito = emulator.client("dynamodb"), emulator.client("cognito-idp")
    table = f"tenants-{uuid.uuid4().hex}"
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("p", "s")],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    )
    pool = cognito.create_user_pool(PoolName=table, UsernameAttributes=["email"])["UserPool"]["Id"]
    yield Auth(table, pool, "browser", "http://localhost:3000/", "people/api", {"robot": "robots-id"}, "")
    cognito.delete_user_pool(UserPoolId=pool)
    dynamodb.delete_table(TableName=table)


@pytest.fixture
def members(emulator: Emulator, auth: Auth) -> Members:
    return Members(emulator.client, auth, ROLES)


@pytest.fixture
def dynamodb(emulator: Emulator) -> Any:
    return emulator.client("dynamodb")
