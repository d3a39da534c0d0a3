"""The project's own program on the laptop cloud, tenants with names that are close to each other, and their sessions.

Nothing of the runtime stands between an attempt and the role: the requests are the SDK's own.
"""

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.permissions import TENANT
from local.cloud import LaptopCloud
from local.function_host import FunctionSpec

ROOT = Path(__file__).resolve().parents[2]
TENANTS = ("a", "a-b", "a-b-c", "ab", "acme", "acme-2", "acme2", "globex", "0")
REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "403"})

Attempt = Callable[[], Any]
Clients = Callable[[str], Any]


@dataclass(frozen=True)
class Stores:
    """Physical names of what tenants share."""

    commits: str
    ids: str
    views: tuple[str, ...]
    bodies: str

    @property
    def tables(self) -> tuple[str, ...]:
        return (self.commits, self.ids, *self.views)


class Deployed:
    """The deployed program, seen by somebody who holds sessions of its roles."""

    def __init__(self, cloud: LaptopCloud, functions: dict[str, FunctionSpec], stores: Stores) -> None:
        self.cloud = cloud
        self.functions = functions
        self.stores = stores
        self._held: dict[tuple[str, str], Clients] = {}

    def own(self, function: str) -> Clients:
        """Clients with the credentials that a function itself has."""
        return self._clients(self.functions[function].role_arn, self.cloud.client("sts"))

    def tenant_role(self, function: str) -> str:
        return self.functions[function].environment["FOLDSTACK_TENANT_ROLE"]

    def tenant(self, function: str, tenant: str) -> Clients:
        """Clients of a tenant's session, made as the function makes it."""
        if (function, tenant) not in self._held:
            sts = self.own(function)("sts")
            self._held[function, tenant] = self._clients(self.tenant_role(function), sts, tenant)
        return self._held[function, tenant]

    def widened(self, tenant: str) -> Clients:
        """Clients of a session whose role has the conditions of ours, and every action on items and objects."""
        if ("wide", tenant) not in self._held:
            self._held["wide", tenant] = self._clients(self._wide_role, self.cloud.client("sts"), tenant)
        return self._held["wide", tenant]

    def holding(self, credentials: dict[str, str]) -> Clients:
        """Clients of whoever has these."""
        emulator = self.cloud._parts.emulator
        return cache(lambda service: emulator.client(service, credentials))

    def content(self) -> dict[str, Any]:
        """Everything that tenants have, as the account's root sees it."""
        dynamodb, s3 = self.cloud.client("dynamodb"), self.cloud.client("s3")
        items = {table: sorted(map(repr, _scanned(dynamodb, table))) for table in self.stores.tables}
        listed = s3.list_objects_v2(Bucket=self.stores.bodies)
        assert not listed["IsTruncated"]
        return {**items, "bodies": sorted((each["Key"], each["ETag"]) for each in listed.get("Contents", []))}

    def _clients(self, role: str, sts: Any, tenant: str | None = None) -> Clients:
        tags = {"Tags": [{"Key": "tenant", "Value": tenant}]} if tenant is not None else {}
        return self.holding(sts.assume_role(RoleArn=role, RoleSessionName="attacker", **tags)["Credentials"])

    @cached_property
    def _wide_role(self) -> str:
        iam, dynamodb = self.cloud.client("iam"), self.cloud.client("dynamodb")
        ours = self.tenant_role("shop-api-router").rsplit("/", 1)[-1]
        (policy,) = iam.list_role_policies(RoleName=ours)["PolicyNames"]
        document = iam.get_role_policy(RoleName=ours, PolicyName=policy)["PolicyDocument"]
        statements = {each["Sid"]: each for each in document["Statement"]}
        tables = [dynamodb.describe_table(TableName=table)["Table"]["TableArn"] for table in self.stores.tables]
        listing = {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{self.stores.bodies}",
            "Condition": {"StringLike": {"s3:prefix": f"{TENANT}/*"}},
        }
        wide = [
            {**statements["AppendCommits"], "Action": "dynamodb:*", "Resource": tables},
            {**statements["KeepBodies"], "Action": "s3:*"},
            listing,
        ]
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
        name = f"wide-{uuid.uuid4().hex}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="wide", PolicyDocument=_policy(*wide))
        return role


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with LaptopCloud(ROOT, stack="local", home=tmp_path_factory.mktemp("cloud")) as cloud:
        outputs = cloud.up(config={"lake": False})
        names = cloud._parts.wiring.logical_names
        functions = {logical: spec for spec in cloud.functions for logical, n in names.items() if n == spec.name}
        environment = functions["shop-api-router"].environment
        stores = Stores(
            outputs["eventTable"],
            environment["FOLDSTACK_ID_TABLE"],
            tuple(outputs["viewTables"].values()),
            environment["FOLDSTACK_BODIES_BUCKET"],
        )
        # What a tenant has; nothing of it is a commit, and the relay need not understand it.
        for source in cloud.sources:
            source.stop()
        deployed = Deployed(cloud, functions, stores)
        for tenant in TENANTS:
            for table in stores.tables:
                item = {**key_of(stores, table, tenant), "secret": {"S": f"of {tenant}"}}
                cloud.client("dynamodb").put_item(TableName=table, Item=item)
            cloud.client("s3").put_object(Bucket=stores.bodies, Key=body_of(tenant), Body=tenant.encode())
        yield deployed


def key_of(stores: Stores, table: str, tenant: str, rng: random.Random | None = None) -> dict[str, Any]:
    """The key of an item that a tenant has; with `rng` of one that it could have."""
    id = "oak" if rng is None else uuid.UUID(int=rng.getrandbits(128)).hex
    if table == stores.commits:
        return {"p": {"S": f"{tenant}#product#{id}"}, "s": {"N": "1"}}
    if table == stores.ids:
        return {"p": {"S": f"{tenant}#{id}"}}
    return {"p": {"S": f"{tenant}#products#1.1"}, "s": {"S": id}}


def body_of(tenant: str) -> str:
    return f"{tenant}/{hashlib.sha256(tenant.encode()).hexdigest()}"


def outcome(attempt: Callable[..., Any], **arguments: Any) -> str:
    """`allowed`, `refused`, or the code of another error."""
    try:
        attempt(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
        return "refused" if code in REFUSED or "AccessDenied" in reasons else code
    return "allowed"


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _scanned(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        yield from page["Items"]
