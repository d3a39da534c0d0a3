"""Trips under way: a store, a queue with attempts, a timer and a person, all in one process."""

from datetime import datetime

from foldstack import Tenant
from foldstack.aws.commit_item import from_item, to_item
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.executor import Executor
from foldstack.kernel.keys import StreamId
from foldstack.kernel.reactor import Reactor
from foldstack.kernel.saga_operations import Order, SagaOperations
from foldstack.kernel.store import CommitStore, MemoryCommitStore
from foldstack.kernel.timer import MemoryTimer

from .trips import NOW, Agency, Begin, make

ACME = Tenant("acme")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ATTEMPTS = 3


class Travel:
    """`messages` maps commits that are still to be delivered to how often they have been."""

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.service, self.saga = make(lambda: self.limit)
        self.memory = MemoryCommitStore()
        self.store: CommitStore = self.memory
        self.agency, self.timer = Agency(), MemoryTimer()
        self.now = NOW
        self.messages: dict[tuple[str, int], int] = {}
        self.dead: list[tuple[str, int]] = []
        self.told: list[tuple[str, str]] = []
        self._seen: set[tuple[str, int]] = set()
        self._orders = 0

    def reactor(self) -> Reactor:
        """In a cold process."""
        self.executor = Executor(self.store, now=lambda: self.now)
        return Reactor(
            self.service,
            self.executor,
            self.agency,
            timer=self.timer,
            now=lambda: self.now,
            stuck=lambda occasion, error: self.told.append((occasion.reaction.name, error)),
        )

    def begin(self, trip: str = "t", deadline: datetime | None = None) -> Commit:
        self.reactor()
        context = CommandContext(f"begin-{trip}", correlation=f"corr-{trip}", traceparent=TRACE)
        outcome = self.executor.execute(self.saga.of, ACME, Begin(trip=trip, deadline=deadline), context)
        return outcome.commit

    def publish(self) -> None:
        """A message for every new commit, as the relay makes it."""
        types = self.service.reactions.stored_types()
        for key, commits in self.memory.streams().items():
            for commit in commits:
                at = key, commit.first
                if at not in self._seen:
                    self._seen.add(at)
                    if types & set(commit.types):
                        self.messages[at] = 0

    def deliver(self, at: tuple[str, int]) -> None:
        """Once: done, again later, or given up."""
        self.messages[at] += 1
        receives = self.messages[at]
        commit = self.memory.since(StreamId.parse(at[0]), at[1], 1).commits[0]
        envelope = Envelope.parse(Envelope.of(from_item(to_item(commit, None), None)).to_dict("travel"))
        reactor = self.reactor()
        try:
            reactor.drive(envelope, self.executor.clock() + 60, attempts=receives if receives >= ATTEMPTS else None)
            del self.messages[at]
        except Exception:  # noqa: BLE001 - as a function reports it
            if receives >= ATTEMPTS:
                del self.messages[at]
                self.dead.append(at)

    def drain(self) -> None:
        for _ in range(300):
            self.publish()
            if not self.messages:
                return
            self.deliver(next(iter(self.messages)))
        raise AssertionError("it never ends")

    def fire(self, now: datetime) -> int:
        """Executes what is due, as the commands function does."""
        self.now = max(self.now, now)
        due = self.timer.take(self.now)
        for each in due:
            self.reactor()
            aggregate = self.service.aggregate_of(type(each.command))
            self.executor.execute(aggregate, each.tenant, each.command, each.context)
        return len(due)

    def order(self, kind: str, trip: str = "t", step: str = "", reason: str = "because") -> Commit:
        self._orders += 1
        operations = self.operations()
        return getattr(operations, kind)(Order(self.stream(trip), "ann", reason, f"order-{self._orders}", step))

    def operations(self) -> SagaOperations:
        self.reactor()
        return SagaOperations(self.service, self.executor, now=lambda: self.now)

    def row(self, trip: str = "t"):
        """As a projector folds it."""
        row, projection = None, self.saga.projection
        for commit in self.commits(trip):
            about = commit.stream.id, commit.time, commit.causation, commit.reaction
            row = projection.apply(row, commit.stored, *about)
        return row

    def steps(self, trip: str = "t") -> dict[str, str]:
        return {each.step: each.status for _, each in self.operations().show(self.stream(trip)).steps}

    def commits(self, trip: str = "t") -> list[Commit]:
        return self.memory.since(self.stream(trip), 1).commits

    def types(self, trip: str = "t") -> list[str]:
        return [event.type for commit in self.commits(trip) for event in commit.stored]

    def stream(self, trip: str = "t") -> StreamId:
        return StreamId(ACME, "trip", trip)
