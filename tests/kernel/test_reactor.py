"""What answers an event: once, whoever runs it, however often, and never taken for a no."""

from datetime import UTC, datetime

import pytest
from foldstack import (
    Aggregate,
    Command,
    DefinitionError,
    Event,
    OutcomePending,
    Reactions,
    Rejection,
    Service,
    State,
    Tenant,
)
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.keys import StreamId
from foldstack.kernel.reactor import DEEPEST, ReactionLoop, Reactor
from foldstack.kernel.store import MemoryCommitStore

from tests.store.faults import Crash, FaultyStore
from tests.store.support import Clock

TENANT = Tenant("acme")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Place(Command):
    order: str
    amount: int


class Settle(Command):
    order: str
    receipt: str


class Count(Command):
    tally: str
    by: int


class Placed(Event):
    amount: int


class Settled(Event):
    receipt: str


class Counted(Event):
    by: int


class Order(State):
    amount: int = 0
    receipt: str = ""


class Tally(State):
    sum: int = 0


class Provider:
    """An outside world that honours idempotency keys."""

    def __init__(self) -> None:
        self.charges: dict[str, int] = {}
        self.calls = 0
        self.silent = False

    def charge(self, key: str, amount: int) -> str:
        self.calls += 1
        self.charges.setdefault(key, amount)
        if self.silent:
            raise OutcomePending("no answer")
        return f"receipt-{key}"


class World:
    """A service whose order is charged outside, then counted in two tallies."""

    def __init__(self) -> None:
        order, tally = Aggregate("order", Order), Aggregate("tally", Tally)
        order.decides(Place, by="order", creates=True)(lambda c, s: Placed(amount=c.amount))
        order.decides(Settle, by="order")(lambda c, s: Settled(receipt=c.receipt) if not s.receipt else None)
        order.evolves(Placed)(lambda s, e: Order(amount=e.amount))
        order.evolves(Settled)(lambda s, e: s.model_copy(update={"receipt": e.receipt}))
        tally.decides(Count, by="tally")(
            lambda c, s: Rejection("too-much", "full") if s.sum + c.by > 100 else Counted(by=c.by)
        )
        tally.evolves(Counted)(lambda s, e: Tally(sum=s.sum + e.by))
        self.order, self.tally = order, tally
        self.reactions = Reactions()
        self.contexts = []

        @self.reactions.effect(on=Placed, of=order)
        def charge(event, world, context):
            self.contexts.append(context)
            return Settle(order=context.stream_id, receipt=world.charge(context.key, event.amount))

        @self.reactions.automation(on=Settled, of=order)
        def count(event, context):
            return [Count(tally="all", by=7), Count(tally="more", by=8)]

        self.memory = MemoryCommitStore()
        self.store = FaultyStore(self.memory)
        self.provider = Provider()
        self.clock = Clock()
        self.logged = []

    def reactor(self) -> Reactor:
        """In a cold process."""
        service = Service("test", aggregates=[self.order, self.tally], reactions=self.reactions, world=lambda s: None)
        self.executor = Executor(self.store, clock=self.clock, sleep=self.clock.sleep)
        return Reactor(service, self.executor, self.provider, now=lambda: NOW, log=self.logged.append)

    def place(self, amount=5):
        self.reactor()
        outcome = self.executor.execute(
            self.order, TENANT, Place(order="o1", amount=amount), CommandContext("place", correlation="corr")
        )
        assert isinstance(outcome, Committed)
        return outcome.commit

    def drive(self, commit, **how):
        return self.reactor().drive(commit, self.clock() + 10, **how)

    def events(self):
        """What the outcome is, without the ids of commands."""
        return {
            key: [(event.type, event.data) for commit in commits for event in commit.stored]
            for key, commits in self.memory.streams().items()
        }

    def commits(self, category, id):
        return self.memory.since(StreamId(TENANT, category, id), 1).commits


DONE = {
    "acme#tally#all": [("Counted", {"by": 7})],
    "acme#tally#more": [("Counted", {"by": 8})],
}


@pytest.fixture
def world():
    return World()


def finished(world):
    events = world.events()
    order = events.pop("acme#order#o1")
    assert events == DONE
    assert [type for type, _ in order] == ["Placed", "Settled"]
    assert len(world.provider.charges) == 1
    return True


def test_a_request_follows_the_chain_to_its_end(world):
    reacted = world.drive(world.place(), request=True, fresh=True)
    assert finished(world)
    assert [each.reaction for each in reacted] == ["charge", "count", "count"]
    assert world.provider.calls == 1


