"""Runs reactions: by a request inline, by the delayed queue until they are done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .aggregate import Aggregate
from .commit import CommandContext, Commit, event_id
from .decision import Rejection
from .envelope import Envelope
from .errors import DefinitionError, FoldstackError
from .executor import Committed, Executor
from .idempotency import command_id
from .keys import StreamId
from .messages import Command, Event
from .reaction import OutcomePending, Reaction, ReactionContext
from .service import Service

if TYPE_CHECKING:
    from .personal import Reading

DEEPEST = 16


class ReactionLoop(FoldstackError):
    """Reactions set each other off without an end."""


@dataclass(frozen=True, slots=True)
class Reacted:
    """What one command of a reaction came to."""

    reaction: str
    outcome: Committed | Rejection


class Reactor:
    """`world` is what effects get, or `make_world` makes it for the first of them: a sandbox that runs none needs
    no secrets. `log` is told of every rejection of a reaction's command: nobody waits for it."""

    def __init__(
        self,
        service: Service,
        executor: Executor,
        world: Any = None,
        *,
        make_world: Callable[[], Any] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        log: Callable[[Reacted], None] = lambda reacted: None,
    ) -> None:
        self._service = service
        self._executor = executor
        self._make_world = make_world or (lambda: world)
        self._now = now
        self._log = log

    def drive(
        self, commit: Commit | Envelope, until: float, *, request: bool = False, fresh: bool = False
    ) -> list[Reacted]:
        """Runs every reaction to a commit, and to the commits those make; `until` is on the executor's clock.

        A request follows the chain through what was done before, too: its answer needs the end. The queue does
        not: each commit has a message of its own. `fresh` says that nobody else can have seen the commit yet.
        Raises OutcomePending where an effect can't tell yet or time is over; what was done stays done.
        """
        done: list[Reacted] = []
        self._react(commit, until, request, fresh, 0, done)
        return done

    @cached_property
    def _world(self) -> Any:
        return self._make_world()

    def _react(
        self, commit: Commit | Envelope, until: float, request: bool, fresh: bool, depth: int, done: list[Reacted]
    ) -> None:
        if depth > DEEPEST:
            raise ReactionLoop(f"{commit.stream.key}@{commit.first}: reactions to reactions, {depth} deep")
        aggregate = self._service.aggregates[commit.stream.category]
        for id, event in _events(commit, aggregate, self._executor.reading(aggregate, commit)):
            for reaction in self._service.reactions.to(aggregate, type(event)):
                for outcome in self._run(reaction, id, event, commit, until, fresh):
                    done.append(Reacted(reaction.name, outcome))
                    if isinstance(outcome, Rejection):
                        self._log(done[-1])
                    elif outcome.commit and (request or not outcome.replayed):
                        self._react(outcome.commit, until, request, not outcome.replayed, depth + 1, done)

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
                result = self._executor.result_of(earlier, reaction.of)
                yield Committed(commit.stream, earlier.first, earlier.next, result, True, commit=earlier)
                return
            commands: list[Command] = [
                self._settling(reaction, commit.stream, reaction.function(event, self._world, context))
            ]
        else:
            made = reaction.function(event, context)
            commands = [] if made is None else [made] if isinstance(made, Command) else list(made)
        for n, command in enumerate(commands):
            yield self._executor.execute(
                self._service.aggregate_of(type(command)),
                commit.stream.tenant,
                command,
                CommandContext(
                    command_id=key if n == 0 else f"{key}.{n}",
                    request_hash=reaction.name,
                    keyed=True,
                    repeated=not fresh,
                    deadline=until,
                    correlation=commit.correlation,
                    causation=id,
                    actor=f"reaction:{reaction.name}",
                    traceparent=commit.traceparent,
                ),
            )

    def _settling(self, reaction: Reaction, stream: StreamId, command: Command) -> Command:
        """The outcome of an effect: on the stream that asked for it, or nobody could see that it is done."""
        aggregate = self._service.aggregate_of(type(command))
        if aggregate is not reaction.of or getattr(command, aggregate.rule(type(command)).by) != stream.id:
            raise DefinitionError(
                f"{reaction.name} must answer a command on {stream.key}, and {type(command).__name__} is on another"
            )
        return command


def _events(commit: Commit | Envelope, aggregate: Aggregate, reading: "Reading | None") -> Iterator[tuple[str, Event]]:
    """Today's events of a commit, each with an id; those that an upcaster split from one share its version."""
    if commit.stored is None:
        raise ValueError(f"{commit.stream.key}@{commit.first} travels without its events: read it from the store first")
    for stored in commit.stored:
        for n, event in enumerate(aggregate.upcasters.decode(stored, reading)):
            id = event_id(commit.stream, stored.version)
            yield (id if n == 0 else f"{id}.{n}"), event
