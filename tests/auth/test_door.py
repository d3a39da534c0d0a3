"""Who comes in by which claims, and what each role may do. Not proven here: that claims are a verified token's."""

import pytest
from foldstack import Api, DefinitionError, Roles
from foldstack.handlers.http_access import Door
from foldstack.handlers.http_event import Incoming
from foldstack.kernel.access import Caller
from foldstack.kernel.errors import AccessRefused, InvalidValue

from shop.api import api

GOOD = {"token_use": "access", "sub": "ann", "tenant": "acme", "role": "buyer", "client_id": "browser"}


class Asked:
    """Stands for the tenants table, where all is as the token says."""

    def __init__(self):
        self.callers = []

    def check(self, caller):
        self.callers.append(caller)


def incoming(claims=None, **headers):
    context = {"http": {"method": "GET"}, "domainName": "host", "requestId": "1"}
    if claims is not None:
        context["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    return Incoming.of({"requestContext": context, "rawPath": "/", "headers": headers})


def refusal(door, request):
    with pytest.raises(AccessRefused) as error:
        door.admit(request)
    return error.value.status, error.value.code


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def door(asked):
    return Door(api, False, asked)


def test_an_access_token_comes_in(door, asked):
    caller = door.admit(incoming(GOOD))
    assert (caller.tenant, caller.subject, caller.role, caller.machine) == ("acme", "ann", "buyer", False)
    assert asked.callers == [caller]
    robot = door.admit(incoming({**GOOD, "sub": "robot", "client_id": "robot"}))
    assert robot.machine is True


@pytest.mark.parametrize("use", ["id", "", None, "refresh", "ACCESS"])
def test_an_id_token_is_no_access_token(door, use):
    claims = {name: value for name, value in {**GOOD, "token_use": use}.items() if value is not None}
    assert refusal(door, incoming(claims)) == (401, "no-access-token")


def test_of_another_issuer_a_token_may_say_nothing_of_its_use_but_not_that_it_is_an_id_token():
    door = Door(api, False, None)
    assert door.admit(incoming({name: GOOD[name] for name in ("sub", "tenant", "role")})).tenant == "acme"
    assert refusal(door, incoming({**GOOD, "token_use": "id"})) == (401, "no-access-token")


@pytest.mark.parametrize("tenant", [None, "", "Acme", "a_b", "-a", "a" * 64, "a#b", "[acme other]"])
def test_a_token_without_a_tenant_is_refused(door, tenant):
    claims = {name: value for name, value in {**GOOD, "tenant": tenant}.items() if value is not None}
    assert refusal(door, incoming(claims)) == (401, "no-tenant")


@pytest.mark.parametrize("missing", ["sub", "role"])
def test_a_token_without_a_subject_or_a_role_is_refused(door, missing):
    assert refusal(door, incoming({**GOOD, missing: ""})) == (401, "no-role")
    assert refusal(door, incoming({k: v for k, v in GOOD.items() if k != missing})) == (401, "no-role")


def test_nobody_comes_in_without_claims_whatever_the_headers_say(door, asked):
    assert refusal(door, incoming(None, **{"x-tenant-id": "acme", "authorization": "Bearer x"}))[0] == 401
    assert asked.callers == []


def test_a_header_may_repeat_the_tenant_and_not_contradict_it(door, asked):
    assert door.admit(incoming(GOOD, **{"x-tenant-id": "acme"})).tenant == "acme"
    asked.callers.clear()
    assert refusal(door, incoming(GOOD, **{"x-tenant-id": "other"})) == (403, "tenant-mismatch")
    assert asked.callers == [], "refused without a request"


def test_an_anonymous_door_takes_the_tenant_from_the_header():
    door = Door(Api(), True, None)
    assert door.admit(incoming(None, **{"x-tenant-id": "acme"})).tenant == "acme"
    for headers in ({}, {"x-tenant-id": "A"}):
        with pytest.raises(InvalidValue, match="x-tenant-id"):
            door.admit(incoming(None, **headers))


SHOP = {
    "admin": {"manage", "read", "reserve", "purchase"},
    "buyer": {"read", "reserve", "purchase"},
    "viewer": {"read"},
    "boss": set(),
    "": set(),
}


@pytest.mark.parametrize("role", SHOP)
def test_each_role_may_do_what_the_domain_says_and_nothing_else(door, role):
    caller = door.admit(incoming(GOOD))
    for route in api.routes:
        who = Caller(caller.tenant, caller.subject, role)
        if route.permission in SHOP[role]:
            door.allow(who, route)
        else:
            with pytest.raises(AccessRefused) as error:
                door.allow(who, route)
            assert (error.value.status, error.value.code) == (403, "no-permission")
    assert {route.permission for route in api.routes} == SHOP["admin"]


def test_routes_without_permissions_are_for_anonymous_doors_alone():
    open_api = Api()
    open_api.get("/things")(lambda request: None)
    Door(open_api, True, None)
    with pytest.raises(DefinitionError, match="the API's routes name no permissions"):
        Door(open_api, False, None)
    Door(Api(Roles()), False, None)
