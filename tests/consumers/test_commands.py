"""Commands that nobody waits for, and direct invocations."""

from typing import Any

import pytest
from foldstack.aws import composition
from foldstack.kernel.errors import StoreThrottled
from foldstack.kernel.store import MemoryCommitStore
from foldstack.kernel.token import Token

from .fakes import Clock
from .functions import Context, failed, load, message

ENVIRONMENT = {"DOMAIN": "tests.consumers.checkout:service", "SERVICE": "checkout"}


class Function:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryCommitStore()
        monkeypatch.setattr(composition, "commit_store", lambda env: self.store)
        self.module = load(monkeypatch, "commands", ENVIRONMENT)

    def __call__(self, event: Any, milliseconds: int = 60_000) -> Any:
        return self.module.handler(event, Context(milliseconds))

    def stored(self) -> dict[str, int]:
        return {key: len(commits) for key, commits in self.store.streams().items()}


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    return Function(monkeypatch)


def document(**changes: Any) -> dict[str, Any]:
    return {"tenant": "acme", "command": "PlaceOrder", "data": {"order": "a", "cents": 5}, "key": "k1", **changes}


def test_a_command_takes_effect_once(function):
    sent = message(document(correlation="c7"))
    assert failed(function({"Records": [sent, sent]})) == []
    assert failed(function({"Records": [message(document(), receives=2)]})) == []
    assert function.stored() == {"acme#order#a": 1}
    (commit,) = function.store.streams()["acme#order#a"]
    assert (commit.correlation, commit.actor) == ("c7", "commands")


def test_a_direct_invocation_is_answered(function):
    first = function(document())
    tip = Token.decode(first.pop("consistencyToken"))
    assert first == {"status": "committed", "stream": "order#a", "version": 1, "replayed": False}
    assert tip == Token(1, {("order", "a"): 2})
    assert function(document())["replayed"] is True
    assert function.stored() == {"acme#order#a": 1}


def test_a_key_is_its_tenants(function):
    function(document())
    function(document(tenant="zeta"))
    assert function.stored() == {"acme#order#a": 1, "zeta#order#a": 1}
    ids = {commit.command_id for commits in function.store.streams().values() for commit in commits}
    assert len(ids) == 2, "what is derived from an id differs by tenant"


def test_a_key_is_known_when_its_stream_has_long_forgotten_it(function):
    sent = [document(command="NoteSale", data={"ledger": "all", "order": str(n)}, key=f"k{n}") for n in range(100)]
    for each in [*sent, sent[0]]:
        assert failed(function({"Records": [message(each)]})) == []
    assert function.stored() == {"acme#ledger#all": 100}


def test_a_rejection_is_an_answer(function):
    wrong = document(data={"order": "b", "cents": 0})
    assert function(wrong) == {
        "status": "rejected",
        "code": "no-price",
        "detail": "an order costs something",
        "facts": {"least": 1},
    }
    assert failed(function({"Records": [message(wrong)]})) == []
    assert function.stored() == {}


INVALID = {
    "tenant": document(tenant="No Tenant"),
    "command": document(command="Nothing"),
    "data.cents": document(data={"order": "a", "cents": "many"}),
    "data.more": document(data={"order": "a", "cents": 5, "more": 1}),
    "id": document(data={"order": "a#b", "cents": 5}),
    "key": document(key="not visible: é"),
    "extra": document(extra=1),
    "missing": {"tenant": "acme"},
}


@pytest.mark.parametrize("field", INVALID)
def test_what_is_no_command_changes_nothing(function, field):
    good = message(document(key="k2", data={"order": "good", "cents": 1}))
    bad = message(INVALID[field])
    assert failed(function({"Records": [bad, good]})) == [bad["messageId"]]
    assert function.stored() == {"acme#order#good": 1}
    answer = function(INVALID[field])
    assert (answer["status"], answer["code"]) == ("rejected", "invalid-command")
    named = {error["field"] for error in answer["errors"]}
    assert field.removeprefix("data.") in named or field == "missing"
    assert field != "missing" or named == {"command", "data", "key"}


@pytest.mark.parametrize("body", ["{", "[]", "7", "null"])
def test_a_message_that_is_no_document_fails(function, body):
    sent = message(body)
    assert failed(function({"Records": [sent]})) == [sent["messageId"]]


def test_a_key_used_again_for_another_request_is_refused(function):
    function(document())
    other = document(data={"order": "a", "cents": 6})
    assert function(other)["code"] == "key-reused"
    sent = message(other)
    assert failed(function({"Records": [sent]})) == [sent["messageId"]]
    assert function.stored() == {"acme#order#a": 1}


def test_a_store_that_refuses_is_tried_again_later(function, monkeypatch):
    def throttled(commit: Any) -> Any:
        raise StoreThrottled("not now")

    append = function.store.append
    clock = Clock()
    monkeypatch.setattr(function.module.executor, "clock", clock)
    monkeypatch.setattr(function.module.executor, "_sleep", clock.sleep)
    monkeypatch.setattr(function.store, "append", throttled)
    sent = message(document())
    assert failed(function({"Records": [sent]}, milliseconds=2_000)) == [sent["messageId"]]
    answer = function(document(), milliseconds=2_000)
    assert (answer["status"], answer["retryAfter"]) == ("unavailable", 1)
    monkeypatch.setattr(function.store, "append", append)
    assert failed(function({"Records": [sent]})) == []
    assert function.stored() == {"acme#order#a": 1}
