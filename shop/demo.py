"""The shop's own walk through: a catalogue, then purchases of two tenants, good and bad."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

CATALOGUE = Path(__file__).parent / "catalogue.json"
TENANTS = ("alpine-outfitters", "harbour-hardware")


class Answer(Protocol):
    """What the runner of a demo gives back: `json` is None where there was no body."""

    status: int
    headers: dict[str, str]
    json: Any


Call = Callable[..., Answer]


def run(call: Call, settle: Callable[[], object]) -> None:
    """`call(tenant, method, path, body=None, headers=None, role=None)` sends one request and shows it with its answer;
    `settle()` waits until the views have caught up."""
    products = json.loads(CATALOGUE.read_text())
    for n, product in enumerate(products):
        expect(call(TENANTS[n % 2], "POST", "/products", product), 201)
    settle()
    for n, tenant in enumerate(TENANTS):
        mine = products[n::2]
        listed = expect(call(tenant, "GET", "/products?limit=5"), 200)
        assert listed.json["next"], "more products than one page"
        buy(call, tenant, mine[0]["productId"], 2, "tok_ok", 201)
        buy(call, tenant, mine[1]["productId"], 1, "tok_flaky", 201)
        buy(call, tenant, mine[2]["productId"], 1, "tok_declined", 402)
        too_many = {"productId": mine[3]["productId"], "quantity": mine[3]["stock"] + 1}
        expect(call(tenant, "POST", "/reservations", too_many), 409)
    settle()
    for tenant in TENANTS:
        paid = expect(call(tenant, "GET", "/purchases?status=paid"), 200)
        assert len(paid.json["items"]) == 2, "the declined purchase is none of them"
    stranger = products[1]["productId"]
    expect(call(TENANTS[0], "GET", f"/products/{stranger}"), 404)
    mine = products[0]["productId"]
    expect(call(TENANTS[0], "GET", f"/products/{mine}", role="viewer"), 200)
    expect(call(TENANTS[0], "DELETE", f"/products/{mine}", role="viewer"), 403)


def buy(call: Call, tenant: str, product_id: str, quantity: int, token: str, status: int) -> None:
    """Reserve, pay, pay again with the same key, and look at what is left."""
    reserved = expect(call(tenant, "POST", "/reservations", {"productId": product_id, "quantity": quantity}), 201)
    payment = {"reservationId": reserved.json["reservationId"], "payment": {"token": token}}
    key = {"idempotency-key": str(uuid.uuid4())}
    paid = expect(call(tenant, "POST", "/purchase", payment, key), status)
    again = expect(call(tenant, "POST", "/purchase", payment, key), status)
    assert again.json == paid.json, "a retry is answered as the first request was"
    seen = {"x-consistency-token": paid.headers["x-consistency-token"]}
    expect(call(tenant, "GET", f"/products/{product_id}", None, seen), 200)
    expect(call(tenant, "GET", f"/purchases/{paid.json['purchaseId']}", None, seen), 200)


def expect(answer: Answer, status: int) -> Answer:
    """The answer, or an error that shows it."""
    if answer.status != status:
        raise AssertionError(f"expected {status}, got {answer.status}: {answer.json}")
    return answer
