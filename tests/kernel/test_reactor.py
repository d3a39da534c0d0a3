"""What answers an event: once, whoever runs it, however often, and never taken for a no."""

from datetime import UTC, datetime, timedelta

import pytest
from foldstack import (
    Aggregate,
    Command,
    DefinitionError,
    Event,
    Later,
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
from foldstack.kernel.reactor import Reactor
from foldstack.kernel.store import MemoryCommitStore
from foldstack.kernel.timer import MemoryTimer

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
        self.timer = MemoryTimer()
        self.now = NOW
        self.logged = []

    def reactor(self) -> Reactor:
        """In a cold process."""
        service = Service("test", aggregates=[self.order, self.tally], reactions=self.reactions, world=lambda s: None)
        self.executor = Executor(self.store, clock=self.clock, sleep=self.clock.sleep)
        return Reactor(
            service,
            self.executor,
            self.provider,
            timer=self.timer,
            now=lambda: self.now,
            log=self.logged.append,
        )

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


# Commands for later


def remind(world, after, tally="later", **named):
    """An automation that counts some time after an order was placed."""

    @world.reactions.automation(on=Placed, of=world.order)
    def later(event, context):
        return Later(Count(tally=tally, by=1), NOW + after, **named)


def fire(world):
    """Executes what is due as a function does when its time has come: with the context that was kept."""
    fired = world.timer.take(world.now)
    for each in fired:
        world.reactor()
        world.executor.execute(world.tally, each.tenant, each.command, each.context)
    return len(fired)


def test_a_command_for_later_is_kept_and_not_executed(world):
    remind(world, timedelta(minutes=15))
    world.drive(world.place(), request=True, fresh=True)
    assert "acme#tally#later" not in world.events()
    (waiting,) = world.timer.waiting.values()
    assert (waiting.at, waiting.tenant) == (NOW + timedelta(minutes=15), TENANT)
    assert waiting.command == Count(tally="later", by=1)
    about = waiting.context
    assert (about.causation, about.correlation, about.actor) == ("acme#order#o1@1", "corr", "reaction:later")
    assert finished_beside(world)


def finished_beside(world):
    """The reactions beside a Later are done all the same."""
    return {key: events for key, events in world.events().items() if key in DONE} == DONE


def test_however_often_it_is_asked_for_there_is_one_timer_and_one_effect(world):
    remind(world, timedelta(minutes=15))
    commit = world.place()
    for _ in range(3):
        world.drive(commit)
    assert len(world.timer.waiting) == 1
    world.now += timedelta(minutes=15)
    assert fire(world) == 1
    world.drive(commit)  # delivered again when it is due: executed at once, and known
    world.timer.set(NOW, TENANT, Count(tally="later", by=1), world.commits("tally", "later")[0] and _about(world))
    assert fire(world) == 1, "delivered twice by the timer"
    assert world.events()["acme#tally#later"] == [("Counted", {"by": 1})]


def _about(world):
    done = world.commits("tally", "later")[0]
    return CommandContext(done.command_id, done.request_hash, keyed=True)


@pytest.mark.parametrize("after", [timedelta(0), timedelta(hours=-1)])
def test_what_is_due_is_executed_at_once(world, after):
    remind(world, after)
    reacted = world.drive(world.place(), request=True, fresh=True)
    assert "later" in [each.reaction for each in reacted]
    assert not world.timer.waiting
    assert world.events()["acme#tally#later"] == [("Counted", {"by": 1})]


def test_now_and_later_are_mixed_and_each_has_an_id_of_its_own(world):
    soon, late = NOW + timedelta(seconds=1), NOW + timedelta(days=1)

    @world.reactions.automation(on=Placed, of=world.order)
    def mixed(event, context):
        return [Later(Count(tally="a", by=1), late), Count(tally="b", by=2), Later(Count(tally="c", by=3), soon)]

    world.drive(world.place())
    assert world.events()["acme#tally#b"] == [("Counted", {"by": 2})]
    first, second = world.timer.waiting
    assert second == f"{first}.2"
    world.now = late
    assert [each.command.tally for each in world.timer.take(world.now)] == ["c", "a"]


def test_a_moment_has_a_time_zone():
    with pytest.raises(DefinitionError, match=r"Later\(Count, at=2026-01-01T00:00:00\).*time zone"):
        Later(Count(tally="x", by=1), NOW.replace(tzinfo=None))


def test_an_effect_answers_its_outcome_not_a_later(world):
    world.reactions.all[0] = world.reactions.all[0].__class__(
        "charge", Placed, world.order, lambda event, outside, context: Later(Settle(order="o1", receipt="r"), NOW), True
    )
    with pytest.raises(DefinitionError, match=r"charge answered Later.*an automation"):
        world.drive(world.place())


def test_without_a_timer_a_later_is_an_error_that_says_so(world):
    remind(world, timedelta(minutes=15))
    reactor = world.reactor()
    service = reactor._service
    with pytest.raises(DefinitionError, match="was given no timer"):
        Reactor(service, world.executor, world.provider, now=lambda: NOW).drive(world.place(), world.clock() + 10)
