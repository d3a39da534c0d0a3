"""Runs cascades: a collector keeps who refers to whom and what was deleted, a remover goes through it page by page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from .aggregate import Aggregate
from .cascade import Cascade, Deletion
from .cascade_index import CascadeIndex, Entity, Mark, Reference, References, place, stamp
from .commit import CommandContext, Commit
from .decision import Rejection
from .envelope import Envelope
from .errors import InvalidValue, RemovalRefused, Unavailable
from .executor import Committed, Executor
from .idempotency import command_id
from .keys import StreamId, check_category
from .occasion import events_of, version_of
from .service import Service

if TYPE_CHECKING:
    from .personal import Reading

ACTOR = "cascade"
"""The actor of a cascade's command is `cascade:NAME`."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a remover is asked for: the next page of a deletion, or to remove the one stream `reference`, its path, that
    came to refer to what was deleted. `deletion` is the id of the event, `at` its place."""

    cascade: str
    deletion: str
    at: int
    reference: str = ""

    @property
    def stream(self) -> StreamId:
        """Of the deleted entity."""
        return StreamId.parse(self.deletion.rpartition("@")[0])


Send = Callable[[Work], None]


class Collector:
    """`send` hands work to a remover; it raises where that was not taken."""

    def __init__(self, service: Service, index: CascadeIndex, send: Send) -> None:
        self._service = service
        self._index = index
        self._send = send

    def take(self, commit: Commit | Envelope) -> None:
        """Repeated and reordered as one likes: in the end nothing refers to what was deleted."""
        aggregate = self._service.aggregates[commit.stream.category]
        for id, event in events_of(commit, aggregate, _reading(aggregate)):
            at = place(commit.epoch, version_of(id))
            for cascade in self._service.cascades.values():
                for referred in cascade.referred(aggregate, event):
                    self._refer(Entity(commit.stream.tenant, cascade.name, referred), Reference(commit.stream, at))
                if cascade.of is aggregate and type(event) is cascade.on:
                    self._delete(Entity(commit.stream.tenant, cascade.name, commit.stream.id), Mark(id, at))

    def _refer(self, entity: Entity, reference: Reference) -> None:
        self._index.refer(entity, reference)
        mark = self._index.marked(entity)
        if mark is not None:
            self._send(Work(entity.cascade, mark.deletion, mark.at, reference.stream.path))

    def _delete(self, entity: Entity, mark: Mark) -> None:
        self._index.mark(entity, mark)
        self._send(Work(entity.cascade, mark.deletion, mark.at))


class Remover:
    """`page` is how many streams it removes for one message. `log` is told of each rejection that waits for another
    pass."""

    def __init__(
        self,
        service: Service,
        executor: Executor,
        index: CascadeIndex,
        send: Send,
        *,
        page: int,
        log: Callable[[Work, StreamId, Rejection], None] = lambda work, stream, rejection: None,
    ) -> None:
        self._service = service
        self._executor = executor
        self._index = index
        self._send = send
        self._page = page
        self._log = log

    def take(self, work: Work, until: float) -> bool:
        """One page, or less where the time is over at `until`, on the executor's clock; then the next one is sent for.
        False where the deletion is not in the store any more: a restore has undone it.

        What is rejected is left for another pass. Raises RemovalRefused where a whole pass got nothing done;
        Unavailable where the entity was deleted before and that is still being cascaded.
        """
        cascade = self._service.cascades.get(work.cascade)
        if cascade is None:
            known = ", ".join(sorted(self._service.cascades)) or "none"
            raise InvalidValue("cascade", f"{work.cascade!r} is none of {self._service.name}; it has {known}")
        commit = self._executor.commit_of(work.stream, version_of(work.deletion))
        if commit is None or place(commit.epoch, version_of(work.deletion)) != work.at:
            return False
        run = _Run(self._service, self._executor, self._index, cascade, work, commit, until)
        mark = self._index.marked(run.entity)
        if mark is None:
            raise InvalidValue("deletion", f"{work.deletion} has no mark in the index: republish it to this consumer")
        if stamp(mark) != stamp(Mark(work.deletion, work.at)):
            self._deleted_before(run, mark)
        elif work.reference:
            self._one(run, mark)
        else:
            self._pass(run, mark)
        return True

    def _deleted_before(self, run: "_Run", mark: Mark) -> None:
        """The first deletion removes everything, whatever comes after it."""
        if run.work.reference:
            return  # a restore was in between: it was there before the newer deletion, whose pages have it
        if not mark.reported:
            raise Unavailable(f"{mark.deletion} is cascaded before {run.work.deletion} is reported")
        run.report(0)

    def _one(self, run: "_Run", mark: Mark) -> None:
        tenant, (category, _, id) = run.entity.tenant, run.work.reference.partition("#")
        reference = self._index.waits(run.entity, mark, StreamId.of(tenant, check_category(category), id))
        if reference is not None:
            rejection = run.remove(reference, mark)
            if rejection is not None:
                raise self._refused(run, [(reference.stream, rejection)])

    def _pass(self, run: "_Run", mark: Mark) -> None:
        """A page; or, where a whole pass was in vain, as many as it takes to find one that is not. A pass that finds
        nothing from the start on is the end."""
        after, refused = "" if mark.stalled else mark.position, list[tuple[StreamId, Rejection]]()
        while True:
            page = self._index.waiting(run.entity, mark, after, self._page)
            if not page.found and not after:
                run.report(self._index.removed(run.entity, mark))
                self._index.close(run.entity, mark)
                return
            position, settled = self._page_of(run, mark, page, refused)
            gained = settled or (mark.gained and not mark.stalled)
            if gained or (not mark.stalled and (position or not refused)):
                # At the end of a pass the next one begins, and has to gain something itself.
                vain = not gained and not position
                if self._index.advance(run.entity, mark, position, gained=gained and bool(position), stalled=vain):
                    self._send(run.work)  # before this message is acknowledged: should this one die now, it comes again
                return
            if not position or self._executor.clock() >= run.until:
                break
            after = position
        if not mark.stalled:
            self._index.advance(run.entity, mark, "", gained=False, stalled=True)
        raise self._refused(run, refused)

    def _page_of(
        self, run: "_Run", mark: Mark, page: References, refused: list[tuple[StreamId, Rejection]]
    ) -> tuple[str, bool]:
        """Where to go on, and whether anything was settled; what was not is added to `refused`."""
        settled = False
        for n, reference in enumerate(page.found):
            if n and self._executor.clock() >= run.until:
                return page.found[n - 1].stream.path, settled
            rejection = run.remove(reference, mark)
            if rejection is None:
                settled = True
            else:
                self._log(run.work, reference.stream, rejection)
                refused.append((reference.stream, rejection))
        return page.next or "", settled

    def _refused(self, run: "_Run", refused: list[tuple[StreamId, Rejection]]) -> RemovalRefused:
        if not refused:
            return RemovalRefused(f"{run.work.deletion} is not done: what refers to it can't be removed")
        stream, rejection = refused[0]
        return RemovalRefused(
            f"{run.work.deletion} is not done: {len(refused)} of what refers to it can't be removed. {stream.path}: "
            f"{rejection.code}: {self._executor.told(rejection)}"
        )


class _Run:
    """One deletion, as it is in the store."""

    def __init__(
        self,
        service: Service,
        executor: Executor,
        index: CascadeIndex,
        cascade: Cascade,
        work: Work,
        commit: Commit,
        until: float,
    ) -> None:
        self.work = work
        self.until = until
        self.entity = Entity(work.stream.tenant, cascade.name, work.stream.id)
        self._executor = executor
        self._index = index
        self._cascade = cascade
        self._commit = commit
        aggregate = service.aggregates[work.stream.category]
        events = dict(events_of(commit, aggregate, executor.reading(aggregate, commit)))
        at = datetime.fromisoformat(commit.time.replace("Z", "+00:00"))
        self._actor = f"{ACTOR}:{cascade.name}"
        self._deletion = Deletion(work.stream.id, work.stream.tenant, events[work.deletion], at)

    def remove(self, reference: Reference, mark: Mark) -> Rejection | None:
        """The rejection, where there is one that says more than that nothing is there."""
        stream = reference.stream
        aggregate, command = self._cascade.removal(stream.category, stream.id, self._deletion)
        context = self._context("removal", stream.key, str(reference.at))
        outcome = self._executor.execute(aggregate, stream.tenant, command, context)
        if isinstance(outcome, Rejection) and outcome.kind != "not-found":
            return outcome
        removed = isinstance(outcome, Committed) and outcome.first is not None
        removed = removed or self._did_remove(stream)
        self._index.settle(self.entity, mark, reference, removed)
        return None

    def _did_remove(self, stream: StreamId) -> bool:
        """Whether the stream ends with a removal by this run: it died before it could settle that."""
        newest = self._executor.store.newest(stream, 1, consistent=True).commits
        return bool(newest) and (newest[0].causation, newest[0].actor) == (self.work.deletion, self._actor)

    def report(self, removed: int) -> None:
        """Once for each deletion, whatever it is asked for again with."""
        command, context = self._cascade.report(self._deletion, removed), self._context("report")
        outcome = self._executor.execute(self._cascade.of, self.entity.tenant, command, context)
        if isinstance(outcome, Rejection):
            raise RemovalRefused(
                f"{self.work.deletion} is done, and its report was rejected: {outcome.code}: "
                f"{self._executor.told(outcome)}"
            )

    def _context(self, *what: str) -> CommandContext:
        """It counts as no reaction: each entity is cascaded once, so this ends by itself, however deep. Unless a
        reaction makes again what is removed: that nothing here would end."""
        commit = self._commit
        return CommandContext(
            command_id=command_id(ACTOR, self._cascade.name, self.work.deletion, *what),
            request_hash=self._cascade.name,
            keyed=True,
            repeated=True,
            deadline=self.until,
            correlation=commit.correlation,
            causation=self.work.deletion,
            actor=self._actor,
            traceparent=commit.traceparent,
            depth=commit.depth,
        )


def _reading(aggregate: Aggregate) -> "Reading | None":
    """Who collects has no keys: no id is personal."""
    if not aggregate.personal:
        return None
    from .personal import KEPT

    return KEPT
