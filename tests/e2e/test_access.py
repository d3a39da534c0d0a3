"""Every route of the router, with every kind of caller: the list is the router's own, so that a new route is in it.

Who may not is refused, in the same words whether the thing is there or not, and nothing changes.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.operations.connection import Connection
from local.operations.members import Members
from shop.reservation_id import ReservationId
from shop.service import service
from tests.e2e.conftest import ROOT, Answer, Client
from tests.e2e.forging import Forger
from tests.e2e.leaks import found_in, known_secrets
from tests.e2e.sessions import Sessions, claims

ROUTES = {f"{route.method} {route.template}": route for route in service.api.routes}
ROLES = service.api.roles
assert ROLES is not None
every_route = pytest.mark.parametrize("name", ROUTES)


@dataclass
class Asked:
    """A request, about the thing `id`."""

    id: str
    path: str
    body: Any = None


@dataclass
class Example:
    """How a route is asked: about the thing that `of` makes for a client, or about `nothing`, an id of none. `done` is
    the answer to who may. `new`: whether it can be done about nothing alone."""

    ask: Callable[[str], Asked]
    of: Callable[[Client], str]
    nothing: Callable[[], str]
    done: int
    new: bool = False


def an_id() -> str:
    return f"p-{uuid.uuid4().hex[:12]}"


def a_reservation_id() -> str:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    return ReservationId.make(an_id(), later, uuid.uuid4().hex[:22]).text


def held(client: Client) -> str:
    return client.reservation(client.product())


def bought(client: Client) -> str:
    return client.buy(held(client)).json["purchaseId"]


PEN = {"name": "Pen", "price": {"amount": "1.00", "currency": "EUR"}, "stock": 5}
EXAMPLES = {
    "POST /products": Example(
        lambda id: Asked(id, "/products", {**PEN, "productId": id}), Client.product, an_id, 201, new=True
    ),
    "GET /products": Example(lambda id: Asked(id, "/products"), Client.product, an_id, 200),
    "GET /products/{product_id}": Example(lambda id: Asked(id, f"/products/{id}"), Client.product, an_id, 200),
    "DELETE /products/{product_id}": Example(lambda id: Asked(id, f"/products/{id}"), Client.product, an_id, 204),
    "POST /reservations": Example(
        lambda id: Asked(id, "/reservations", {"productId": id, "quantity": 1}), Client.product, an_id, 201
    ),
    "POST /purchase": Example(
        lambda id: Asked(id, "/purchase", {"reservationId": id, "payment": {"token": "tok_ok"}}),
        held,
        a_reservation_id,
        201,
    ),
    "GET /purchases": Example(lambda id: Asked(id, "/purchases"), bought, an_id, 200),
    "GET /purchases/{purchase_id}": Example(lambda id: Asked(id, f"/purchases/{id}"), bought, an_id, 200),
}


def send(client: Client, name: str, asked: Asked, token: str | None = None, **headers: str) -> Answer:
    """With another token than the client's own, where one is given; "" is none."""
    given = {} if token is None else {"authorization": f"Bearer {token}"}
    sender = client if token is None else Client(client.url, None)
    if token == "":
        given = {}
    return sender.send(ROUTES[name].method, asked.path, asked.body, {**given, **headers})


def words(answer: Answer, asked: Asked) -> tuple[int, str, str | None]:
    """What a client could tell answers apart by, the ids that it sent itself left out."""
    held = ReservationId.parse(asked.id)
    raw = answer.raw.decode().replace(asked.id, "ID")
    raw = raw.replace(held.product_id, "PRODUCT") if held else raw
    return answer.status, raw, answer.headers.get("www-authenticate")


def commits(cloud, tenant: str) -> int:
    pages = (
        cloud.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=cloud.outputs["eventTable"],
            FilterExpression="begins_with(p, :t)",
            ExpressionAttributeValues={":t": {"S": f"{tenant}#"}},
        )
    )
    return sum(page["Count"] for page in pages)


