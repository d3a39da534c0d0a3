"""What queued functions do for tenants: a batch has messages of many, and each is told what is its own."""

import json
from typing import Any

import pytest
from foldstack.aws import composition, consumption
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.keys import Tenant
from foldstack.kernel.store import MemoryCommitStore

from tests.consumers import checkout
from tests.consumers.checkout import PlaceOrder, Provider, orders
from tests.consumers.functions import Context, bus_message, failed, load, message

ENVIRONMENT = {"DOMAIN": "tests.consumers.checkout:service", "SERVICE": "checkout", "TENANT_METRICS": "true"}


class SizedStore(MemoryCommitStore):
    """Says what it stores, as that on DynamoDB does; `size` is a commit's."""

    size = 100

    def append(self, commit: Commit) -> Commit | None:
        found = super().append(commit)
        if found is None:
            consumption.store(self.size)
        return found


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> SizedStore:
    store = SizedStore()
    monkeypatch.setattr(composition, "commit_store", lambda env: store)
    monkeypatch.setattr(checkout, "provider", Provider())
    return store


def told(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, float, float]]:
    """Tenant, requests and stored bytes of each line of metrics."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return [(line["tenant"], line["Requests"][0], line["StoredBytes"][0]) for line in lines]


def command(tenant: str, cents: int = 5) -> dict[str, Any]:
    return message({"tenant": tenant, "command": "PlaceOrder", "data": {"order": "a", "cents": cents}, "key": "k"})


def test_a_batch_of_commands_is_told_tenant_by_tenant(store, monkeypatch, capsys):
    handler = load(monkeypatch, "commands", ENVIRONMENT).handler
    batch = [command("acme"), command("bigcorp", cents=0), message("no command"), command("bigcorp")]
    assert len(failed(handler({"Records": batch}, Context()))) == 1
    assert told(capsys) == [("acme", 0, 100), ("bigcorp", 0, 0), ("bigcorp", 0, 100)]


def test_a_batch_of_reactions_is_told_tenant_by_tenant(store, monkeypatch, capsys):
    handler = load(monkeypatch, "effects", ENVIRONMENT).handler
    batch = []
    for tenant in ("acme", "bigcorp"):
        done = Executor(store).execute(orders, Tenant(tenant), PlaceOrder(order="a", cents=9), CommandContext("k"))
        assert isinstance(done, Committed)
        batch.append(bus_message(done.commit))
    assert failed(handler({"Records": [*batch, batch[0]]}, Context())) == []
    assert told(capsys) == [("acme", 0, 200), ("bigcorp", 0, 200), ("acme", 0, 0)], "settled and noted, once"
