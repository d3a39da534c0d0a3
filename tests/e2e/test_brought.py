"""The shop on a laptop, on what a team brings. Not proven here: what a key's policy and a VPC need on AWS."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cloud import LaptopCloud
from shop.stand_ins import payment_provider
from tests.e2e.conftest import ROOT, Client, tokens_of

BROUGHT = Path(__file__).parent / "programs" / "brought"


@pytest.fixture(scope="module")
def settings() -> Iterator[dict[str, str]]:
    provider = payment_provider.serve(0)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    try:
        yield {"root": str(ROOT), "paymentProviderUrl": f"http://127.0.0.1:{provider.server_address[1]}"}
    finally:
        provider.shutdown()
        provider.server_close()


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[LaptopCloud]:
    with LaptopCloud(BROUGHT, stack="local", home=tmp_path_factory.mktemp("brought")) as cloud:
        cloud.up(config=settings)
        yield cloud


class Steps:
    """A progress that keeps what was done to each resource."""

    def __init__(self) -> None:
        self.verbs: list[str] = []

    def stage(self, what: str) -> None:
        """Not of interest."""

    def total(self, resources: int) -> None:
        """Not of interest."""

    def step(self, verb: str, resource: str) -> None:
        self.verbs.append(verb)


def ask_for_claims(cloud: LaptopCloud) -> None:
    """What the pool's owner does."""
    cloud.client("cognito-idp").update_user_pool(
        UserPoolId=cloud.outputs["operated"]["auth"]["user_pool_id"],
        LambdaConfig={
            "PreTokenGenerationConfig": {"LambdaArn": cloud.outputs["claimsFunction"], "LambdaVersion": "V3_0"}
        },
    )


def keys_in(cloud: LaptopCloud, table: str) -> set[str]:
    return {item["p"]["S"].split("#")[0] for item in cloud.client("dynamodb").scan(TableName=table)["Items"]}


def test_a_purchase_goes_through_all_of_it(brought: LaptopCloud) -> None:
    ask_for_claims(brought)
    client = Client(brought.outputs["apiUrl"], "acme", tokens_of(brought))
    product = client.product()
    answer = client.buy(client.reservation(product))
    assert answer.status == 201, answer.raw
    brought.wait_idle()
    tables = brought.outputs["tables"]
    assert "acme" in keys_in(brought, tables["commits"])
    assert "acme" in keys_in(brought, tables["products"]), "by the relay, the bus and the projector"
    assert "acme" in keys_in(brought, brought.outputs["viewTables"]["purchases"])
    assert keys_in(brought, tables["members"])
    assert brought.outputs["viewTables"]["products"] == tables["products"]
    assert client.get(f"/products/{product}").json["productId"] == product


def test_no_other_is_made_and_a_function_is_as_it_was_set(brought: LaptopCloud) -> None:
    buses = {bus["Name"] for bus in brought.client("events").list_event_buses()["EventBuses"]}
    assert buses == {"default", brought.outputs["eventBus"]}
    assert len(brought.client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"]) == 1
    names = brought._parts.wiring.logical_names
    (commands,) = (each for each in brought.functions if each.name == names["shop-commands"])
    assert (commands.memory, commands.timeout) == (2048, 50)
    assert commands.environment["ITS_OWN"] == "x"
    others = [each for each in brought.functions if each is not commands]
    assert not [each for each in others if "ITS_OWN" in each.environment or each.memory == 2048]


def test_the_transform_reached_every_table(brought: LaptopCloud) -> None:
    dynamodb = brought.client("dynamodb")
    names = dynamodb.list_tables()["TableNames"]
    assert len(names) >= 5
    for name in names:
        arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
        tags: dict[str, Any] = {
            each["Key"]: each["Value"] for each in dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
        }
        assert tags["owner"] == "us", name


def test_a_second_deployment_changes_nothing(brought: LaptopCloud, settings: dict[str, str]) -> None:
    steps = Steps()
    brought.up(config=settings, progress=steps)
    assert set(steps.verbs) == {"same"}
    assert len(steps.verbs) > 60
