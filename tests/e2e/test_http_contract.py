"""What the API does with requests that are odd, wrong or hostile: 4xx, named, and nothing changes."""

import json
import socket
from urllib.parse import quote, urlsplit

import pytest

pytestmark = pytest.mark.contract

GOOD = {"name": "Pen", "price": {"amount": "19.90", "currency": "EUR"}, "stock": 1}


def problem_fields(answer) -> list[str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.raw
    assert answer.json["status"] == answer.status
    return [error["field"] for error in answer.json.get("errors", [])]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"stock": -1}, "stock"),
        ({"stock": 1_000_001}, "stock"),
        ({"stock": 1.5}, "stock"),
        ({"stock": "1"}, "stock"),
        ({"stock": True}, "stock"),
        ({"price": "19.90"}, "price"),
        ({"price": {"amount": 19.90, "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "-1", "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "1e3", "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "NaN", "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "1\n", "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "1", "currency": "euro"}}, "price.currency"),
        ({"price": {"amount": "1234567890123456", "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "123456789012345.6", "currency": "EUR"}}, "price.amount"),
        ({"colour": "red"}, "colour"),
        ({"productId": "a b"}, "productId"),
        ({"productId": "a/b"}, "productId"),
        ({"productId": ""}, "productId"),
        ({"productId": "x" * 129}, "productId"),
        ({"productId": "a\n"}, "productId"),
    ],
)
def test_a_wrong_field_is_named(client, change, field):
    body = {**GOOD, **change}
    answer = client.post("/products", {k: v for k, v in body.items() if v is not None})
    assert answer.status == 400
    assert problem_fields(answer) == [field]
    assert client.get("/products").json["items"] == []


@pytest.mark.parametrize("missing", ["name", "price", "stock"])
def test_a_missing_field_is_named(client, missing):
    answer = client.post("/products", {k: v for k, v in GOOD.items() if k != missing})
    assert (answer.status, problem_fields(answer)) == (400, [missing])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"name": NaN}',
        b"[" * 5000,
        b'{"stock": 1e999}',
        b"{'a': 1}",
    ],
)
def test_what_is_no_object_is_refused(client, body):
    answer = client.send("POST", "/products", body)
    assert answer.status == 400
    problem_fields(answer)


@pytest.mark.parametrize("quantity", [0, -1, 1_000_001, 1.0, "1", None, 10**30])
def test_a_quantity_is_a_whole_number_from_1_to_a_million(client, quantity):
    product = client.product()
    answer = client.post("/reservations", {"productId": product, "quantity": quantity})
    assert (answer.status, problem_fields(answer)) == (400, ["quantity"])


def test_a_large_body_is_refused_by_the_service_and_a_huge_one_by_the_gateway(client):
    large = client.send("POST", "/products", json.dumps({**GOOD, "name": "x" * 300_000}).encode())
    assert (large.status, problem_fields(large)) == (413, ["body"])
    fits = client.send("POST", "/products", json.dumps({**GOOD, "name": "x" * 250_000}).encode())
    assert (fits.status, problem_fields(fits)) == (400, ["name"])
    huge = client.send("POST", "/products", b"x" * (10 * 1024 * 1024 + 1))
    assert huge.status == 413
    assert "message" in huge.json


@pytest.mark.parametrize("named", ["", "A", "a_b", "-a", "a b", "a" * 64, "a#b", "a,b", "ä", "other"])
def test_a_header_that_contradicts_the_token_is_refused(client, named):
    answer = client.send("GET", "/products", headers={"x-tenant-id": named.encode().decode("latin-1")})
    assert (answer.status, answer.json["code"]) == (403, "tenant-mismatch")
    assert client.get("/products", x_tenant_id=client.tenant).status == 200


def test_a_request_without_a_token_is_refused(client):
    client.tenant = None
    for answer in (client.get("/products"), client.post("/products", GOOD), client.send("DELETE", "/products/a")):
        assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})
    assert client.get("/products", x_tenant_id="acme").status == 401


