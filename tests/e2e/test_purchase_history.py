"""The purchase history over HTTP: filters everywhere; orders, and a database that wakes or dies, with PostgreSQL."""

import json
import threading

import pytest

from local.cloud import LaptopCloud

from .conftest import ROOT, Client, tokens_of


@pytest.fixture
def postgres(cloud, read_model):
    """The cloud's PostgreSQL, and how to let its cluster pause."""
    if read_model != "postgres":
        pytest.skip("views are in DynamoDB here")
    (server,) = cloud.databases.servers
    return server


def bought(client, *purchases: tuple[str, str, int, str]) -> dict[str, str]:
    """Purchases of (product, amount, quantity, payment token); the last answer's consistency token."""
    for product, amount in {product: amount for product, amount, *_ in purchases}.items():
        client.product(stock=100, amount=amount, productId=product)
    for product, _, quantity, token in purchases:
        answer = client.buy(client.reservation(product, quantity), token)
    return answer.token


def history(client, query: str = "", **headers: str) -> list[dict]:
    items, after = [], ""
    while after is not None:
        page = client.get(f"/purchases?limit=2{query}{after and '&next=' + after}", **headers)
        assert page.status == 200, page.raw
        items += page.json["items"]
        after = page.json["next"]
    return items


def test_purchases_are_found_by_status_and_product(cloud, client, other):
    sold = ("pen", "1.50", 2, "tok_ok"), ("ink", "7.00", 1, "tok_ok"), ("pen", "1.50", 4, "tok_declined")
    token = bought(client, *sold)
    assert "declined" in {each["status"] for each in client.get("/purchases", **token).json["items"]}
    cloud.wait_idle(60)
    everything = history(client)
    assert [each["purchaseId"] for each in everything] == sorted(each["purchaseId"] for each in everything)
    assert sorted((each["productId"], each["status"], each["amount"]["amount"]) for each in everything) == [
        ("ink", "paid", "7.00"),
        ("pen", "declined", "6.00"),
        ("pen", "paid", "3.00"),
    ]
    assert all(each["beganAt"].endswith("Z") for each in everything)
    assert {each["amount"]["amount"] for each in history(client, "&productId=pen")} == {"3.00", "6.00"}
    assert [each["amount"]["amount"] for each in history(client, "&productId=pen&status=declined")] == ["6.00"]
    assert history(client, "&status=pending") == []
    assert history(other) == [], "another tenant's history"


@pytest.mark.parametrize(
    ("query", "field"),
    [("status=new", "status"), ("order=id", "order"), ("productId=a%20b", "productId"), ("next=x", "next")],
)
def test_a_bad_query_is_refused(client, query, field):
    answer = client.get(f"/purchases?{query}")
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (400, [field])


def test_an_order_is_answered_by_postgresql_and_refused_over_dynamodb(cloud, client, read_model):
    bought(client, ("a", "10.00", 1, "tok_ok"), ("b", "9.50", 1, "tok_ok"), ("c", "100.00", 1, "tok_ok"))
    cloud.wait_idle(60)
    if read_model == "dynamodb":
        refused = client.get("/purchases?order=amount")
        assert (refused.status, refused.json["errors"][0]["field"]) == (400, "order")
        return
    assert [each["productId"] for each in history(client, "&order=amount")] == ["b", "a", "c"]
    assert [each["productId"] for each in history(client, "&order=-amount&status=paid")] == ["c", "a", "b"]
    assert [each["productId"] for each in history(client, "&order=beganAt")] == ["a", "b", "c"]
    assert [each["productId"] for each in history(client, "&order=-beganAt")] == ["c", "b", "a"]
    after = client.get("/purchases?limit=1&order=amount").json["next"]
    assert client.get(f"/purchases?limit=1&order=-amount&next={after}").status == 400


def test_a_waking_database_is_503_with_retry_after(cloud, client, postgres):
    product = client.product()
    cloud.wait_idle(60)
    (arn,) = cloud.databases.arns
    cloud.databases.resuming(arn, True)
    try:
        for path in ("/products", f"/products/{product}", "/purchases?order=-beganAt"):
            answer = client.send("GET", path)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert "waking" in answer.json["detail"]
        assert client.reservation(product), "commands need no view"
    finally:
        cloud.databases.resuming(arn, False)
    assert client.get(f"/products/{product}").status == 200


@pytest.mark.long
def test_a_database_killed_in_a_burst_of_purchases_loses_nothing(tmp_path):
    """A cloud of its own: what failed stays hidden in the queue for six minutes, and others await an empty one."""
    with LaptopCloud(ROOT, home=tmp_path / "cloud") as cloud:
        cloud.up(config={"readModel": "postgres"})
        client = Client(cloud.outputs["apiUrl"], "acme", tokens_of(cloud))
        (server,) = cloud.databases.servers
        products = [client.product(stock=100, amount="2.00") for _ in range(4)]
        killed = threading.Event()
        statuses = []

        def buy() -> None:
            for n in range(10):
                if n == 4:
                    killed.wait(60)
                held = client.post("/reservations", {"productId": products[n % 4], "quantity": 1})
                statuses.append(client.buy(held.json["reservationId"]).status)

        threads = [threading.Thread(target=buy) for _ in range(3)]
        for thread in threads:
            thread.start()
        server.crash()
        killed.set()
        for thread in threads:
            thread.join()
        assert statuses == [201] * 30, "buying needs no view"
        assert client.send("GET", "/purchases").status == 503
        server.restart()
        swept = json.loads(cloud.invoke("shop-views-projector", {"sweep": True}).payload)
        assert (swept["done"], swept["failed"]) == (True, 0)
        assert swept["healed"] > 0, "the burst was over before the server was killed"
        assert len(history(client, "&status=paid")) == 30
        assert sum(100 - client.get(f"/products/{each}").json["stock"] for each in products) == 30