def test_the_commands_of_reactions_name_their_cause(world):
    world.drive(world.place(), request=True)
    settled = world.commits("order", "o1")[1]
    assert (settled.causation, settled.correlation, settled.actor) == ("acme#order#o1@1", "corr", "reaction:charge")
    for tally in ("all", "more"):
        counted = world.commits("tally", tally)[0]
        assert (counted.causation, counted.correlation) == ("acme#order#o1@2", "corr")


def test_repeated_by_anybody_it_happens_once(world):
    commit = world.place()
    for how in ({"request": True, "fresh": True}, {"request": True}, {}, {}):
        world.drive(commit, **how)
    world.drive(Envelope.of(commit))
    assert finished(world)
    assert world.provider.calls == 1, "a settled order is found before the outside world is asked"


def test_the_queue_leaves_the_next_commit_to_its_own_message(world):
    """Each commit has a message: one that was done before is not followed."""
    world.drive(world.place(), fresh=True)
    placed = world.commits("order", "o1")[0]
    assert [each.reaction for each in world.drive(placed)] == ["charge"]
    assert [each.reaction for each in world.drive(placed, request=True)] == ["charge", "count", "count"]


def test_the_outside_world_is_given_the_same_key_again(world):
    commit = world.place()
    world.provider.silent = True
    for _ in range(3):
        with pytest.raises(OutcomePending):
            world.drive(commit)
    assert len(world.events()["acme#order#o1"]) == 1, "silence is not taken for a no"
    assert len({context.key for context in world.contexts}) == 1
    assert (world.contexts[0].now, world.contexts[0].stream_id, world.contexts[0].tenant) == (NOW, "o1", "acme")
    world.provider.silent = False
    world.drive(commit)
    assert finished(world)


def test_without_time_nothing_is_begun(world):
    commit = world.place()
    with pytest.raises(OutcomePending, match="no time left"):
        world.reactor().drive(commit, world.clock())
    assert world.provider.calls == 0


def test_a_rejection_is_told_and_does_not_stop_the_others(world):
    for n in range(14):
        world.reactor()
        world.executor.execute(world.tally, TENANT, Count(tally="all", by=7), CommandContext(f"c{n}"))
    reacted = world.drive(world.place(), request=True)
    assert [isinstance(each.outcome, Rejection) for each in reacted] == [False, True, False]
    assert [each.outcome.code for each in world.logged] == ["too-much"]
    assert world.events()["acme#tally#more"] == [("Counted", {"by": 8})]


def test_reactions_without_an_end_are_stopped(world):
    @world.reactions.automation(on=Counted, of=world.tally)
    def again(event, context):
        return Count(tally=context.stream_id + "x", by=1)

    with pytest.raises(ReactionLoop, match=f"{DEEPEST + 1} deep"):
        world.drive(world.place(), request=True)


def test_an_effect_settles_the_stream_that_asked_for_it(world):
    """Else nobody could see that it was done, and it would be done again for ever."""
    for wrong in (Settle(order="another", receipt="r"), Count(tally="o1", by=1)):
        world.reactions.all[0] = world.reactions.all[0].__class__(
            "charge", Placed, world.order, lambda event, outside, context, wrong=wrong: wrong, world=True
        )
        with pytest.raises(DefinitionError, match="charge must answer a command on acme#order#o1"):
            world.drive(world.place())


def test_an_envelope_without_its_events_is_refused(world):
    with pytest.raises(ValueError, match="read it from the store first"):
        world.drive(Envelope.of(world.place(), with_events=False))


def test_dying_around_every_call_loses_nothing_and_doubles_nothing():
    undisturbed = World()
    commit = undisturbed.place()
    undisturbed.store.taken()
    undisturbed.drive(commit, request=True, fresh=True)
    calls = undisturbed.store.taken()
    assert len(calls) > 3
    for step in range(len(calls)):
        for moment in ("die_before", "die_after"):
            world = World()
            commit = world.place()
            world.store.taken()
            setattr(world.store, moment, step)
            with pytest.raises(Crash):
                world.drive(commit, request=True, fresh=True)
            world.store.die_before = world.store.die_after = None
            world.drive(commit)
            for settled in world.commits("order", "o1")[1:]:
                world.drive(settled)  # its own message
            assert world.events() == undisturbed.events(), f"{moment} {calls[step]}"
            assert finished(world)
