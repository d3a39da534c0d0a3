"""A tenant with tables and a key of its own, behind the same door: its requests go there, and nobody else's do."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cloud import LaptopCloud
from shop.stand_ins import payment_provider
from tests.e2e.conftest import Client

from .conftest import ROOT, outcome

MALL = Path(__file__).parent / "programs" / "mall"
BIG = "big-corp"


@pytest.fixture(scope="module")
def mall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaptopCloud]:
    provider = payment_provider.serve(0)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{provider.server_address[1]}"
    try:
        with LaptopCloud(MALL, stack="local", home=tmp_path_factory.mktemp("mall")) as cloud:
            cloud.up(config={"root": str(ROOT), "paymentProviderUrl": url})
            yield cloud
    finally:
        provider.shutdown()
        provider.server_close()


def tenants_in(cloud: LaptopCloud, table: str) -> set[str]:
    keys = {item["p"]["S"] for item in cloud.client("dynamodb").scan(TableName=table)["Items"]}
    return {key.split("#")[0] for key in keys} - {""}


def bought(cloud: LaptopCloud, tenant: str) -> tuple[Client, str]:
    """A purchase, from the product on."""
    client = Client(cloud.outputs["apiUrl"], tenant)
    product = client.product()
    answer = client.buy(client.reservation(product))
    assert answer.status == 201, answer.raw
    return client, product


def test_its_requests_go_to_its_own_tables_and_all_others_to_the_shared_ones(mall: LaptopCloud) -> None:
    clients = {tenant: bought(mall, tenant) for tenant in (BIG, "acme", "big-corp-2", "big")}
    mall.wait_idle()
    tables, views = mall.outputs["tables"], mall.outputs["viewTables"]
    others = clients.keys() - {BIG}
    for store, tenants in (("big", {BIG}), ("shop", others)):
        assert tenants_in(mall, tables[store]) == tenants
        for view in ("products", "purchases"):
            assert tenants_in(mall, views[store][view]) == tenants
    for tenant, (client, product) in clients.items():
        listed = client.get("/products")
        assert [each["productId"] for each in listed.json["items"]] == [product], tenant
        assert client.get(f"/products/{product}").status == 200
        for other in clients.keys() - {tenant}:
            assert client.get(f"/products/{clients[other][1]}").status == 404


def session(cloud: LaptopCloud, function: str, tenant: str) -> Any:
    """DynamoDB in a session as the function makes it."""
    name = cloud._parts.wiring.logical_names[function]
    (spec,) = [each for each in cloud.functions if each.name == name]
    emulator = cloud._parts.emulator
    own = emulator.client("sts").assume_role(RoleArn=spec.role_arn, RoleSessionName="own")["Credentials"]
    held = emulator.client("sts", own).assume_role(
        RoleArn=spec.environment["FOLDSTACK_TENANT_ROLE"],
        RoleSessionName="tenant",
        Tags=[{"Key": "tenant", "Value": tenant}],
    )
    return emulator.client("dynamodb", held["Credentials"])


@pytest.mark.parametrize("function", ["api-router", "big-commands", "big-effects"])
def test_its_tables_are_closed_to_sessions_of_other_tenants(mall: LaptopCloud, function: str) -> None:
    """Even for keys that begin with the other tenant: nothing of anybody else's ever gets in there."""
    table = mall.outputs["tables"]["big"]

    def query(tenant: str, of: str) -> str:
        condition = {"KeyConditionExpression": "p = :p", "ExpressionAttributeValues": {":p": {"S": f"{of}#product#x"}}}
        return outcome(session(mall, function, tenant).query, TableName=table, **condition)

    assert query(BIG, BIG) == "allowed"
    for tenant in ("acme", "big-corp-2", "big"):
        assert query(tenant, tenant) == "refused"
        assert query(tenant, BIG) == "refused"
        assert query(BIG, tenant) == "refused"


def test_its_functions_reach_nothing_of_the_other_tenants(mall: LaptopCloud) -> None:
    for function in ("big-commands", "big-effects"):
        for tenant in (BIG, "acme"):
            key = {"p": {"S": f"{tenant}#product#x"}, "s": {"N": "1"}}
            put = session(mall, function, tenant).put_item
            assert outcome(put, TableName=mall.outputs["tables"]["shop"], Item=key) == "refused"
