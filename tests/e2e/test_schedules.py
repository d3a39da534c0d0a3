"""What the clock sets off, through the real queues: reservations that end by themselves, and days that are closed."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from foldstack.aws import composition
from foldstack.aws.environment import Environment
from foldstack.kernel.keys import StreamId, Tenant

from local.cloud import LaptopCloud
from local.event_sources import Faults
from local.wiring import InvocationError
from shop.stand_ins.payment_provider import serve

from .conftest import Client, tokens_of

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE = 60.0
HOUR = 3600.0


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    server = serve(0, slow_seconds=0.6)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class Shop:
    """The shop with reservations of seconds, on a cloud of its own."""

    def __init__(self, cloud: LaptopCloud, provider: str) -> None:
        self.cloud, self.provider = cloud, provider

    def up(self, seconds: float, faults: Faults | None = None) -> "Shop":
        config = {"paymentProviderUrl": self.provider, "reservationMinutes": str(seconds / 60)}
        self.cloud.up(faults=faults, config=config)
        self.client = Client(self.cloud.outputs["apiUrl"], "acme", tokens_of(self.cloud))
        return self

    def types(self, product: str) -> list[str]:
        """The events of a product, in their order."""
        environment = Environment(self.cloud.outputs["operated"]["service"]["variables"])
        store = composition.commit_store(environment, self.cloud.client)
        commits = store.since(StreamId(Tenant("acme"), "product", product), 1).commits
        return [type for commit in commits for type in commit.types]

    def let_time_pass(self) -> None:
        """All that waits is due now."""
        scheduler, now = self.cloud.client("scheduler"), datetime.now(UTC)
        for each in scheduler.list_schedules()["Schedules"]:
            found = scheduler.get_schedule(GroupName=each["GroupName"], Name=each["Name"])
            kept = ("GroupName", "Name", "FlexibleTimeWindow", "Target", "ActionAfterCompletion")
            moved = {"ScheduleExpression": f"at({now:%Y-%m-%dT%H:%M:%S})"}
            scheduler.update_schedule(**{name: found[name] for name in kept}, **moved)

    def timers(self) -> str:
        (status,) = [each for each in self.cloud.source_status() if each.name == "timers"]
        assert status.problem is None
        return status.lag


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


@pytest.fixture
def shop(tmp_path, provider) -> Iterator[Shop]:
    with LaptopCloud(PROGRAMS / "brief", home=tmp_path) as cloud:
        yield Shop(cloud, provider)


def test_a_reservation_that_nobody_buys_ends_by_itself(shop):
    shop.up(seconds=2)
    product = shop.client.product(stock=5)
    shop.client.reservation(product, 4)
    until(lambda: "ReservationExpired" in shop.types(product))
    shop.cloud.wait_idle(PATIENCE)
    assert shop.types(product) == ["ProductCreated", "ProductReserved", "ReservationExpired"]
    row = shop.client.get(f"/products/{product}").json
    assert (row["stock"], row["available"]) == (5, 5)
    assert shop.timers() == "nothing waits"


def test_who_waits_for_the_cloud_waits_for_what_is_due_alone(shop):
    shop.up(seconds=HOUR)
    product = shop.client.product(stock=5)
    shop.client.reservation(product, 4)
    shop.cloud.wait_idle(PATIENCE)
    assert shop.types(product) == ["ProductCreated", "ProductReserved"]
    assert shop.timers().startswith("1 waiting, the next at ")
    shop.let_time_pass()
    shop.cloud.wait_idle(PATIENCE)
    assert shop.types(product) == ["ProductCreated", "ProductReserved", "ReservationExpired"]


def test_what_is_bought_or_given_back_does_not_end(shop):
    shop.up(seconds=HOUR)
    product = shop.client.product(stock=5)
    assert shop.client.buy(shop.client.reservation(product, 2)).status == 201
    assert shop.client.buy(shop.client.reservation(product, 2), "tok_declined").status == 402
    shop.cloud.wait_idle(PATIENCE)
    assert shop.timers().startswith("2 waiting")
    shop.let_time_pass()
    shop.cloud.wait_idle(PATIENCE)
    assert shop.timers() == "nothing waits"
    assert "ReservationExpired" not in shop.types(product)
    assert shop.client.get(f"/products/{product}").json["available"] == 3


@pytest.mark.parametrize("seed", [7, pytest.param(8, marks=pytest.mark.long)])
def test_each_ends_once_whatever_is_repeated_refused_or_dies(shop, seed):
    shop.up(5, Faults(seed, duplicate=0.4, delay=0.3, shuffle=0.3, throttle=0.1, crash=0.1))
    products = [shop.client.product(stock=9) for _ in range(3)]
    for product in products:
        for _ in range(4):
            shop.client.reservation(product, 2)
    until(lambda: all(shop.types(each).count("ReservationExpired") == 4 for each in products))
    until(lambda: shop.timers() == "nothing waits")
    shop.cloud.wait_idle(120)
    for product in products:
        types = shop.types(product)
        assert (types.count("ProductReserved"), types.count("ReservationExpired")) == (4, 4)
        assert shop.client.get(f"/products/{product}").json["available"] == 9


def test_a_restart_of_the_cloud_keeps_what_waits(tmp_path, provider):
    with LaptopCloud(PROGRAMS / "brief", home=tmp_path) as cloud:
        shop = Shop(cloud, provider).up(seconds=HOUR)
        product = shop.client.product(stock=5)
        shop.client.reservation(product, 4)
        cloud.wait_idle(PATIENCE)
        waiting = shop.timers()
        assert waiting.startswith("1 waiting")
        cloud.down(keep_data=True)
    with LaptopCloud(PROGRAMS / "brief", home=tmp_path) as cloud:
        shop = Shop(cloud, provider).up(seconds=HOUR)
        cloud.wait_idle(PATIENCE)
        assert shop.timers() == waiting
        shop.let_time_pass()
        cloud.wait_idle(PATIENCE)
        assert shop.types(product)[-1] == "ReservationExpired"


# ---- schedules that tick


def closed(cloud: LaptopCloud) -> dict[str, int]:
    """How often each tenant's book was closed."""
    items = cloud.client("dynamodb").scan(TableName=cloud.outputs["eventTable"])["Items"]
    found: dict[str, int] = {}
    for item in items:
        tenant = item["p"]["S"].split("#")[0]
        found[tenant] = found.get(tenant, 0) + 1
    return found


@pytest.fixture
def days(tmp_path) -> Iterator[LaptopCloud]:
    with LaptopCloud(PROGRAMS / "days", home=tmp_path) as cloud:
        yield cloud


def soon() -> str:
    return f"at({datetime.now(UTC) + timedelta(seconds=10):%Y-%m-%dT%H:%M:%S})"


def test_a_schedule_writes_an_event_for_each_tenant_once(days):
    faults = Faults(5, duplicate=0.9, crash=0.2)
    days.up(faults=faults)
    for expected in (1, 2):
        days.up(faults=faults, config={"when": soon()})
        until(lambda expected=expected: closed(days) == {"acme": expected, "zeta": expected})
        days.wait_idle(PATIENCE)
    assert closed(days) == {"acme": 2, "zeta": 2}


def test_a_schedule_that_the_domain_does_not_answer_is_refused_by_the_deployment(days):
    with pytest.raises(
        InvocationError, match=r"days-schedules-check.*schedules clsoe-day.*answers close-day: declare it"
    ):
        days.up(config={"schedule": "clsoe-day"})
