"""A running stack changes its road by configuration alone, and misses nothing."""

from pathlib import Path

import pytest

from components import roads
from local.cloud import LaptopCloud

from .conftest import ROOT, Client, tokens_of


@pytest.mark.long
def test_a_running_stack_changes_its_road(tmp_path: Path) -> None:
    """Data stays without being told to: no table, bucket or view hangs on the road. (The archive of a lake does: a FIFO
    topic has none, and taking one away is refused unless it is told.)"""
    stocks = {}
    with LaptopCloud(ROOT, stack="local", home=tmp_path / "cloud") as cloud:
        for road in (*roads.NAMES, "kinesis", "eventbridge"):
            cloud.up(config={"road": road, "lake": False})
            client = Client(cloud.outputs["apiUrl"], "acme", tokens_of(cloud))
            product = client.product(stock=2)
            assert client.buy(client.reservation(product)).status == 201
            stocks[product] = 1
            cloud.wait_idle(30)
            assert {row["productId"]: row["stock"] for row in client.get("/products").json["items"]} == stocks
