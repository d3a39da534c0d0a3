"""The runtime itself with its checks switched off: keys are built for another tenant than the session's."""

import os
from collections.abc import Iterator
from decimal import Decimal

import pytest
from botocore.exceptions import ClientError
from foldstack.aws import clients, composition, view_rows
from foldstack.aws.bodies import Bodies
from foldstack.aws.environment import Environment
from foldstack.kernel import codec
from foldstack.kernel.commit import Commit
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.store import IdRow

import shop
from shop.money import Money
from shop.product import ProductCreated, product
from shop.views import products

from .conftest import Deployed

MINE, YOURS = Tenant("mine"), Tenant("yours")


@pytest.fixture
def environment(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """This process is the router: its variables, and the credentials of its own role."""
    spec = deployed.functions["shop-api-router"]
    held = deployed.cloud.client("sts").assume_role(RoleArn=spec.role_arn, RoleSessionName="router")["Credentials"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", deployed.cloud.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", held["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", held["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", held["SessionToken"])
    _forget()
    yield Environment.read({**os.environ, **spec.environment})
    _forget()


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key is one of the other tenant, whoever asks."""
    monkeypatch.setattr(StreamId, "key", property(lambda self: f"{YOURS}#{self.category}#{self.id}"))
    monkeypatch.setattr(view_rows, "partition", lambda p, tenant: f"{YOURS}{view_rows.suffix(p)}")
    monkeypatch.setattr("foldstack.aws.commit_store._strict_key", lambda tenant, id: f"{YOURS}#{id}")
    monkeypatch.setattr("foldstack.aws.commit_store._ring_key", lambda stream, id: f"{YOURS}#{id}")


def stream(tenant: Tenant) -> StreamId:
    return StreamId.of(tenant, "product", "elm")


def commit(tenant: Tenant) -> Commit:
    event = ProductCreated(product_id="elm", name="Elm", price=Money(amount=Decimal(1), currency="EUR"), stock=3)
    return Commit(
        stream=stream(tenant),
        first=1,
        next=2,
        body=codec.encode([event], None),
        types=(event.type_name,),
        prev={},
        command_id="c",
        request_hash="",
        time="2026-11-20T00:00:00Z",
    )


def row(tenant: Tenant) -> IdRow:
    return IdRow("c", "", stream(tenant), 1)


WORK = {
    "load": lambda env, tenant: composition.executor(env, shop.service).load(stream(tenant), product),
    "append": lambda env, tenant: composition.commit_store(env).append(commit(tenant)),
    "append strictly": lambda env, tenant: composition.commit_store(env).append_strict(commit(tenant)),
    "find an id": lambda env, tenant: composition.commit_store(env).find_id(stream(tenant), "c"),
    "keep ids": lambda env, tenant: composition.commit_store(env).keep_ids([row(tenant)]),
    "read a row": lambda env, tenant: _views(env, tenant).get(products, "elm"),
    "read rows": lambda env, tenant: _views(env, tenant).page(products, 5, None),
    "read totals": lambda env, tenant: _views(env, tenant).totals(products),
}


@pytest.mark.parametrize("work", WORK)
def test_the_role_refuses_what_the_code_no_longer_does(environment: Environment, work: str, unchecked: None) -> None:
    WORK[work](environment, YOURS)
    with pytest.raises(ClientError, match="AccessDenied"):
        WORK[work](environment, MINE)


@pytest.mark.parametrize("work", WORK)
def test_with_the_checks_it_is_done(environment: Environment, work: str) -> None:
    WORK[work](environment, MINE)


def test_bodies_of_another_tenant_are_refused(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: Bodies = composition.bodies(environment)
    key = bodies.put(YOURS, b"large")
    assert bodies.get(YOURS, key) == b"large"
    sessions = clients.tenant_sessions(environment.tenant_role)
    mine = sessions.credentials(MINE)
    monkeypatch.setattr(sessions, "credentials", lambda tenant: mine)  # as if the key alone said whose it is
    for attempt in (lambda: bodies.get(YOURS, key), lambda: bodies.put(YOURS, b"other")):
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt()


def test_a_tenants_work_leaves_the_functions_own_credentials_as_they_were(environment: Environment) -> None:
    own = clients.client("sts").get_caller_identity()["Arn"]
    composition.executor(environment, shop.service).load(stream(MINE), product)
    assert clients.client("sts").get_caller_identity()["Arn"] == own
    with pytest.raises(ClientError, match="AccessDenied"):
        clients.commit_table().query(
            TableName=environment.commit_table,
            KeyConditionExpression="p = :p",
            ExpressionAttributeValues={":p": {"S": stream(MINE).key}},
        )


def _views(env: Environment, tenant: Tenant):
    store = composition.commit_store(env)
    known = composition.read_generations(env, shop.service)
    return composition.views(env, shop.service, store, tenant, None, known)


def _forget() -> None:
    for each in (clients.client, clients.session, clients.tenant_sessions):
        each.cache_clear()
