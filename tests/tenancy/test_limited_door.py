"""The router as Lambda loads it, with a limit: who is refused, what is asked before, and what is told of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from foldstack.aws import clients, composition
from foldstack.aws.request_limit import SHARES, WINDOW, RequestLimit
from foldstack.kernel.errors import AccessRefused
from foldstack.kernel.store import MemoryCommitStore

from tests.consumers.functions import Context, load
from tests.tenancy.test_request_limit import Counters, Outage

NOW = 1_000_012.5
GOOD = {"token_use": "access", "sub": "ann", "tenant": "acme", "role": "admin", "client_id": "browser"}
OTHER = {**GOOD, "sub": "bob", "tenant": "bigcorp"}
ENVIRONMENT = {"DOMAIN": "shop:service", "SERVICE": "shop", "TENANTS_TABLE": "tenants", "LIMITS_TABLE": "limits"}


class CountedStore(MemoryCommitStore):
    """Counts what it is asked."""

    asked = 0

    def append(self, *given: Any, **named: Any) -> Any:
        self.asked += 1
        return super().append(*given, **named)

    def newest(self, *given: Any, **named: Any) -> Any:
        self.asked += 1
        return super().newest(*given, **named)


class Tenants:
    """Stands for the tenants table."""

    def __init__(self) -> None:
        self.limits: dict[str, int] = {}
        self.suspended: set[str] = set()

    def check(self, caller: Any) -> int | None:
        if caller.tenant in self.suspended:
            raise AccessRefused(403, "tenant-suspended", "this account's tenant has no access")
        return self.limits.get(caller.tenant)


class Router:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, table: Counters, **environment: str) -> None:
        self.store, self.tenants, self.table = CountedStore(), Tenants(), table
        monkeypatch.setattr(composition, "commit_store", lambda env: self.store)
        monkeypatch.setattr(composition, "standings", lambda env: self.tenants)
        monkeypatch.setattr(clients, "commit_table", lambda: table)
        monkeypatch.setitem(RequestLimit.__init__.__kwdefaults__, "now", lambda: NOW)
        self.module = load(monkeypatch, "http", {**ENVIRONMENT, **environment})
        self._sent = 0

    def send(self, claims: dict[str, str] | None = GOOD, method: str = "POST", path: str = "/products") -> Any:
        self._sent += 1
        jwt = {} if claims is None else {"authorizer": {"jwt": {"claims": claims, "scopes": None}}}
        product = {"name": "Pen", "price": {"amount": "1.00", "currency": "EUR"}, "stock": 1}
        return self.module.handler(
            {
                "version": "2.0",
                "rawPath": path,
                "requestContext": {
                    "http": {"method": method, "path": path},
                    "domainName": "host",
                    "requestId": f"r{self._sent}",
                    "stage": "$default",
                    **jwt,
                },
                "headers": {},
                "body": json.dumps(product),
            },
            Context(),
        )

    def statuses(self, requests: int, claims: dict[str, str] | None = GOOD) -> list[int]:
        return [self.send(claims)["statusCode"] for _ in range(requests)]


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Router]:
    def make(table: Counters | None = None, **environment: str) -> Router:
        return Router(monkeypatch, table or Counters(), **environment)

    return make


def test_at_the_limit_neither_the_domain_nor_the_store_is_asked(router):
    door = router(REQUESTS_PER_MINUTE="5")
    assert door.statuses(5) == [201] * 5
    asked = door.store.asked
    refused = door.send()
    assert refused["statusCode"] == 429
    assert (refused["headers"]["retry-after"], (NOW + 7.5) % WINDOW) == ("8", 0)
    problem = json.loads(refused["body"])
    assert (problem["code"], problem["status"]) == ("too-many-requests", 429)
    assert door.statuses(20) == [429] * 20
    assert (door.store.asked, len(door.store.streams())) == (asked, 5)


def test_another_tenant_is_not_refused(router):
    door = router(REQUESTS_PER_MINUTE="5")
    answers = [(door.send()["statusCode"], door.send(OTHER)["statusCode"]) for _ in range(5)]
    assert answers == [(201, 201)] * 5
    assert set(door.statuses(95)) == {429}
    assert {stream.split("#")[0] for stream in door.store.streams()} == {"acme", "bigcorp"}


def test_all_that_comes_in_counts_whatever_becomes_of_it(router):
    """A path of nothing and a role that may not: each is an invocation that somebody pays for."""
    door = router(REQUESTS_PER_MINUTE="3")
    assert door.send(path="/nothing")["statusCode"] == 404
    assert door.send({**GOOD, "role": "viewer"})["statusCode"] == 403
    assert door.send(path="/products/p!")["statusCode"] == 400, "this one is refused before it is anybody's"
    assert door.statuses(2) == [201, 429]


@pytest.mark.parametrize(
    "claims", [None, {**GOOD, "token_use": "id"}, {**GOOD, "tenant": "A b"}, {**GOOD, "tenant": "closed"}]
)
def test_who_does_not_come_in_uses_up_nothing(router, claims):
    door = router(REQUESTS_PER_MINUTE="1")
    door.tenants.suspended.add("closed")
    assert not {201, 429} & set(door.statuses(20, claims))
    assert door.table.requests == 0


def test_the_tenants_table_may_give_a_tenant_a_limit_of_its_own(router):
    door = router(REQUESTS_PER_MINUTE="3")
    door.tenants.limits["acme"] = 6
    assert door.statuses(8) == [201] * 6 + [429] * 2
    assert door.statuses(8, OTHER) == [201] * 3 + [429] * 5


def test_a_warm_request_costs_a_fiftieth_of_a_write_at_most(router):
    door = router(REQUESTS_PER_MINUTE="2400")
    share = 2400 // SHARES
    assert door.statuses(share - 1) == [201] * (share - 1)
    assert door.table.requests == 0
    door.statuses(2 * share + 1)
    assert door.table.requests == 3


def test_where_the_table_does_not_answer_requests_pass_and_it_is_told(router, caplog):
    door = router(Outage(), REQUESTS_PER_MINUTE="1")
    assert door.statuses(3) == [201] * 3
    told = [line for line in lines(caplog) if line["msg"] == "requests were let through uncounted"]
    assert [(line["levelname"], line["tenant"], line["requests"]) for line in told] == [("ERROR", "acme", 1)] * 3


def test_each_request_is_told_with_its_tenant(router, caplog):
    door = router(REQUESTS_PER_MINUTE="1")
    door.statuses(2)
    door.send(OTHER, "GET", "/nothing")
    door.send({**GOOD, "tenant": "A b"})
    told = [line for line in lines(caplog) if "stored_bytes" in line]
    assert [(line["msg"], line["tenant"], line["status"], line["throttled"]) for line in told] == [
        ("command cost", "acme", 201, 0),
        ("command cost", "acme", 429, 1),
        ("unrouted", "bigcorp", 404, 0),
        ("command cost", "", 401, 0),
    ]


def test_a_request_that_fails_is_told_too(router, caplog):
    door = router(REQUESTS_PER_MINUTE="9")
    door.store.append = None
    with pytest.raises(TypeError):
        door.send()
    assert [(line["tenant"], line["status"]) for line in lines(caplog) if "stored_bytes" in line] == [("acme", 500)]


def test_a_tenants_usage_is_in_metrics_of_its_own_where_the_stack_says_so(router, capsys):
    door = router(REQUESTS_PER_MINUTE="1", TENANT_METRICS="true")
    door.statuses(2)
    door.send(OTHER)
    door.send({**GOOD, "tenant": "A b"})
    told = metrics(capsys)
    assert [(each["tenant"], each["Requests"], each["Throttled"]) for each in told] == [
        ("acme", [1.0], [0.0]),
        ("acme", [1.0], [1.0]),
        ("bigcorp", [1.0], [0.0]),
    ]
    for each in told:
        (about,) = each["_aws"]["CloudWatchMetrics"]
        assert (about["Namespace"], [sorted(names) for names in about["Dimensions"]]) == (
            "Foldstack",
            [["service", "tenant"]],
        )
        units = {metric["Name"]: metric["Unit"] for metric in about["Metrics"]}
        assert units == {
            "Requests": "Count",
            "Throttled": "Count",
            "ReadUnits": "Count",
            "WriteUnits": "Count",
            "StoredBytes": "Bytes",
        }


def test_by_default_no_tenant_has_metrics(router, capsys):
    router(REQUESTS_PER_MINUTE="5").statuses(3)
    assert metrics(capsys) == []


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records]


def metrics(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
