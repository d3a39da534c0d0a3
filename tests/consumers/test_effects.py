"""Effects through their queue: one charge, whatever is repeated, refused, lost, or dies on either side."""

import logging
import random
from typing import Any

import pytest
from foldstack import Rejection
from foldstack.aws import composition
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import StoreTimeout
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.store import MemoryCommitStore

from . import checkout
from .checkout import Ledger, NoteSale, Order, PlaceOrder, Provider, ledgers, orders
from .fakes import Crash, Death, Turns, Watched, Weather
from .functions import Context, bus_message, failed, load, message

ACME = Tenant("acme")
ENVIRONMENT = {"DOMAIN": "tests.consumers.checkout:service", "SERVICE": "checkout"}

FULL = Rejection("ledger-full", "no page is left")


class Shop:
    """The function, its store and its outside world; a delayed queue between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.store, self.provider = MemoryCommitStore(), Provider()
        self.watch()

    def watch(self, death: Any = None) -> None:
        """From here on `death` is told of each call to the store and to the provider."""
        store: Any = self.store
        world: Any = self.provider
        if death is not None:
            store = Watched(self.store, death.before, death.after)
            world = Watched(self.provider, death.before, death.after)
        self._monkeypatch.setattr(composition, "commit_store", lambda env: store)
        self._monkeypatch.setattr(checkout, "provider", world)

    def place(self, *names: str) -> list[Commit]:
        executor = Executor(self.store)
        done = [
            executor.execute(orders, ACME, PlaceOrder(order=name, cents=100), CommandContext(f"place-{name}"))
            for name in names
        ]
        return [outcome.commit for outcome in done if isinstance(outcome, Committed) and outcome.commit]

    def sandbox(self, **more: str) -> Any:
        return load(self._monkeypatch, "effects", {**ENVIRONMENT, **more})

    def drain(self, module: Any = None, twice: bool = False) -> int:
        """Delivers every commit until nothing is left to be delivered again; a new sandbox after a death.
        Answers how many died."""
        died, seen, module = 0, set(), module or self.sandbox()
        queue: list[dict] = []
        for _ in range(200):
            for commits in self.store.streams().values():
                for commit in commits:
                    if (commit.stream.key, commit.first) not in seen:
                        seen.add((commit.stream.key, commit.first))
                        queue += [bus_message(commit)] * (2 if twice else 1)
            if not queue:
                return died
            batch, queue = queue[:10], queue[10:]
            try:
                again = failed(module.handler({"Records": batch}, Context()))
            except Crash:
                died, module, again = died + 1, self.sandbox(), [m["messageId"] for m in batch]
            queue += [each for each in batch if each["messageId"] in again]
        raise AssertionError("it never ends")

    def assert_charged_once(self, *names: str) -> None:
        assert self.provider.charges == dict.fromkeys(names, 100)
        executor = Executor(self.store)
        for name in names:
            stream = executor.load(orders_id(name), orders)
            assert stream.state == Order(cents=100, charge=f"charge-{name}")
            assert stream.next == 3
        sales = executor.load(orders_id("all", "ledger"), ledgers).state
        assert isinstance(sales, Ledger)
        assert sorted(sales.sales) == sorted(names)


def orders_id(name: str, category: str = "order") -> StreamId:
    return StreamId.of(ACME, category, name)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(monkeypatch)


@pytest.mark.parametrize("twice", [False, True])
def test_each_order_is_charged_once(shop, twice):
    shop.place("a", "b", "c")
    shop.drain(twice=twice)
    shop.assert_charged_once("a", "b", "c")
    assert len(shop.provider.calls) == 3, "what is known to be done is not asked for again"


def test_silence_is_no_no(shop):
    """Refused calls and lost answers: the same call, until it is definite."""
    (commit,) = shop.place("a")
    shop.provider.faults = ["refused", "lost", "lost"]
    module = shop.sandbox()
    event = {"Records": [bus_message(commit)]}
    for _ in range(3):
        assert failed(module.handler(event, Context())) == [event["Records"][0]["messageId"]]
    assert failed(module.handler(event, Context())) == []
    shop.drain(module)
    shop.assert_charged_once("a")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_call(shop, monkeypatch, when):
    shop.place("a", "b")
    undisturbed = Death()
    shop.watch(undisturbed)
    shop.drain()
    assert undisturbed.ended > 10
    for step in range(undisturbed.ended):
        again = Shop(monkeypatch)
        again.place("a", "b")
        again.watch(Death(**{when: step}))
        assert again.drain() == 1
        again.assert_charged_once("a", "b")


@pytest.mark.parametrize("seed", range(8))
def test_through_throttling_and_lost_answers_of_the_store(shop, monkeypatch, seed):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    rng = random.Random(seed)
    shop.place("a", "b", "c")
    shop.provider.faults = rng.choices(["", "refused", "lost"], k=12)
    weather = Weather(rng, 0.1)
    shop.watch(weather)
    checkout.provider.before = checkout.provider.after = lambda name: None
    shop.drain(twice=True)
    shop.assert_charged_once("a", "b", "c")


@pytest.mark.parametrize("seed", range(8))
def test_two_sandboxes_on_the_same_message(shop, seed):
    turns = Turns(random.Random(seed))
    (commit,) = shop.place("a")

    class Pauses:
        before = after = staticmethod(turns.pause)

    shop.watch(Pauses())
    sandboxes = [shop.sandbox(), shop.sandbox()]
    turns.run([lambda m=m: m.handler({"Records": [bus_message(commit)]}, Context()) for m in sandboxes])
    shop.watch()
    shop.drain()
    shop.assert_charged_once("a")


def test_one_outside_world_that_hangs_does_not_use_up_its_neighbours_time(shop):
    commits = shop.place("a", "b", "c", "d")
    shop.sandbox().handler({"Records": [bus_message(commit) for commit in commits]}, Context(milliseconds=43_000))
    assert [round(seconds) for seconds in shop.provider.calls] == [10, 13, 20, 40]


def test_a_reference_is_read_from_the_store(shop):
    (commit,) = shop.place("a")
    envelope = Envelope.of(commit, with_events=False)
    assert failed(shop.sandbox().handler({"Records": [bus_message(envelope)]}, Context())) == []
    assert shop.provider.charges == {"a": 100}


@pytest.mark.parametrize(("replay", "charges"), [("lake", {}), ("effects", {"a": 100})])
def test_a_replay_for_another_consumer_is_refused(shop, replay, charges):
    (commit,) = shop.place("a")
    answer = shop.sandbox().handler({"Records": [bus_message(commit, replay=replay)]}, Context())
    assert (failed(answer), shop.provider.charges) == ([], charges)


def test_what_a_restore_undid_is_not_done(shop):
    """In the second epoch: a commit that is gone, one whose version is another's now, and one that was kept."""
    gone, replaced, kept = shop.place("gone", "replaced", "kept")
    for commit in (gone, replaced):
        del shop.store._streams[commit.stream.key]
    again = Executor(shop.store, epoch=2)
    again.execute(orders, ACME, PlaceOrder(order="replaced", cents=7), CommandContext("other"))
    module = shop.sandbox(STORE_EPOCH="2")
    assert failed(module.handler({"Records": [bus_message(c) for c in (gone, replaced, kept)]}, Context())) == []
    assert shop.provider.charges == {"kept": 100}


