"""Retries of requests about persons, before and after erasure; and keys that can't be read just then."""

import itertools
from typing import Any

import pytest
from foldstack.aws.cipher import AesGcm
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.errors import KeyReuse, OutcomeUnknown, StoreTimeout, Unavailable
from foldstack.kernel.executor import Executor
from foldstack.kernel.idempotency import request_hash
from foldstack.kernel.keyring import LIFE, Keyring, reference
from foldstack.kernel.keys import StreamId, Tenant

from .domain import Greet, customer, mail
from .support import TENANT, Sandbox, erased, somebody

STREAM = StreamId.of(TENANT, "customer", "c1")


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def test_a_retry_is_answered_as_it_was_as_far_as_anybody_can_know(sandbox):
    first = sandbox.done(somebody(), "k1")
    assert sandbox.done(somebody(), "k1", repeated=True).result == first.result
    with pytest.raises(KeyReuse):
        sandbox.do(somebody(email="other@example.org"), "k1")
    erased(sandbox)
    for each in (sandbox, sandbox.another()):
        again = each.done(somebody(), "k1", repeated=True)
        assert (again.replayed, again.first, again.next) == (True, first.first, first.next)
        assert again.result == {"customerId": "c1", "name": "[erased]", "email": "[erased]", "erased": False}
    other = sandbox.done(somebody(email="other@example.org"), "k1", repeated=True)
    assert other.replayed, "whether it is the same request nobody can tell any more"


def test_hashes_of_requests_are_made_with_keys_that_go_with_the_person(sandbox):
    sandbox.done(somebody(), "k1")
    (commit,) = sandbox.store.streams()[STREAM.key]
    body = somebody().model_dump(mode="json")
    plain = request_hash("POST", "Register", {}, body)
    assert commit.request_hash.startswith("~")
    assert plain not in commit.request_hash
    key = sandbox.keys.kept[TENANT, reference(TENANT, "c1")]
    assert Sandbox(keys=sandbox.keys).keyring.mac(TENANT, somebody(), plain, make=False) == commit.request_hash[1:]
    erased(sandbox)
    assert key not in sandbox.keys.kept.values()
    assert sandbox.another().keyring.mac(TENANT, somebody(), plain, make=False) is None


def test_a_request_about_nobody_in_particular_is_hashed_with_the_tenants_key(sandbox):
    """Its body may tell of somebody all the same: one request may give several commands."""
    body = {"customerId": "c1", "email": "ada@example.org"}
    sandbox.done(Greet(customer_id="c1"), "k1", body=body, aggregate=mail)
    (commit,) = sandbox.store.streams()["acme#mail#c1"]
    assert commit.request_hash.startswith("~")
    assert request_hash("POST", "Greet", {}, body) not in commit.request_hash
    assert set(sandbox.keys.kept) == {(TENANT, reference(TENANT, ""))}
    assert sandbox.done(Greet(customer_id="c1"), "k1", body=body, aggregate=mail).replayed
    with pytest.raises(KeyReuse):
        sandbox.do(Greet(customer_id="c1"), "k1", body={}, aggregate=mail)


def test_a_hash_from_before_the_fields_were_personal_is_still_known(sandbox):
    plain = Executor(sandbox.store)
    body = {"customerId": "c1"}
    context = CommandContext("k1", request_hash("POST", "Greet", {}, body), keyed=True)
    plain.execute(mail, TENANT, Greet(customer_id="c1"), context)
    assert sandbox.done(Greet(customer_id="c1"), "k1", body=body, aggregate=mail).replayed
    with pytest.raises(KeyReuse):
        sandbox.do(Greet(customer_id="c1"), "k1", body={}, aggregate=mail)


def test_an_outage_of_the_keys_leaves_no_effect(sandbox):
    class Down:
        def find(self, tenant: Tenant, refs: Any) -> Any:
            raise StoreTimeout("no answer")

        make = find

    now = iter(range(1000))
    executor = Executor(
        sandbox.store,
        keyring=Keyring(Down(), AesGcm),
        clock=lambda: float(next(now)),
        sleep=lambda seconds: None,
    )
    with pytest.raises(Unavailable):
        executor.execute(customer, TENANT, somebody(), CommandContext("k1"))
    assert sandbox.store.streams() == {}


class DownAfter:
    """Keys that can't be read once a commit was put; the put's own answer may be lost."""

    def __init__(self, sandbox: Sandbox, lose_answer: bool) -> None:
        self.sandbox, self.lose_answer, self.down = sandbox, lose_answer, False
        self.store, self.keys = sandbox.store, sandbox.keys

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def append(self, commit: Commit) -> Commit | None:
        there = self.store.append(commit)
        self.down = True
        self.sandbox.clock.pass_by(LIFE)
        if self.lose_answer and there is None:
            raise StoreTimeout("no answer")
        return there

    def find(self, tenant: Tenant, refs: Any) -> Any:
        if self.down:
            raise StoreTimeout("no answer")
        return self.keys.find(tenant, refs)

    def make(self, tenant: Tenant, ref: str) -> bytes | None:
        return self.keys.make(tenant, ref)


def test_what_took_effect_does_not_fail_for_want_of_keys(sandbox):
    parts = DownAfter(sandbox, lose_answer=False)
    failing = Sandbox(parts, parts, sandbox.clock)
    assert failing.done(somebody(), "k1").result["name"] == "Ada Lovelace"


def test_an_answer_that_is_lost_twice_is_an_unknown_outcome(sandbox):
    parts = DownAfter(sandbox, lose_answer=True)
    failing = Sandbox(parts, parts, sandbox.clock)
    ticks = itertools.count()
    failing.executor.clock = lambda: float(next(ticks))
    with pytest.raises(OutcomeUnknown, match="took effect"):
        failing.do(somebody(), "k1")
    assert sandbox.done(somebody(), "k1", repeated=True).result["name"] == "Ada Lovelace"
