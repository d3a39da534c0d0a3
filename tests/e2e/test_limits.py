"""Limits of tenants, with real tokens, over the door's own port and in all its sandboxes at once."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from foldstack.aws.commit_item import item_size
from foldstack.aws.request_limit import SHARES, WINDOW

from local.operations.connection import Connection
from local.operations.members import Members
from tests.e2e.conftest import ROOT, Answer, Client

LIMIT = 60
TIMES = 20
AT_ONCE = 8
VISITS = 30
PEN = {"name": "Pen", "price": {"amount": "1.00", "currency": "EUR"}, "stock": 5}


@pytest.fixture
def members(cloud) -> Members:
    return Connection(ROOT, None, cloud.home).members


def limited(client: Client, members: Members, limit: int) -> None:
    """Before its first request: a door remembers for 30 s that there is no limit."""
    members.add_tenant(client.tenant)
    members.set_limit(client.tenant, limit)
    client.authorization()


def minute() -> int:
    return int(time.time() // WINDOW)


def counted(cloud, tenant: str) -> int:
    """What all sandboxes together have told the table, in any minute."""
    (table,) = [each for each in cloud.client("dynamodb").list_tables()["TableNames"] if "-shop-api-limits-" in each]
    items = cloud.client("dynamodb").scan(TableName=table)["Items"]
    return sum(int(item["n"]["N"]) for item in items if item["p"]["S"].startswith(f"{tenant}#"))


def test_at_twenty_times_its_limit_one_tenant_is_refused_and_another_is_not(
    cloud, client, other, members, record_property
):
    limited(client, members, LIMIT)
    other.product(productId="pen")
    began = minute()

    def flood(n: int) -> Answer:
        return client.get("/products")

    def visit(n: int) -> Answer:
        return other.get("/products") if n % 2 else other.post("/products", {**PEN, "productId": f"pen-{n}"})

    with ThreadPoolExecutor(AT_ONCE) as flooding, ThreadPoolExecutor(1) as visiting:
        refusals = flooding.map(flood, range(LIMIT * TIMES))
        visits = [answer.status for answer in visiting.map(visit, range(VISITS))]
        answers = list(refusals)
    minutes = 1 + minute() - began
    assert Counter(visits) == {200: VISITS // 2, 201: VISITS // 2}

    statuses = Counter(answer.status for answer in answers)
    sandboxes = len(cloud.sandboxes("shop-api-router"))
    assert sandboxes >= 2, "they must count together"
    assert statuses.keys() == {200, 429}
    share = -(-LIMIT // SHARES)
    assert LIMIT <= statuses[200] <= minutes * (LIMIT + sandboxes * share)
    for answer in answers:
        if answer.status == 429:
            assert answer.json["code"] == "too-many-requests"
            assert 1 <= int(answer.headers["retry-after"]) <= WINDOW
    told = counted(cloud, client.tenant)
    assert LIMIT <= told <= minutes * (LIMIT + sandboxes * share), "refused requests are not counted by who knows"
    record_property(
        "figures",
        f"{len(answers)} requests at a limit of {LIMIT}, {sandboxes} sandboxes, {minutes} minutes of the clock: "
        f"{statuses[200]} let through, {told} counted; {len(visits)} of another tenant, none refused",
    )
    assert counted(cloud, other.tenant) == 0, "a tenant far from its limit costs no request"


def stored(cloud, tenant: str) -> int:
    """Bytes of all its commits."""
    pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=cloud.outputs["eventTable"])
    items = (item for page in pages for item in page["Items"])
    return sum(item_size(item) for item in items if item["p"]["S"].startswith(f"{tenant}#"))


def test_limits_are_set_and_listed_by_commands(run, client):
    tenant = client.tenant
    run("tenant", "add", tenant)
    assert "has 30 requests a minute" in run("tenant", "limit", tenant, "30")
    assert f"{tenant} active 30 requests a minute" in run("tenant", "list").splitlines()
    assert "limit that each door gives everybody" in " ".join(run("tenant", "limit", tenant, "default").split())
    assert f"{tenant} active" in run("tenant", "list").splitlines()
    assert "got 'many'" in run("tenant", "limit", tenant, "many", status=1)
    assert "there is no tenant nobody" in run("tenant", "limit", "nobody", "5", status=1)


def test_usage_is_in_metrics_with_the_tenant(cloud, client):
    """As CloudWatch takes them from the log; requests of the door, and what the functions behind it did."""
    client.buy(client.reservation(client.product()))
    cloud.wait_idle()
    sums: Counter[str] = Counter()
    functions: set[str] = set()
    for log in cloud.logs.iterdir():
        for line in log.read_text(errors="replace").splitlines():
            if '"_aws"' not in line or f'"{client.tenant}"' not in line:
                continue
            told = json.loads(line[line.index("{") :])
            (about,) = told["_aws"]["CloudWatchMetrics"]
            assert (told["tenant"], told["service"], about["Namespace"]) == (client.tenant, "shop", "Foldstack")
            assert [sorted(names) for names in about["Dimensions"]] == [["service", "tenant"]]
            sums.update({metric["Name"]: told[metric["Name"]][0] for metric in about["Metrics"]})
            functions.add(log.name.split("@")[0])
    assert (sums["Requests"], sums["Throttled"]) == (3, 0)
    assert sums["StoredBytes"] == stored(cloud, client.tenant)
    assert sums["WriteUnits"] >= 3
    assert sums["ReadUnits"] > 0
    assert len(functions) >= 2, "the door, and the effects"
