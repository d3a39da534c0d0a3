"""A blog in memory, and its cascades' messages, to be delivered in any order, again, or to a process that dies."""

from collections.abc import Sequence
from typing import Any

from foldstack import Command
from foldstack.kernel.cascade_index import MemoryCascadeIndex
from foldstack.kernel.cascading import ACTOR, Collector, Remover, Work
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.executor import Executor
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.occasion import events_of
from foldstack.kernel.store import MemoryCommitStore

from tests.consumers.fakes import Watched
from tests.e2e.programs.blog.blogging import service
from tests.e2e.programs.blog.blogging.authors import AuthorDeleted, RegisterAuthor
from tests.e2e.programs.blog.blogging.posts import PostRemoved, WritePost

ACME, ZETA = Tenant("acme"), Tenant("zeta")
FOREVER = float("inf")


class Store(MemoryCommitStore):
    """Knows the order of all commits."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Commit] = []

    def append(self, commit: Commit) -> Commit | None:
        there = super().append(commit)
        if there is None:
            self.log.append(commit)
        return there


class World:
    """`events` and `work` wait for a collector and a remover. `page` is the remover's."""

    def __init__(self, page: int = 2) -> None:
        self.store, self.index = Store(), MemoryCascadeIndex()
        self.events: list[Commit] = []
        self.work: list[Work] = []
        self.page = page
        self.epoch = 1
        self._published = self._commands = 0

    def do(self, *commands: Command, tenant: Tenant = ACME) -> None:
        for command in commands:
            self._commands += 1
            context = CommandContext(f"command-{self._commands}")
            Executor(self.store, epoch=self.epoch).execute(
                service.aggregate_of(type(command)), tenant, command, context
            )
        self.publish()

    def publish(self) -> None:
        self.events += self.store.log[self._published :]
        self._published = len(self.store.log)

    def collect(self, commit: Commit, watch: Any = None) -> None:
        """In a process of its own. `watch` has `before` and `after`, and is told of every call."""
        index, send = self._watched(self.index, watch), self._watched(self.work.append, watch)
        Collector(service, index, send).take(commit)

    def remove(self, work: Work, watch: Any = None, until: float = FOREVER) -> bool:
        """In a process of its own; `until` 0: its time is over when it begins."""
        store, index = self._watched(self.store, watch), self._watched(self.index, watch)
        executor = Executor(store, epoch=self.epoch, clock=lambda: 1.0, sleep=lambda seconds: None)
        remover = Remover(service, executor, index, self._watched(self.work.append, watch), page=self.page)
        try:
            return remover.take(work, until)
        finally:
            self.publish()

    def drain_events(self) -> None:
        while self.events:
            self.collect(self.events.pop(0))

    def drain(self, refused: tuple[type[Exception], ...] = ()) -> list[Work]:
        """All that waits, the oldest first; what raises one of `refused` is answered, as dead letters."""
        dead = []
        for _ in range(10_000):
            if self.events:
                self.collect(self.events.pop(0))
            elif self.work:
                work = self.work.pop(0)
                try:
                    self.remove(work)
                except refused:
                    dead.append(work)
            else:
                return dead
        raise AssertionError("it never ends")

    def state(self, aggregate: Any, id: str, tenant: Tenant = ACME) -> Any:
        return Executor(self.store).load(StreamId(tenant, aggregate.category, id), aggregate).state

    def reported(self, deletion: str) -> list[int]:
        """The numbers that a deletion was reported with."""
        reports = [each for each in self.caused_by(deletion) if each.stream.key == deletion.rpartition("@")[0]]
        return [event.removed for each in reports for _, event in _events(each)]

    def caused_by(self, deletion: str) -> list[Commit]:
        return [each for each in self.store.log if each.causation == deletion]

    def deletions(self) -> dict[str, Commit]:
        return {
            id: each
            for each in self.store.log
            for id, event in _events(each)
            if type(event) in (AuthorDeleted, PostRemoved)
        }

    def assert_at_rest(self) -> None:
        """Nothing refers to what was deleted, nothing else was removed, and each deletion was reported once, with the
        number of streams that it had removed."""
        gone = {commit.stream.key for commit in self.deletions().values()}
        seen: dict[str, set[str]] = {}
        for key in {each.stream.key for each in self.store.log}:
            stream = StreamId.parse(key)
            referred = _referred(self.store.streams()[key])
            if stream.category != "author" and referred is not None:
                assert not (referred & gone), f"{key} refers to {referred & gone}"
        for n, commit in enumerate(self.store.log):
            if commit.actor.startswith(f"{ACTOR}:"):
                deletion = commit.causation
                entity = deletion.rpartition("@")[0]
                if commit.stream.key == entity:
                    assert [event.removed for _, event in _events(commit)] == [len(seen.get(deletion, ()))], n
                else:
                    before = [each for each in self.store.streams()[commit.stream.key] if each.first < commit.first]
                    assert entity in (_referred(before) or set()), f"{commit.stream.key} did not refer to {entity}"
                    seen.setdefault(deletion, set()).add(commit.stream.key)
        for deletion in self.deletions():
            assert len(self.reported(deletion)) == 1, deletion

    def _watched(self, port: Any, watch: Any) -> Any:
        return port if watch is None else Watched(port, watch.before, watch.after)


def blog(posts: int, *, page: int = 2) -> World:
    """Ann's posts p0, p1, ... and one of Bob's; a post p0 of another tenant's Ann."""
    world = World(page)
    world.do(RegisterAuthor(id="ann", name="Ann"), RegisterAuthor(id="bob", name="Bob"))
    world.do(*(WritePost(id=f"p{n}", author="ann") for n in range(posts)), WritePost(id="bobs", author="bob"))
    world.do(RegisterAuthor(id="ann", name="Ann"), WritePost(id="p0", author="ann"), tenant=ZETA)
    return world


def _events(commit: Commit) -> Sequence[tuple[str, Any]]:
    return list(events_of(commit, service.aggregates[commit.stream.category]))


def _referred(commits: Sequence[Commit]) -> set[str] | None:
    """Keys of what a stream refers to after these commits; None where it is not there."""
    found: set[str] | None = None
    for commit in commits:
        tenant = commit.stream.tenant
        for _, event in _events(commit):
            if type(event).__name__ in ("PostWritten", "PostMoved"):
                found = {f"{tenant}#author#{event.author}"}
            elif type(event).__name__ == "CommentWritten":
                found = {f"{tenant}#author#{event.author}", f"{tenant}#post#{event.post}"}
            elif type(event).__name__ in ("PostRemoved", "CommentRemoved"):
                found = None
    return found
