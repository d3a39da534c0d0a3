"""Reactions without an end, in the functions: what would loop goes to the dead letters at once, with how it came."""

from typing import Any

import pytest
from foldstack.aws import composition
from foldstack.aws.dead_letters import DeadLetters
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.errors import StoreThrottled
from foldstack.kernel.executor import Executor
from foldstack.kernel.keys import Tenant
from foldstack.kernel.reactor import DEEPEST
from foldstack.kernel.store import MemoryCommitStore

from .functions import Context, bus_message, failed, load
from .ticking import Ring, bells

ENVIRONMENT = {"DOMAIN": "tests.consumers.ticking:service", "SERVICE": "days", "DEAD_LETTERS": "https://queue/dead"}


class Queue:
    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def send_message(self, **message: Any) -> None:
        if self.error:
            raise self.error
        self.sent.append(message)


@pytest.fixture
def queue(monkeypatch):
    queue = Queue()
    monkeypatch.setattr(composition, "dead_letters", lambda env: DeadLetters(queue, env.dead_letters))
    return queue


class Effects:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryCommitStore()
        monkeypatch.setattr(composition, "commit_store", lambda env: self.store)
        self.module = load(monkeypatch, "effects", ENVIRONMENT)

    def ring(self, bell: str, depth: int = 0) -> Any:
        context = CommandContext(f"ring-{bell}", depth=depth)
        return Executor(self.store).execute(bells, Tenant("acme"), Ring(bell=bell), context).commit

    def deliver(self, *commits: Any) -> list[str]:
        return failed(self.module.handler({"Records": [bus_message(each) for each in commits]}, Context()))

    def rings(self) -> int:
        return sum(map(len, self.store.streams().values()))


@pytest.fixture
def effects(monkeypatch):
    return Effects(monkeypatch)


def test_a_loop_ends_among_the_dead_letters_without_another_try(effects, queue):
    effects.ring("endless")
    for _ in range(3 * DEEPEST):
        done = effects.rings()
        (commits,) = effects.store.streams().values()
        assert effects.deliver(commits[-1]) == []
        if effects.rings() == done:
            break
    assert effects.rings() == DEEPEST + 1
    (dead,) = queue.sent
    assert dead["QueueUrl"] == "https://queue/dead"
    reason = dead["MessageAttributes"]["reason"]["StringValue"]
    assert f"echo would answer acme#bell#endless@{DEEPEST + 1}" in reason
    assert "acme#bell#endless@1 -> acme#bell#endless@2" in reason


def test_its_message_can_be_redriven_when_the_code_is_mended(effects, queue):
    commit = effects.ring("endless", depth=DEEPEST)
    sent = bus_message(commit)
    assert failed(effects.module.handler({"Records": [sent]}, Context())) == []
    assert queue.sent[0]["MessageBody"] == sent["body"]


def test_it_stays_where_it_is_while_the_dead_letters_take_nothing(effects, queue):
    queue.error = StoreThrottled("not now")
    assert len(effects.deliver(effects.ring("endless", depth=DEEPEST))) == 1
    queue.error = None
    assert queue.sent == []


def test_others_in_its_batch_are_done(effects, queue):
    assert effects.deliver(effects.ring("endless", depth=DEEPEST), effects.ring("evening")) == []
    assert len(queue.sent) == 1
