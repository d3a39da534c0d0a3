"""The main job over HTTP: a catalogue, a reservation, a purchase, and what the views say of it."""

import threading

import pytest

pytestmark = pytest.mark.contract


def test_outputs_name_what_was_deployed(cloud, read_model):
    assert set(cloud.outputs) >= {"apiUrl", "eventTable", "viewTables", "eventBus", "paymentProviderUrl"}
    tables = cloud.client("dynamodb").list_tables()["TableNames"]
    assert {cloud.outputs["eventTable"], *cloud.outputs["viewTables"].values()} <= set(tables)
    assert bool(cloud.outputs["viewTables"]) == (read_model == "dynamodb")


def test_a_product_is_created_read_listed_and_discontinued(client):
    body = {"productId": "ink", "name": "Ink", "price": {"amount": "7.50", "currency": "EUR"}, "stock": 3}
    made = client.post("/products", body)
    assert made.status == 201
    assert made.json == {**body, "available": 3}
    assert client.get("/products/ink", **made.token).json == {**body, "available": 3}
    assert client.get("/products", **made.token).json == {"items": [{**body, "available": 3}], "next": None}
    assert client.post("/products", body).status == 409
    gone = client.send("DELETE", "/products/ink")
    assert (gone.status, gone.raw) == (204, b"")
    assert client.get("/products/ink", **gone.token).status == 404
    assert client.get("/products", **gone.token).json["items"] == []
    assert client.send("DELETE", "/products/ink").status == 404


def test_a_page_is_never_short_and_every_product_is_on_one(cloud, client):
    ids = sorted(client.product(productId=f"p{n:02d}") for n in range(7))
    cloud.wait_idle(30)
    client.send("DELETE", "/products/p03")
    cloud.wait_idle(30)
    ids.remove("p03")
    seen, path = [], "/products?limit=2"
    while path:
        page = client.get(path).json
        seen += [item["productId"] for item in page["items"]]
        assert len(page["items"]) == 2
        path = f"/products?limit=2&next={page['next']}" if page["next"] else None
    assert seen == ids


def test_a_reservation_holds_stock_until_it_expires(client):
    product = client.product(stock=5)
    held = client.post("/reservations", {"productId": product, "quantity": 4})
    assert held.status == 201
    assert set(held.json) == {"reservationId", "productId", "quantity", "expiresAt"}
    assert held.json["expiresAt"].endswith("Z")
    assert client.get(f"/products/{product}", **held.token).json["available"] == 1
    too_many = client.post("/reservations", {"productId": product, "quantity": 2})
    assert (too_many.status, too_many.json["code"], too_many.json["available"]) == (409, "out-of-stock", 1)
    assert client.post("/reservations", {"productId": "nothing", "quantity": 1}).status == 404
    open_still = client.send("DELETE", f"/products/{product}")
    assert (open_still.status, open_still.json["code"]) == (409, "open-reservations")


def test_a_purchase_is_charged_once_and_answered_again(client, charges):
    product = client.product(stock=5)
    reservation = client.reservation(product, 2)
    first = client.buy(reservation, idempotency_key="one")
    again = client.buy(reservation, idempotency_key="one")
    assert (first.status, first.json["status"]) == (201, "paid")
    assert (again.status, again.json) == (first.status, first.json)
    purchase_id = first.json["purchaseId"]
    assert charges(purchase_id) == [
        {"reference": purchase_id, "amount": "39.80", "currency": "EUR", "status": "succeeded"}
    ]
    assert client.get(f"/purchases/{purchase_id}", **first.token).json["status"] == "paid"
    row = client.get(f"/products/{product}", **first.token).json
    assert (row["stock"], row["available"]) == (3, 3)
    assert client.buy(reservation).status == 409


def test_a_declined_payment_gives_the_stock_back(client, charges):
    product = client.product(stock=5)
    declined = client.buy(client.reservation(product, 2), "tok_declined", idempotency_key="k")
    assert (declined.status, declined.json["code"]) == (402, "payment-declined")
    assert declined.headers["content-type"] == "application/problem+json"
    assert client.get(f"/products/{product}", **declined.token).json["available"] == 5
    assert [c["status"] for c in charges(declined.json["purchaseId"])] == ["declined"]
    assert client.reservation(product, 5)


def test_a_flaky_provider_charges_once(client, charges):
    paid = client.buy(client.reservation(client.product()), "tok_flaky")
    assert paid.status == 201
    assert [c["status"] for c in charges(paid.json["purchaseId"])] == ["succeeded"]


@pytest.mark.long
def test_a_slow_provider_is_finished_by_the_queue(cloud, client, charges):
    product = client.product(stock=1)
    open_still = client.buy(client.reservation(product), "tok_slow")
    assert (open_still.status, open_still.json["status"]) == (202, "pending")
    where = open_still.headers["location"]
    assert where.startswith(cloud.outputs["apiUrl"] + "/purchases/")
    path = where.removeprefix(cloud.outputs["apiUrl"])
    assert client.get(path, **open_still.token).json["status"] == "pending"
    cloud.wait_idle(60)
    assert client.get(path).json["status"] == "paid"
    assert len(charges(open_still.json["purchaseId"])) == 1
    assert client.get(f"/products/{product}").json["stock"] == 0


def test_buyers_race_for_the_last_units(client, charges):
    product = client.product(stock=5)
    answers = []

    def one():
        held = client.post("/reservations", {"productId": product, "quantity": 1})
        answers.append(client.buy(held.json["reservationId"]).status if held.status == 201 else held.json["code"])

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, answers)) == ["201"] * 5 + ["out-of-stock"] * 7


def test_views_end_in_the_fold_of_the_store(cloud, client):
    product = client.product(stock=9)
    for token in ("tok_ok", "tok_declined", "tok_ok"):
        client.buy(client.reservation(product), token)
    cloud.wait_idle(30)
    row = client.get(f"/products/{product}").json
    assert (row["stock"], row["available"]) == (7, 7)
