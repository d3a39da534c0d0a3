"""A tenant's limit, over any number of sandboxes: never much more, and never less."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from foldstack.aws.request_limit import SHARES, WINDOW, RequestLimit
from foldstack.kernel.errors import TooManyRequests, Unavailable
from foldstack.kernel.keys import Tenant
from foldstack.kernel.problem import from_error
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

TABLE = "limits"
ACME, BIGCORP = Tenant("acme"), Tenant("bigcorp")


class Counters:
    """The table, as one writer sees it: what a request adds, and what all have added."""

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}
        self.requests = 0

    def update_item(self, **request: Any) -> dict[str, Any]:
        self.requests += 1
        key = request["Key"]["p"]["S"]
        self.sums[key] = self.sums.get(key, 0) + int(request["ExpressionAttributeValues"][":n"]["N"])
        return {"Attributes": {"n": {"N": str(self.sums[key])}}}


def limit_of(table: Any, per_minute: int, clock: "Clock", lost: list[int] | None = None) -> RequestLimit:
    """One sandbox. `lost`: collects what was let through uncounted, which otherwise nothing may be."""

    def tell(tenant: Tenant, requests: int, error: Unavailable) -> None:
        assert lost is not None, error
        lost.append(requests)

    return RequestLimit(lambda: table, TABLE, per_minute, lost=tell, now=clock)


class Clock:
    def __init__(self) -> None:
        self.time = 600.0

    def __call__(self) -> float:
        return self.time


def let_through(limit: RequestLimit, tenant: Tenant, requests: int, own: int | None = None) -> int:
    passed = 0
    for _ in range(requests):
        try:
            limit.take(tenant, own)
        except TooManyRequests:
            continue
        passed += 1
    return passed


@given(
    per_minute=st.integers(1, 400),
    sandboxes=st.integers(1, 8),
    visits=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 60)), max_size=60),
)
@settings(max_examples=300)
def test_no_order_of_sandboxes_lets_through_much_more_or_less(
    per_minute: int, sandboxes: int, visits: list[tuple[int, int]]
) -> None:
    table, clock = Counters(), Clock()
    limits = [limit_of(table, per_minute, clock) for _ in range(sandboxes)]
    asked = sum(requests for _, requests in visits)
    passed = sum(let_through(limits[n % sandboxes], ACME, requests) for n, requests in visits)
    share = -(-per_minute // SHARES)
    assert passed <= per_minute + sandboxes * share
    assert passed >= min(asked, per_minute)
    assert table.requests <= asked // share


def test_a_tenant_of_few_requests_costs_none() -> None:
    table = Counters()
    limit = limit_of(table, 5000, Clock())
    assert let_through(limit, ACME, 99) == 99
    assert table.requests == 0
    limit.take(ACME)
    assert table.requests == 1


def test_at_twenty_times_the_limit_one_is_refused_and_the_other_is_not() -> None:
    table, clock = Counters(), Clock()
    limits = [limit_of(table, 100, clock) for _ in range(3)]
    passed = {ACME: 0, BIGCORP: 0}
    for n in range(2000):
        clock.time += 0.025
        passed[BIGCORP] += let_through(limits[n % 3], BIGCORP, 1)
        if n % 20 == 0:
            passed[ACME] += let_through(limits[n % 3], ACME, 1)
    assert passed[ACME] == 100
    assert 100 <= passed[BIGCORP] <= 100 + 3 * 100 // SHARES


def test_a_refused_tenant_asks_nothing_of_the_table_and_is_let_in_again_with_the_next_minute() -> None:
    table, clock = Counters(), Clock()
    limit = limit_of(table, 10, clock)
    clock.time += 12.5
    assert let_through(limit, ACME, 10) == 10
    with pytest.raises(TooManyRequests, match="acme may make 10 requests a minute") as refused:
        limit.take(ACME)
    assert refused.value.retry_after == 48
    asked = table.requests
    assert let_through(limit, ACME, 1000) == 0
    assert table.requests == asked
    clock.time += refused.value.retry_after
    assert let_through(limit, ACME, 20) == 10
    assert len(table.sums) == 2


def test_the_refusal_says_when_to_come_again() -> None:
    answer = from_error(TooManyRequests("acme is at its limit", 17))
    assert answer is not None
    assert (answer.status, answer.headers["retry-after"]) == (429, "17")
    assert answer.body["code"] == "too-many-requests"


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        made = boto3.client("dynamodb", "us-east-1", aws_access_key_id="key", aws_secret_access_key="secret")
        made.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        )
        yield made


def test_sandboxes_count_together_in_a_table_that_forgets(client: Any) -> None:
    clock = Clock()
    limits = [limit_of(client, 3, clock) for _ in range(2)]
    assert [let_through(limits[n % 2], ACME, 1) for n in range(5)] == [1, 1, 1, 0, 0]
    (item,) = client.scan(TableName=TABLE)["Items"]
    assert item["p"]["S"] == f"acme#{int(clock.time // WINDOW)}"
    assert int(item["ttl"]["N"]) > clock.time + WINDOW


def test_a_tenants_own_limit_holds_instead_and_a_change_of_it_at_once() -> None:
    table, clock = Counters(), Clock()
    limit = limit_of(table, 10, clock)
    assert let_through(limit, ACME, 200, own=100) == 100
    assert let_through(limit, ACME, 200) == 0, "the limit is the door's again, and is reached"
    assert let_through(limit, ACME, 200, own=150) == 50
    assert let_through(limit, BIGCORP, 200) == 10
    with pytest.raises(TooManyRequests, match="acme may make 20 requests a minute"):
        limit.take(ACME, 20)


class Outage(Counters):
    """A table that does not answer while it is `down`."""

    down = True

    def update_item(self, **request: Any) -> dict[str, Any]:
        if self.down:
            self.requests += 1
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "UpdateItem")
        return super().update_item(**request)


def test_a_table_that_does_not_answer_lets_all_through_and_is_asked_no_more_often() -> None:
    table, clock, lost = Outage(), Clock(), []
    limit = limit_of(table, 100, clock, lost)
    assert let_through(limit, ACME, 2000) == 2000
    assert table.requests == 1000
    assert sum(lost) == 2000, "and it is told"
    table.down = False
    assert let_through(limit, ACME, 2000) == 100


def test_a_fault_is_no_outage() -> None:
    class Forbidden(Counters):
        def update_item(self, **request: Any) -> dict[str, Any]:
            error = {"Error": {"Code": "AccessDeniedException", "Message": ""}}
            raise ClientError({**error, "ResponseMetadata": {"HTTPStatusCode": 400}}, "UpdateItem")

    with pytest.raises(ClientError):
        limit_of(Forbidden(), 1, Clock(), []).take(ACME)
