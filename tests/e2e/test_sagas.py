"""Purchases that get stuck: found, shown, and brought to an end by hand, over HTTP and the command line."""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

from local.cloud import LaptopCloud
from local.commands import app

from .conftest import ROOT, Client, tokens_of

Run = Callable[..., str]
PATIENCE = 120


@pytest.fixture(scope="module")
def run(cloud, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs `foldstack saga ...` to its end; answers what it printed."""
    program = tmp_path_factory.mktemp("program")
    (program / ".foldstack").symlink_to(cloud.home)

    def run(*arguments: str, status: int = 0, typed: str = "") -> str:
        done = CliRunner().invoke(app, ["saga", *arguments, "--program", str(program)], input=typed)
        assert done.exit_code == status, done.output
        return done.output

    return run


class Purchase:
    """One of a tenant of its own, begun with a payment that the provider does not settle."""

    def __init__(self, run: Run, cloud, token: str) -> None:
        self.run = run
        self.client = Client(cloud.outputs["apiUrl"], f"s{uuid.uuid4().hex[:8]}", tokens_of(cloud))
        self.provider = Client(cloud.outputs["paymentProviderUrl"], None)
        self.product = self.client.product(stock=5)
        self.reservation = self.client.reservation(self.product, 2)
        answer = self.buy(token)
        assert (answer.status, answer.json["status"]) == (202, "pending")
        self.id = answer.json["purchaseId"]
        self.stream = f"{self.client.tenant}#purchase#{self.id}"

    def buy(self, token: str):
        return self.client.buy(self.reservation, token, idempotency_key="k")

    def until_stuck(self) -> None:
        """By the view: without back-off the first attempt but one alone would come after six minutes."""
        end = time.monotonic() + PATIENCE
        while self.listed()["status"] != "stuck":
            assert time.monotonic() < end, self.run("show", self.stream)
            time.sleep(0.5)

    def listed(self) -> dict:
        (row,) = json.loads(self.run("list", "--tenant", self.client.tenant, "--json"))
        return row

    def steps(self) -> dict[str, str]:
        return {each["step"]: each["status"] for each in self.shown()["steps"]}

    def shown(self) -> dict:
        return json.loads(self.run("show", self.stream, "--json"))

    def charges(self) -> list[str]:
        items = self.provider.get("/charges").json["items"]
        return [each["status"] for each in items if each["reference"] == self.id]

    def stock(self) -> tuple[int, int]:
        row = self.client.get(f"/products/{self.product}").json
        return row["stock"], row["available"]

    def status(self) -> str:
        return self.client.get(f"/purchases/{self.id}").json["status"]


@pytest.fixture(scope="module")
def outage(cloud) -> Iterator[Callable[[bool], None]]:
    provider = Client(cloud.outputs["paymentProviderUrl"], None)

    def outage(down: bool) -> None:
        assert provider.send("PUT", "/outage", {"down": down}).status == 200

    yield outage
    outage(False)


@pytest.fixture(scope="module")
def stuck(run, cloud, outage) -> Iterator[Purchase]:
    """One that was charged, and nobody knows; then purchases that the provider has not heard of: it is down."""
    lost = Purchase(run, cloud, "tok_lost")
    outage(True)
    purchases = [lost, Purchase(run, cloud, "tok_ok"), Purchase(run, cloud, "tok_ok")]
    for each in purchases:
        each.until_stuck()
    return itertools.chain(purchases)


def test_cancelled_by_hand_it_is_refunded_and_released(stuck, run, cloud, outage):
    purchase = next(stuck)
    outage(False)
    assert purchase.charges() == ["succeeded"]
    assert purchase.stock() == (5, 3), "an unknown outcome is never released"
    assert "Aborted" in run("cancel", purchase.stream, "--reason", "no", status=1, typed="n\n")
    assert "checkout" in run("cancel", purchase.stream, "--reason", "the customer called", "--who", "ann", "--yes")
    cloud.wait_idle(PATIENCE)
    assert purchase.charges() == ["refunded"]
    assert purchase.stock() == (5, 5)
    assert purchase.status() == "cancelled"
    assert purchase.steps()["charge"] == "compensated"
    again = purchase.buy("tok_lost")
    assert (again.status, again.json["code"]) == (409, "purchase-cancelled")
    assert "ann: the customer called" in again.json["detail"]
    cancelled = purchase.client.get("/purchases?status=cancelled").json["items"]
    assert [each["purchaseId"] for each in cancelled] == [purchase.id]
    assert purchase.stream not in run("list")
    assert purchase.stream in run("list", "--all")


def test_tried_anew_it_is_paid(stuck, run, cloud, outage):
    purchase = next(stuck)
    row = purchase.listed()
    assert (row["saga"], row["stream"], row["step"]) == ("checkout", purchase.stream, "charge")
    assert "it answered 503" in row["error"]
    assert purchase.stream in run("list", "--stuck")
    assert "no saga is stuck" in run("list", "--stuck", "--tenant", purchase.client.tenant, "--older-than", "1h")
    assert "stuck" in run("show", purchase.stream)

    outage(True)
    again = run("retry", purchase.stream, "--reason", "is it back?", status=1)
    assert "recorded, and not done yet: OutcomePending" in again
    outage(False)
    cloud.wait_idle(PATIENCE)
    assert purchase.status() == "paid", "the queue went on"
    assert purchase.charges() == ["succeeded"]
    assert purchase.stock() == (3, 3)
    shown = purchase.shown()
    assert shown["status"] == "ended"
    (charge,) = [each for each in shown["steps"] if each["step"] == "charge"]
    assert [(each["what"], each["why"]) for each in charge["happened"]][1] == ("retried", "is it back?")
    assert "no step that is stuck" in run("retry", purchase.stream, "--reason", "again", status=1)
    assert "it is too late to cancel it" in run("cancel", purchase.stream, "--reason", "late", "--yes", status=1)


def test_skipped_it_is_not_tried_again_and_can_still_be_cancelled(stuck, run, cloud, outage):
    purchase = next(stuck)
    outage(False)
    assert "Skip it?" in run("skip", purchase.stream, "--reason", "paid in cash", status=1, typed="n\n")
    assert "paid in cash" in run("skip", purchase.stream, "--reason", "paid in cash", "--who", "ann", "--yes")
    cloud.wait_idle(PATIENCE)
    assert purchase.charges() == []
    assert purchase.listed()["status"] == "running"
    assert purchase.steps()["charge"] == "skipped"
    run("cancel", purchase.stream, "--reason", "after all", "--yes")
    cloud.wait_idle(PATIENCE)
    assert (purchase.status(), purchase.stock(), purchase.charges()) == ("cancelled", (5, 5), ["cancelled"])


@pytest.mark.long
def test_its_view_is_swept_and_rebuilt_as_any_other(stuck, run, cloud, tmp_path):
    before = json.loads(run("list", "--all", "--json"))
    assert before
    (tmp_path / ".foldstack").symlink_to(cloud.home)
    for order in (["sweep"], ["rebuild", "--switch"], ["rebuild", "--finish"]):
        done = CliRunner().invoke(app, ["projection", order[0], "checkout", *order[1:], "--program", str(tmp_path)])
        assert done.exit_code == 0, done.output
    assert json.loads(run("list", "--all", "--json")) == before


@pytest.mark.long
def test_what_is_not_paid_in_time_is_cancelled_refunded_and_released(tmp_path, road, read_model):
    """By the timer, a minute after it began; nobody asks for it."""
    with LaptopCloud(ROOT, stack="local", home=tmp_path) as cloud:
        cloud.up(config={"road": road, "readModel": read_model, "purchaseMinutes": 1})
        purchase = Purchase(Run, cloud, "tok_lost")
        end = time.monotonic() + 2 * PATIENCE
        while purchase.status() != "cancelled":
            assert time.monotonic() < end
            time.sleep(1)
        assert purchase.charges() == ["refunded"]
        cloud.wait_idle(PATIENCE)
        assert purchase.stock() == (5, 5)


def test_what_is_wrong_is_told(run, client):
    assert "tenant#category#id" in run("show", "x", status=1)
    assert "there is no purchase#x" in run("show", f"{client.tenant}#purchase#x", status=1)
    assert "is no saga's" in run("show", f"{client.tenant}#product#x", status=1)
    assert "no saga is under way" in run("list", "--tenant", client.tenant)
