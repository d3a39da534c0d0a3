"""Reactions that set each other off: they stop, in one process or from queue to queue, and it is said how they came."""

import contextlib
from collections import deque
from datetime import UTC, datetime, timedelta

import pytest
from foldstack import Aggregate, Command, Event, Later, Reactions, Service, State, Tenant
from foldstack.aws.commit_item import from_item, to_item
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import ReactionLoop
from foldstack.kernel.executor import Executor
from foldstack.kernel.reactor import DEEPEST, Reactor
from foldstack.kernel.store import MemoryCommitStore
from foldstack.kernel.timer import MemoryTimer
from hypothesis import given
from hypothesis import strategies as st

from tests.store.faults import Crash

TENANT = Tenant("acme")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Hit(Command):
    ball: str
    then: int = 0


class Struck(Event):
    then: int


class Asked(Event):
    pass


class Ball(State):
    hits: int = 0


class Game:
    """Streams whose automations hit other streams: `answers(event, stream id)` says which, as it is or later."""

    def __init__(self, answers, effect=False, mortal=False) -> None:
        ball = Aggregate("ball", Ball)
        ball.decides(Hit, by="ball")(lambda c, s: Struck(then=c.then))
        ball.evolves(Struck)(lambda s, e: Ball(hits=s.hits + 1))
        reactions = Reactions()
        self.asked = 0

        @reactions.automation(on=Struck, of=ball)
        def volley(event, context):
            return answers(event, context.stream_id)

        if effect:

            @reactions.effect(on=Struck, of=ball)
            def ask(event, world, context):
                self.asked += 1
                return Hit(ball=context.stream_id)

        self.ball = ball
        self.service = Service("game", aggregates=[ball], reactions=reactions, world=lambda settings: None)
        self.store = Mortal() if mortal else MemoryCommitStore()
        self.timer, self.now = MemoryTimer(), NOW

    def reactor(self) -> Reactor:
        """In a cold process."""
        self.executor = Executor(self.store)
        return Reactor(self.service, self.executor, timer=self.timer, now=lambda: self.now)

    def begin(self, ball="b", depth=0):
        self.reactor()
        context = CommandContext(f"begin-{ball}", correlation="corr", depth=depth)
        return self.executor.execute(self.ball, TENANT, Hit(ball=ball), context).commit

    def through_queues(self, commit, most=200):
        """Each commit has a message, stored and published as on AWS. Answers the dead letters. A drive goes on from
        its commit to what came of it, unless the process dies of every commit."""
        waiting, known, dead = deque([commit]), {commit.command_id}, []
        for _ in range(most):
            if not waiting:
                self._fire()
            waiting.extend(each for each in self.commits() if each.command_id not in known)
            known.update(each.command_id for each in waiting)
            if not waiting:
                return dead
            envelope = Envelope.parse(Envelope.of(from_item(to_item(waiting[0], None), None)).to_dict("game"))
            reactor = self.reactor()
            try:
                reactor.drive(envelope, reactor._executor.clock() + 60)
            except Crash:
                continue  # delivered again
            except ReactionLoop as error:
                dead.append(str(error))
            waiting.popleft()
        raise AssertionError("still running")

    def _fire(self):
        if self.timer.waiting:
            self.now = min(each.at for each in self.timer.waiting.values())
            for each in self.timer.take(self.now):
                self.reactor()
                with contextlib.suppress(Crash):
                    self.executor.execute(self.ball, TENANT, each.command, each.context)

    def commits(self):
        return [commit for commits in self.store.streams().values() for commit in commits]

    def depths(self):
        return sorted(commit.depth for commit in self.commits())


class Mortal(MemoryCommitStore):
    """The process dies right after each of its commits."""

    def append(self, commit):
        there = super().append(commit)
        if there is None and commit.depth:
            raise Crash
        return there


def again(event, stream):
    return Hit(ball=stream)


@pytest.mark.parametrize("mortal", [False, True])
def test_from_queue_to_queue_a_loop_ends(mortal):
    game = Game(again, mortal=mortal)
    (dead,) = game.through_queues(game.begin())
    assert game.depths() == list(range(DEEPEST + 1))
    assert f"volley would answer acme#ball#b@{DEEPEST + 1}, {DEEPEST + 1} reactions deep" in dead
    assert "acme#ball#b@1 -> acme#ball#b@2 -> acme#ball#b@3" in dead


def test_in_one_request_a_loop_ends():
    game = Game(again)
    commit, reactor = game.begin(), None
    reactor = game.reactor()
    with pytest.raises(ReactionLoop, match=f"{DEEPEST + 1} reactions deep"):
        reactor.drive(commit, reactor._executor.clock() + 60, request=True)
    assert game.depths() == list(range(DEEPEST + 1))


def test_the_outside_world_is_not_asked_by_what_is_too_deep():
    game = Game(lambda event, stream: None, effect=True)
    commit = game.begin(depth=DEEPEST)
    with pytest.raises(ReactionLoop, match="ask would answer acme#ball#b@1"):
        game.reactor().drive(commit, game.executor.clock() + 60)
    assert game.asked == 0


def test_the_deepest_reaction_is_executed():
    game = Game(lambda event, stream: None if stream == "last" else Hit(ball="last"))
    assert game.through_queues(game.begin(depth=DEEPEST - 1)) == []
    assert game.depths() == [DEEPEST - 1, DEEPEST]


def test_where_time_passes_between_nothing_is_a_loop():
    """A reminder every month does not end after 16 months."""
    game = Game(lambda event, stream: Later(Hit(ball=stream), game.now + timedelta(days=30)))
    with pytest.raises(AssertionError, match="still running"):
        game.through_queues(game.begin(), most=3 * DEEPEST)
    assert set(game.depths()) == {0}


def test_a_later_that_is_due_goes_on_counting():
    game = Game(lambda event, stream: Later(Hit(ball=stream), NOW))
    (dead,) = game.through_queues(game.begin())
    assert game.depths() == list(range(DEEPEST + 1))
    assert f"{DEEPEST + 1} reactions deep" in dead


@given(
    table=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=1), min_size=4, max_size=4),
    due=st.booleans(),
    mortal=st.booleans(),
)
def test_whatever_sets_itself_off_stops(table, due, mortal):
    """Four kinds of hits, each answered by others: a loop, however they are drawn."""

    def answers(event, stream):
        made = [Hit(ball=f"b{n}", then=n) for n in table[event.then]]
        return [Later(each, NOW) for each in made] if due else made

    game = Game(answers, mortal=mortal)
    dead = game.through_queues(game.begin())
    assert set(game.depths()) == set(range(DEEPEST + 1))
    assert len(dead) == game.depths().count(DEEPEST), "one for each that would have gone on, and no other"