@pytest.fixture
def forger(cloud, client: Client, tokens) -> Forger:
    return Forger(cloud, tokens.of(client.tenant, "admin", "admin"))


@pytest.fixture
def members(cloud) -> Members:
    return Connection(ROOT, None, cloud.home).members


@pytest.fixture
def sessions(cloud) -> Sessions:
    return Sessions(cloud)


def test_every_route_has_an_example_and_a_permission():
    """A new route fails here until it is asked as all others are."""
    assert EXAMPLES.keys() == ROUTES.keys()
    assert all(route.permission for route in ROUTES.values())


@every_route
def test_forged_tokens_are_refused_whatever_there_is(name, cloud, client, forger):
    example = EXAMPLES[name]
    there, missing = example.ask(example.of(client)), example.ask(example.nothing())
    cloud.wait_idle()
    before = commits(cloud, client.tenant)
    for kind, forge in forger.all().items():
        answer = send(client, name, there, forge())
        assert answer.status in (401, 403), (kind, answer.raw)
        assert words(answer, there) == words(send(client, name, missing, forge()), missing), kind
        assert there.id.encode() not in answer.raw
    assert commits(cloud, client.tenant) == before


@every_route
def test_a_role_may_do_what_the_domain_says_and_nothing_else(name, cloud, client):
    example = EXAMPLES[name]
    things = {role: example.of(client) for role in ROLES.names}
    cloud.wait_idle()
    for role, thing in things.items():
        someone = client.in_role(role)
        there, missing = example.ask(thing), example.ask(example.nothing())
        before = commits(cloud, client.tenant)
        answer = send(someone, name, missing if example.new else there)
        if ROLES.allow(role, ROUTES[name].permission):
            assert answer.status == example.done, (role, answer.raw)
        else:
            assert (answer.status, answer.json["code"]) == (403, "no-permission"), role
            assert words(send(someone, name, there), there) == words(send(someone, name, missing), missing), role
            assert commits(cloud, client.tenant) == before


@every_route
def test_a_token_without_a_role_that_is_known_may_do_nothing(name, client, forger, cloud):
    """The table says the same, so that it is the role alone that is refused."""
    example = EXAMPLES[name]
    token = forger.signed(role="clerk")
    auth = cloud.outputs["operated"]["auth"]
    set_role(cloud, auth, forger.subject, "clerk")
    asked = example.ask(example.nothing())
    answer = send(client, name, asked, token)
    assert (answer.status, answer.json["code"]) == (403, "no-permission")


def set_role(cloud, auth: dict[str, Any], subject: str, role: str) -> None:
    """As no administrator's command would."""
    cloud.client("dynamodb").update_item(
        TableName=auth["tenants_table"],
        Key={"p": {"S": f"user#{subject}"}, "s": {"S": "membership"}},
        UpdateExpression="SET #r = :r",
        ExpressionAttributeNames={"#r": "role"},
        ExpressionAttributeValues={":r": {"S": role}},
    )


@every_route
def test_another_tenants_token_shows_and_changes_nothing(name, cloud, client, other):
    example = EXAMPLES[name]
    there, missing = example.ask(example.of(client)), example.ask(example.nothing())
    cloud.wait_idle()
    before = commits(cloud, client.tenant)
    answer = send(other, name, there)
    assert words(answer, there) == words(send(other, name, missing), missing)
    if not example.new:  # what it makes is its own, under whatever id
        assert answer.status == 404 or answer.json["items"] == [], answer.raw
    contradicted = send(other, name, there, **{"x-tenant-id": client.tenant})
    assert (contradicted.status, contradicted.json["code"]) == (403, "tenant-mismatch")
    repeated = send(other, name, missing, **{"x-tenant-id": client.tenant})
    assert words(contradicted, there) == words(repeated, missing)
    assert commits(cloud, client.tenant) == before