def test_what_is_wrong_fails_alone(shop):
    (commit,) = shop.place("a")
    bad, unknown = message("not json"), bus_message(commit, first=5, next=6)
    unknown["body"] = unknown["body"].replace('"data":', '"dataref": "x", "unread":')
    answer = shop.sandbox().handler({"Records": [bad, unknown, bus_message(commit)]}, Context())
    assert failed(answer) == [bad["messageId"], unknown["messageId"]]
    assert shop.provider.charges == {"a": 100}


def test_the_outside_world_is_made_by_the_first_effect(shop):
    module = shop.sandbox()
    executor = Executor(shop.store)
    done = executor.execute(ledgers, ACME, NoteSale(ledger="all", order="x"), CommandContext("n"))
    assert isinstance(done, Committed)
    module.handler({"Records": [bus_message(done.commit)]}, Context())
    assert shop.provider.made == 0
    for _ in range(2):
        module.handler({"Records": [bus_message(c) for c in shop.place(f"o{_}")]}, Context())
    assert shop.provider.made == 1


def test_a_world_that_cannot_be_made_yet_is_tried_again(shop, monkeypatch):
    """A secret that nobody has set yet."""

    def unset(settings: Any) -> Any:
        raise StoreTimeout("no secret")

    (commit,) = shop.place("a")
    monkeypatch.setattr(checkout.service, "world", unset)
    module = shop.sandbox()
    event = {"Records": [bus_message(commit)]}
    assert len(failed(module.handler(event, Context()))) == 1
    monkeypatch.setattr(checkout.service, "world", checkout.make_world)
    shop.drain()
    shop.assert_charged_once("a")


def test_a_rejection_that_nobody_waits_for_is_logged(shop, monkeypatch, caplog):
    monkeypatch.setitem(ledgers._rules, NoteSale, ledgers.rule(NoteSale)._replace(decide=lambda command, state: FULL))
    shop.place("a")
    module = shop.sandbox()
    logging.getLogger("checkout").addHandler(caplog.handler)  # the handlers' Logger does not propagate
    try:
        shop.drain(module)
    finally:
        logging.getLogger("checkout").removeHandler(caplog.handler)
    said = {(line.reaction, line.code) for line in caplog.records if "rejected" in line.getMessage()}
    assert said == {("tell", "ledger-full")}
