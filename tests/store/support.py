"""Commands on shelves, as one sandbox sends them, and what must hold of a stream at rest."""

import random
import uuid
from copy import copy
from datetime import UTC, datetime
from typing import Any

from foldstack.aws.commit_store import DynamoCommitStore
from foldstack.kernel.aggregate import Aggregate
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.decision import Rejection
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.idempotency import request_hash
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.messages import Command
from foldstack.kernel.store import CommitStore, MemoryCommitStore

from .domain import Shelf, shelf

TENANT = Tenant("acme")
TIME = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Sandbox:
    """One function's warm process: an executor with its cache."""

    def __init__(
        self, store: CommitStore, *, clock: Clock | None = None, aggregate: Aggregate = shelf, **options: Any
    ) -> None:
        self.clock = clock or Clock()
        self.aggregate = aggregate
        self.executor = Executor(
            store, clock=self.clock, sleep=self.clock.sleep, now=lambda: TIME, rng=random.Random(1), **options
        )

    def do(
        self, command: Command, key: str | None = None, *, tenant: Tenant = TENANT, **context: Any
    ) -> Committed | Rejection:
        """`key` makes the command id, as an idempotency key does."""
        return self.executor.execute(
            self.aggregate,
            tenant,
            command,
            CommandContext(
                command_id=key or uuid.uuid4().hex,
                request_hash=request_hash("POST", type(command).type_name, {}, command.model_dump(mode="json")),
                keyed=key is not None,
                **context,
            ),
            result=lambda events, state: {"events": len(events), "left": state.left},
        )

    def done(self, command: Command, key: str | None = None, **context: Any) -> Committed:
        """Like `do`, for a command that must not be rejected."""
        outcome = self.do(command, key, **context)
        assert isinstance(outcome, Committed), outcome
        return outcome

    def state(self, id: str) -> Shelf:
        return self.executor.load(stream_id(id), self.aggregate, consistent=True).state

    def forget(self) -> None:
        """The next command finds a cold sandbox."""
        self.executor = Executor(
            self.executor.store, clock=self.clock, sleep=self.clock.sleep, now=lambda: TIME, rng=random.Random(1)
        )


def stream_id(id: str, tenant: Tenant = TENANT) -> StreamId:
    return StreamId.of(tenant, "shelf", id)


def plant(store: CommitStore, grown: MemoryCommitStore) -> None:
    """Puts what was grown in memory into another store, in few requests."""
    store = getattr(store, "inner", store)
    if isinstance(store, MemoryCommitStore):
        store.__dict__.update(grown.__dict__)
        return
    assert isinstance(store, DynamoCommitStore)
    commits = [store._item(commit) for commits in grown.streams().values() for commit in commits]
    for n in range(0, len(commits), 25):
        batch = [{"PutRequest": {"Item": item}} for item in commits[n : n + 25]]
        store._dynamodb.batch_write_item(RequestItems={store._commits: batch})
    store.keep_ids(list(grown._kept.values()))


def new_id() -> str:
    return uuid.uuid4().hex[:12]


def other_reducer(name: str = "f" * 16) -> Aggregate:
    """The same aggregate after a change of its code: snapshots of `shelf` are not its own."""
    changed = copy(shelf)
    changed.__dict__["fingerprint"] = name
    return changed


def history(store: CommitStore, stream: StreamId) -> list[Commit]:
    """All commits, oldest first; asserts that they join, from version 1, and that no command has two."""
    commits: list[Commit] = []
    while True:
        page = store.since(stream, commits[-1].next if commits else 1)
        commits += page.commits
        if not page.more or not page.commits:
            break
    at = 1
    for commit in commits:
        assert commit.first == at, f"nothing joins {at} to {commit.first}"
        assert commit.next - commit.first == len(commit.stored) > 0
        at = commit.next
    ids = [commit.command_id for commit in commits]
    assert len(set(ids)) == len(ids), "a command has two effects"
    return commits


def folded(commits: list[Commit]) -> Shelf:
    """The plain fold, without snapshots or caches."""
    return shelf.fold(event for commit in commits for each in commit.stored for event in shelf.upcasters.decode(each))