@every_route
def test_whoever_is_suspended_is_refused_whatever_there_is(name, cloud, client, tokens, members):
    """By a door that has not looked yet: how late one that has may be is tested with a clock, in tests/auth."""
    example = EXAMPLES[name]
    there, missing = example.ask(example.of(client)), example.ask(example.nothing())
    cloud.wait_idle()
    token = tokens.of(client.tenant, "late", "admin")["access_token"]
    members.set_user(f"late@{client.tenant}.example", "suspended")
    before = commits(cloud, client.tenant)
    answer = send(client, name, there, token)
    assert (answer.status, answer.json["code"]) == (403, "member-suspended")
    assert words(answer, there) == words(send(client, name, missing, token), missing)
    assert commits(cloud, client.tenant) == before


def test_a_suspended_tenant_is_refused_on_every_route(client, members):
    client.authorization()
    members.set_tenant(client.tenant, "suspended")
    for name, example in EXAMPLES.items():
        answer = send(client, name, example.ask(example.nothing()))
        assert (answer.status, answer.json["code"]) == (403, "tenant-suspended"), name
    assert client.get("/nothing/here").json["code"] == "tenant-suspended"


def test_what_is_not_routed_is_told_to_those_alone_who_may_come_in(client, forger):
    assert client.get("/nothing/here").status == 404
    for kind, forge in forger.all().items():
        token = forge()
        sent = {"authorization": f"Bearer {token}"} if token else {}
        answer = Client(client.url, None).send("GET", "/nothing/here", headers=sent)
        assert answer.status in (401, 403), kind


def test_a_machine_comes_in_by_its_client(cloud, client, sessions, members):
    client.product(productId="there")
    assert sessions.of_machine("warehouse") is None
    members.admit_machine("warehouse", client.tenant, "viewer")
    token = sessions.of_machine("warehouse")
    read, write = Asked("there", "/products/there"), Asked("new", "/products", {**PEN, "productId": "new"})
    cloud.wait_idle()
    assert send(client, "GET /products/{product_id}", read, token).status == 200
    assert send(client, "POST /products", write, token).json["code"] == "no-permission"
    members.remove_machine("warehouse")
    assert sessions.of_machine("warehouse") is None


def test_a_change_is_in_the_next_token_and_a_suspension_leaves_none(client, tokens, sessions, members):
    email = f"clerk@{client.tenant}.example"
    session = tokens.of(client.tenant, "clerk", "viewer")
    assert claims(session["access_token"])["exp"] - claims(session["access_token"])["iat"] <= 15 * 60
    members.set_role(email, "buyer")
    assert sessions.refreshed(session)["role"] == "buyer"
    members.set_tenant(client.tenant, "suspended")
    assert sessions.refreshed(session) is None
    members.set_tenant(client.tenant, "active")
    assert sessions.refreshed(session)["tenant"] == client.tenant
    members.set_user(email, "suspended")
    assert sessions.refreshed(session) is None
    members.set_user(email, "active")
    assert sessions.refreshed(session) is None, "that session has ended"
    members.remove_user(email)
    assert sessions.refreshed(session) is None


def test_a_leak_into_a_log_would_be_found(cloud, client, tokens, tmp_path):
    """When the suite is over, all logs are searched: see `cloud`."""
    token = tokens.of(client.tenant)["access_token"]
    secrets = known_secrets(cloud)
    leaks = [f"got {token}", f'{{"authorization": "Bearer {token}"}}', "password: " + "x" * 32 + "-aA1", secrets[-1]]
    for leak in leaks:
        (tmp_path / "some.log").write_text(f"a line\n{leak}\n")
        assert len(found_in([tmp_path / "some.log"], secrets)) == 1, leak
    (tmp_path / "some.log").write_text("START\nthis account has no access\n")
    assert found_in([tmp_path / "some.log"], secrets) == []
    assert [file for file in cloud.logs.iterdir() if "router" in file.name], "there is something to search"
