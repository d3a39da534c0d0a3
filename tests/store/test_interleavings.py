"""Random interleavings of the real executor: duplicates, crashes, warm caches, stale reads, lost answers.

Whatever the order: no command has two effects, every commit joins, and what a command was told stays true.
Snapshots, ring and pages are made smaller by the same factor, so that short histories meet every rule.
"""

import random

import pytest
from foldstack.kernel import executor, stream
from foldstack.kernel.decision import Rejection
from foldstack.kernel.errors import Unavailable
from foldstack.kernel.executor import Committed
from foldstack.kernel.store import MemoryCommitStore

from .domain import ClaimName, OpenShelf, ReturnUnits, TakeUnit, shelf
from .faults import Crash, FaultyStore
from .scheduler import Scheduler
from .support import Sandbox, folded, history, other_reducer, stream_id

COMMANDS, WORKERS, MANY = 36, 4, 400


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(stream, "RING", 6)
    monkeypatch.setattr(stream, "SNAPSHOT_EVERY", 4)
    monkeypatch.setattr(executor, "LOAD_LIMIT", 4)


class World:
    """Workers, each with a sandbox that may die, share one store and take commands from one queue."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.memory = MemoryCommitStore()
        self.scheduler = Scheduler(self.rng)
        self.answers: dict[str, list[Committed]] = {}
        self.queue = self._queue()
        self.commands = dict(self.queue)

    def _queue(self) -> list[tuple[str, object]]:
        """Commands with one to three deliveries each, the later ones up to 20 places behind."""
        placed = [((0, 0.0), "open", OpenShelf(shelf="s", units=12))]
        for n in range(COMMANDS):
            command = self.rng.choice(
                [TakeUnit(shelf="s", by=str(n))] * 4
                + [ReturnUnits(shelf="s", units=1), ClaimName(shelf=self.rng.choice("st"), name=str(n))]
            )
            for late in [0] + [self.rng.choice([0, 1, 3, 8, 20]) for _ in range(self.rng.choice([0, 1, 1, 2]))]:
                placed.append(((n + late, self.rng.random()), f"key {n}", command))
        return [(key, command) for _, key, command in sorted(placed, key=lambda each: each[0])]

    def run(self) -> None:
        self.scheduler.run([lambda n=n: self.work(n) for n in range(WORKERS)])

    def work(self, number: int) -> None:
        while self.queue:
            sandbox = self.new_sandbox(number)
            try:
                while self.queue:
                    self.send(sandbox, *self.queue.pop(0))
            except Crash:
                continue

    def new_sandbox(self, number: int) -> Sandbox:
        store = FaultyStore(self.memory, self.around)
        # The first two run the code of yesterday for as long as the traffic shifts.
        old = number < 2 and self.rng.random() < 0.5
        return Sandbox(store, cache=self.rng.choice([0, 1, 8]), **({"aggregate": other_reducer()} if old else {}))

    def around(self, name: str) -> None:
        self.scheduler.step()
        if self.rng.random() < 0.012:
            raise Crash(name)

    def send(self, sandbox: Sandbox, key: str, command) -> None:
        faults = sandbox.executor.store
        faults.stale = self.rng.choice([0, 0, 0, 1, 3, 9])
        faults.holes = {self.rng.randrange(1, 30)} if self.rng.random() < 0.2 else set()
        faults.faults.clear()
        if self.rng.random() < 0.2:
            faults.faults.extend(self.rng.choices(["stored", "dropped", "refused"], k=self.rng.choice([1, 1, 2, MANY])))
        before = len(self.commits(command))
        try:
            outcome = sandbox.do(command, key, repeated=self.rng.random() < 0.5)
        except Unavailable:
            assert len(faults.faults) > 2, "a fault or two are no reason to give up"
            return
        if isinstance(outcome, Rejection):
            self.check_rejection(outcome, key, command, before)
        elif outcome.commit:
            self.answers.setdefault(key, []).append(outcome)
            assert outcome.replayed or self.commits(command).index(outcome.commit) >= before

    def commits(self, command):
        return self.memory.streams().get(stream_id(command.shelf).key, [])

    def check_rejection(self, rejection, key, command, before) -> None:
        """It was right at some moment between question and answer, and the command had no effect yet."""
        commits = self.commits(command)
        assert key not in {commit.command_id for commit in commits[:before]}
        moments = (folded(commits[:n]) for n in range(before, len(commits) + 1))
        assert any(shelf.decide(command, state) == rejection for state in moments)

    def check(self) -> None:
        stored = {}
        for id in "st":
            commits = history(self.memory, stream_id(id))  # they join, and no command has two on one stream
            for commit in commits:
                assert commit.command_id not in stored, f"{commit.command_id} has effects on two streams"
                stored[commit.command_id] = commit
            for aggregate in (None, other_reducer()):
                sandbox = Sandbox(self.memory, **({"aggregate": aggregate} if aggregate else {}))
                assert sandbox.state(id) == folded(commits)
            takes = sum(event.type == "UnitTaken" for commit in commits for event in commit.stored)
            back = sum(e.data["units"] for commit in commits for e in commit.stored if e.type == "UnitsReturned")
            assert takes <= 12 + back
        for key, outcomes in self.answers.items():
            for outcome in outcomes:
                assert outcome.commit == stored[key], "an answer that no commit stands behind"
            assert sum(not outcome.replayed for outcome in outcomes) <= 1
        for key, commit in stored.items():
            self.retry(key, commit)

    def retry(self, key: str, commit) -> None:
        command = self.commands[key]
        again = Sandbox(self.memory).do(command, key)
        assert not isinstance(again, Rejection)
        assert again.commit == commit


def run(seed: int) -> World:
    world = World(seed)
    world.run()
    world.check()
    return world


@pytest.mark.parametrize("block", range(6))
def test_no_command_has_two_effects_and_the_fold_never_breaks(block):
    for seed in range(block * 40, block * 40 + 40):
        try:
            run(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_many_more_histories(block):
    for seed in range(1000 + block * 100, 1000 + block * 100 + 100):
        try:
            run(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def test_the_same_seed_is_the_same_history():
    one, two = run(3), run(3)
    assert one.memory.streams() == two.memory.streams()