@pytest.mark.parametrize("id", ["a b", "a%00b", "a\u20acb", "a;b", "a'b", "x" * 129, "a?b", "a#b", "a\\b", "<script>"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_id_outside_the_grammar_is_refused_in_the_path(client, method, id):
    answer = client.send(method, "/products/" + quote(id, safe=""))
    assert answer.status in (400, 404)
    assert answer.headers["content-type"] == "application/problem+json"


def test_paths_and_methods_that_are_not_there(client):
    assert client.get("/").status == 404
    assert client.get("/nothing/here").status == 404
    assert client.send("PUT", "/products").status == 405
    assert client.send("PUT", "/products").headers["allow"] == "GET, POST"
    assert client.send("DELETE", "/purchase").status == 405


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=", "limit=1&limit=2", "next=!", "next=", "x=1", "next=AAAA"]
)
def test_a_bad_query_is_refused(client, query):
    client.product()
    answer = client.get(f"/products?{query}")
    assert answer.status == 400
    assert problem_fields(answer) == [query.partition("=")[0]]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "k\u00e9y".encode().decode("latin-1")])
def test_a_bad_idempotency_key_is_refused(client, key):
    answer = client.post("/products", GOOD, idempotency_key=key)
    assert (answer.status, problem_fields(answer)) == (400, ["idempotency-key"])
    assert client.get("/products").json["items"] == []


def test_a_key_repeats_the_answer_and_with_another_body_is_refused(client):
    body = {**GOOD, "productId": "one"}
    first = client.post("/products", body, idempotency_key="k" * 255)
    again = client.post("/products", dict(reversed(body.items())), idempotency_key="k" * 255)
    other = client.post("/products", {**body, "stock": 2}, idempotency_key="k" * 255)
    assert (first.status, again.status, other.status) == (201, 201, 422)
    assert first.json == again.json
    assert other.json["code"] == "key-reused"
    made_up = [client.post("/products", GOOD, idempotency_key="new").json["productId"] for _ in range(3)]
    assert len(set(made_up)) == 1


def test_a_refused_key_may_be_tried_again(client):
    product = client.product(stock=0)
    wish = {"productId": product, "quantity": 1}
    assert client.post("/reservations", wish, idempotency_key="k").status == 409
    assert client.post("/reservations", wish, idempotency_key="k").status == 409
    assert client.post("/reservations", {**wish, "quantity": 2}, idempotency_key="k").status == 409


def test_one_tenant_never_meets_another(client, other):
    client.product(productId="mine", stock=3)
    key = {"idempotency_key": "same"}
    theirs = other.post("/products", {**GOOD, "productId": "mine"}, **key)
    assert theirs.status == 201
    assert client.post("/products", {**GOOD, "productId": "mine"}, **key).status == 409
    held = client.reservation("mine", 3)
    assert other.get("/products/mine", **theirs.token).json["available"] == 1
    assert other.buy(held).status in (404, 409)
    assert client.buy(held).status == 201


def test_if_match_guards_against_an_older_view(client):
    body = {**GOOD, "stock": 9, "productId": "guarded"}
    made = client.post("/products", body)
    wish = {"productId": "guarded", "quantity": 1}
    assert made.headers["etag"] == '"1"'
    assert client.post("/reservations", wish, if_match=made.headers["etag"]).status == 201
    stale = client.post("/reservations", wish, if_match=made.headers["etag"])
    assert (stale.status, stale.json["version"]) == (412, 2)
    assert client.post("/reservations", wish, if_match="newest").status == 400


def test_a_token_is_sent_back_unchanged_or_refused(client):
    made = client.post("/products", GOOD)
    path = f"/products/{made.json['productId']}"
    assert client.get(path, **made.token).status == 200
    for bad in ("x", "", made.headers["x-consistency-token"] + "AAAA", "e30", "WzEsW11d" * 2000):
        answer = client.get(path, x_consistency_token=bad)
        assert answer.status in (400, 431)


def test_the_gateway_keeps_awss_limits_and_shapes(cloud, client):
    long_head = client.send("GET", "/products", headers={"x-long": "x" * 11_000})
    assert (long_head.status, "message" in long_head.json) == (431, True)
    parts = urlsplit(cloud.outputs["apiUrl"])
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as raw:
        raw.sendall(b"NOT HTTP AT ALL\r\n\r\n")
        assert b" 400 " in raw.recv(4096).split(b"\r\n")[0]


def test_money_is_exact(client):
    amount = "99999999999999.9"
    product = client.product(stock=1_000_000, amount=amount)
    paid = client.buy(client.reservation(product, 999_999))
    assert paid.json["amount"] == {"amount": "99999899999999900000.1", "currency": "EUR"}
