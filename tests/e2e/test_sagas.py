"""Purchases that get stuck: found, shown, and brought to an end by hand, over HTTP and the command line."""

import json
import time
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from local.commands import app

Run = Callable[..., str]


@pytest.fixture
def run(cloud, tmp_path) -> Run:
    """Runs `foldstack saga ...` to its end; answers what it printed."""
    (tmp_path / ".foldstack").symlink_to(cloud.home)

    def run(*arguments: str, status: int = 0, typed: str = "") -> str:
        done = CliRunner().invoke(app, ["saga", *arguments, "--program", str(tmp_path)], input=typed)
        assert done.exit_code == status, done.output
        return done.output

    return run


class Purchase:
    """One that the provider does not settle, with a tenant of its own."""

    def __init__(self, run: Run, client, charges, outage) -> None:
        self.run, self.client, self.outage = run, client, outage
        self.charges = lambda: [each["status"] for each in charges(self.id)]
        self.product = client.product(stock=5)
        self.reservation = client.reservation(self.product, 2)

    def begin(self, token: str) -> None:
        answer = self.client.buy(self.reservation, token, idempotency_key="k")
        assert (answer.status, answer.json["status"]) == (202, "pending")
        self.id = answer.json["purchaseId"]
        self.stream = f"{self.client.tenant}#purchase#{self.id}"

    def until_stuck(self) -> dict:
        """As the view shows it, when it does."""
        end = time.monotonic() + 90
        while time.monotonic() < end:
            listed = json.loads(self.run("list", "--stuck", "--tenant", self.client.tenant, "--json"))
            if listed:
                (row,) = listed
                return row
            time.sleep(0.5)
        raise AssertionError(self.run("show", self.stream))

    def steps(self) -> dict[str, str]:
        return {each["step"]: each["status"] for each in self.shown()["steps"]}

    def shown(self) -> dict:
        return json.loads(self.run("show", self.stream, "--json"))

    def stock(self) -> tuple[int, int]:
        row = self.client.get(f"/products/{self.product}").json
        return row["stock"], row["available"]

    def status(self) -> str:
        return self.client.get(f"/purchases/{self.id}").json["status"]


@pytest.fixture
def purchase(run, cloud, client, charges):
    provider = type(client)(cloud.outputs["paymentProviderUrl"], None)

    def outage(down: bool) -> None:
        assert provider.send("PUT", "/outage", {"down": down}).status == 200

    yield Purchase(run, client, charges, outage)
    outage(False)


def test_stuck_while_the_provider_is_down_then_tried_anew_and_paid(purchase, run, cloud):
    purchase.outage(True)
    purchase.begin("tok_ok")
    row = purchase.until_stuck()
    assert (row["saga"], row["stream"], row["step"]) == ("checkout", purchase.stream, "charge")
    assert "503" in row["error"]
    assert purchase.stream in run("list", "--stuck")
    assert "no saga is stuck" in run("list", "--stuck", "--tenant", purchase.client.tenant, "--older-than", "1h")
    assert "charge" in run("show", purchase.stream)
    assert purchase.stock() == (5, 3), "an unknown outcome is never released"

    refused = run("retry", purchase.stream, "--reason", "still down", status=1)
    assert "the queue goes on" in refused.lower()
    purchase.outage(False)
    cloud.wait_idle(120)
    assert purchase.status() == "paid", "the retry's own message was on the queue"
    assert purchase.charges() == ["succeeded"]
    assert purchase.stock() == (3, 3)
    shown = purchase.shown()
    assert shown["status"] == "ended"
    (charge,) = [each for each in shown["steps"] if each["step"] == "charge"]
    assert [each["what"] for each in charge["happened"]] == ["stuck", "retried"]
    assert charge["happened"][1]["why"] == "still down"
    over = run("retry", purchase.stream, "--reason", "again", status=1)
    assert "no step that is stuck" in over
    late = run("cancel", purchase.stream, "--reason", "too late", "--yes", status=1)
    assert "it is too late to cancel it" in late


def test_cancelled_by_hand_it_is_refunded_and_released(purchase, run, cloud):
    purchase.begin("tok_lost")
    purchase.until_stuck()
    assert purchase.charges() == ["succeeded"], "and nobody knows"
    assert "Aborted" in run("cancel", purchase.stream, "--reason", "no", status=1, typed="n\n")
    assert "checkout" in run("cancel", purchase.stream, "--reason", "the customer called", "--who", "ann", "--yes")
    cloud.wait_idle(120)
    assert purchase.charges() == ["refunded"]
    assert purchase.stock() == (5, 5)
    assert purchase.status() == "cancelled"
    assert purchase.steps()["charge"] == "compensated"
    again = purchase.client.buy(purchase.reservation, "tok_lost", idempotency_key="k")
    assert (again.status, again.json["code"]) == (409, "purchase-cancelled")
    assert "ann: the customer called" in again.json["detail"]
    cancelled = purchase.client.get("/purchases?status=cancelled").json["items"]
    assert [each["purchaseId"] for each in cancelled] == [purchase.id]
    assert purchase.stream not in run("list")
    assert purchase.stream in run("list", "--all")


def test_skipped_it_is_not_tried_again_and_can_still_be_cancelled(purchase, run, cloud):
    purchase.outage(True)
    purchase.begin("tok_ok")
    purchase.until_stuck()
    assert "Skip it?" in run("skip", purchase.stream, "--reason", "paid in cash", status=1, typed="n\n")
    printed = run("skip", purchase.stream, "--reason", "paid in cash", "--who", "ann", "--yes")
    assert "paid in cash" in printed
    purchase.outage(False)
    cloud.wait_idle(120)
    assert purchase.charges() == []
    assert purchase.shown()["status"] == "running"
    assert purchase.steps()["charge"] == "skipped"
    run("cancel", purchase.stream, "--reason", "after all", "--yes")
    cloud.wait_idle(120)
    assert (purchase.status(), purchase.stock(), purchase.charges()) == ("cancelled", (5, 5), ["cancelled"])


def test_a_failed_message_comes_again_after_two_seconds(purchase, cloud):
    """And not after the six minutes that its queue hides it for."""
    purchase.outage(True)
    purchase.begin("tok_ok")
    purchase.until_stuck()
    took = purchase.shown()
    began, changed = (time.strptime(took[name][:19], "%Y-%m-%dT%H:%M:%S") for name in ("began_at", "changed_at"))
    assert time.mktime(changed) - time.mktime(began) < 90
    purchase.outage(False)
    purchase.run("cancel", purchase.stream, "--reason", "over", "--yes")
    cloud.wait_idle(120)


def test_what_is_wrong_is_told(run, client, tmp_path):
    assert "tenant#category#id" in run("show", "x", status=1)
    assert "there is no purchase#x" in run("show", f"{client.tenant}#purchase#x", status=1)
    assert "is no saga's" in run("show", f"{client.tenant}#product#x", status=1)
    assert "no saga is under way" in run("list", "--tenant", client.tenant)
