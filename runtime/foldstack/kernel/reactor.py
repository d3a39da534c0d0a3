"""Runs reactions: by a request inline, by the delayed queue until they are done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from .aggregate import Aggregate
from .commit import CommandContext, Commit, event_id
from .decision import Rejection
from .envelope import Envelope
from .errors import DefinitionError, ReactionLoop
from .executor import Committed, Executor
from .idempotency import command_id
from .keys import StreamId
from .messages import Command, Event
from .reaction import Later, OutcomePending, Reaction, ReactionContext
from .service import Service
from .timer import Timer

DEEPEST = 16
"""Reactions one because of the other, on whatever way they travel. A Later that waits begins to count anew."""


@dataclass(frozen=True, slots=True)
class Reacted:
    """What one command of a reaction came to."""

    reaction: str
    outcome: Committed | Rejection


class Reactor:
    """`world` is what effects get, or `make_world` makes it for the first of them: a sandbox that runs none needs
    no secrets. `timer`, or what `make_timer` makes, keeps every Later. `log` is told of every rejection of a
    reaction's command: nobody waits for it."""

    def __init__(
        self,
        service: Service,
        executor: Executor,
        world: Any = None,
        *,
        make_world: Callable[[], Any] | None = None,
        timer: Timer | None = None,
        make_timer: Callable[[], Timer] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        log: Callable[[Reacted], None] = lambda reacted: None,
    ) -> None:
        self._service = service
        self._executor = executor
        self._make_world = make_world or (lambda: world)
        self._make_timer = make_timer or (lambda: timer)
        self._now = now
        self._log = log

    def drive(
        self, commit: Commit | Envelope, until: float, *, request: bool = False, fresh: bool = False
    ) -> list[Reacted]:
        """Runs every reaction to a commit, and to the commits those make; `until` is on the executor's clock.

        A request follows the chain through what was done before, too: its answer needs the end. The queue does
        not: each commit has a message of its own. `fresh` says that nobody else can have seen the commit yet.
        Raises OutcomePending where an effect can't tell yet or time is over, and ReactionLoop before a command that
        would be one too deep; what was done stays done.
        """
        done: list[Reacted] = []
        self._react(commit, until, request, fresh, done)
        return done

    @cached_property
    def _world(self) -> Any:
        return self._make_world()

    @cached_property
    def _timer(self) -> Timer:
        timer = self._make_timer()
        if timer is None:
            raise DefinitionError("a reaction answered Later, and this Reactor was given no timer")
        return timer

    def _react(self, commit: Commit | Envelope, until: float, request: bool, fresh: bool, done: list[Reacted]) -> None:
        aggregate = self._service.aggregates[commit.stream.category]
        for id, event in _events(commit, aggregate):
            for reaction in self._service.reactions.to(aggregate, type(event)):
                for outcome in self._run(reaction, id, event, commit, until, fresh):
                    done.append(Reacted(reaction.name, outcome))
                    if isinstance(outcome, Rejection):
                        self._log(done[-1])
                    elif outcome.commit and (request or not outcome.replayed):
                        self._follow(outcome, until, request, done)

    def _follow(self, outcome: Committed, until: float, request: bool, done: list[Reacted]) -> None:
        assert outcome.commit is not None
        try:
            self._react(outcome.commit, until, request, not outcome.replayed, done)
        except ReactionLoop:
            if request:
                raise
            # That commit's own message tells of it: this one has other reactions to run.

    def _run(
        self, reaction: Reaction, id: str, event: Event, commit: Commit | Envelope, until: float, fresh: bool
    ) -> Iterator[Committed | Rejection]:
        key = command_id("reaction", reaction.name, id)
        left = until - self._executor.clock()
        if left <= 0:
            raise OutcomePending(f"{reaction.name}: no time left")
        context = ReactionContext(self._now(), left, key, commit.stream.id, str(commit.stream.tenant))
        if reaction.world:
            if not fresh and (earlier := self._executor.find(commit.stream, reaction.of, key)):
                yield Committed(commit.stream, earlier.first, earlier.next, earlier.result, True, commit=earlier)
                return
            self._check_depth(reaction, id, commit)  # before the outside world is asked
            answers: list[Command | Later] = [
                self._settling(reaction, commit.stream, reaction.function(event, self._world, context))
            ]
        else:
            made = reaction.function(event, context)
            answers = [] if made is None else [made] if isinstance(made, Command | Later) else list(made)
        for n, answer in enumerate(answers):
            about = CommandContext(
                command_id=key if n == 0 else f"{key}.{n}",
                request_hash=reaction.name,
                keyed=True,
                repeated=not fresh,
                deadline=until,
                correlation=commit.correlation,
                causation=id,
                actor=f"reaction:{reaction.name}",
                traceparent=commit.traceparent,
                depth=commit.depth + 1,
            )
            if isinstance(answer, Later):
                if answer.at > context.now:
                    self._timer.set(answer.at, commit.stream.tenant, answer.command, replace(about, depth=0))
                    continue
                answer = answer.command
            self._check_depth(reaction, id, commit)
            aggregate = self._service.aggregate_of(type(answer))
            yield self._executor.execute(aggregate, commit.stream.tenant, answer, about)

    def _check_depth(self, reaction: Reaction, id: str, commit: Commit | Envelope) -> None:
        if commit.depth >= DEEPEST:
            raise ReactionLoop(
                f"{reaction.name} would answer {id}, {commit.depth + 1} reactions deep, and more than {DEEPEST} are "
                f"taken for a loop. Nothing was executed; it came here by {self._chain(commit)}. End it in one of "
                "the reactions to these events, or let time pass with Later"
            )

    def _chain(self, commit: Commit | Envelope) -> str:
        """The events that led to a commit, the first one first, as far as the store has them."""
        ids, cause = [event_id(commit.stream, commit.first)], commit.causation
        while cause and len(ids) <= DEEPEST:
            ids.append(cause)
            key, _, version = cause.rpartition("@")
            page = self._executor.store.newest(StreamId.parse(key), 1, int(version.partition(".")[0]) + 1)
            cause = page.commits[0].causation if page.commits else ""
        return " -> ".join(reversed(ids))

    def _settling(self, reaction: Reaction, stream: StreamId, command: Command) -> Command:
        """The outcome of an effect: on the stream that asked for it, or nobody could see that it is done."""
        if not isinstance(command, Command):
            raise DefinitionError(
                f"{reaction.name} answered {type(command).__name__}, and an effect answers the command that tells its "
                "outcome; what is to be done later is for an automation on the event of that outcome"
            )
        aggregate = self._service.aggregate_of(type(command))
        if aggregate is not reaction.of or getattr(command, aggregate.rule(type(command)).by) != stream.id:
            raise DefinitionError(
                f"{reaction.name} must answer a command on {stream.key}, and {type(command).__name__} is on another"
            )
        return command


def _events(commit: Commit | Envelope, aggregate: Aggregate) -> Iterator[tuple[str, Event]]:
    """Today's events of a commit, each with an id; those that an upcaster split from one share its version."""
    if commit.stored is None:
        raise ValueError(f"{commit.stream.key}@{commit.first} travels without its events: read it from the store first")
    for stored in commit.stored:
        for n, event in enumerate(aggregate.upcasters.decode(stored)):
            id = event_id(commit.stream, stored.version)
            yield (id if n == 0 else f"{id}.{n}"), event
