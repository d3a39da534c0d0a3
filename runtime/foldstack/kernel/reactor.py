"""Runs reactions: by a request inline, by the delayed queue until they are done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from .commit import REACTION, CommandContext, Commit, event_id
from .decision import Rejection
from .envelope import Envelope
from .errors import DefinitionError, ReactionLoop, Unavailable, described
from .executor import Committed, Executor
from .keys import StreamId
from .messages import Command
from .occasion import Occasion, events_of, fate_of
from .reaction import Later, OutcomePending, Reaction, ReactionContext
from .saga_messages import SagaRetried
from .saga_stuck import record_stuck, retried
from .service import Service
from .timer import Timer

DEEPEST = 16
"""Reactions one because of the other, on whatever way they travel. A Later that waits begins to count anew."""


@dataclass(frozen=True, slots=True)
class Reacted:
    """What one command of a reaction came to."""

    reaction: str
    outcome: Committed | Rejection


@dataclass(frozen=True)
class _Drive:
    """What one call of `drive` shares with all that it runs."""

    until: float
    request: bool
    attempts: int | None
    done: list[Reacted] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def share(self, effects: int, executor: Executor) -> float:
        """Until when the first of so many effects may take: one that hangs leaves time for the others."""
        now = executor.clock()
        return now + (self.until - now) / max(1, effects)

    def follow(self) -> "_Drive":
        """For what comes of a commit. On a queue that has a message, and attempts, of its own: it tells what fails."""
        return self if self.request else replace(self, attempts=None, failures=[])


class Reactor:
    """`world` is what effects get, or `make_world` makes it for the first of them: a sandbox that runs none needs
    no secrets. `timer`, or what `make_timer` makes, keeps every Later. `log` is told of every rejection of a
    reaction's command: nobody waits for it; `stuck` of every step of a saga that was recorded as stuck, and why."""

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
        stuck: Callable[[Occasion, str], None] = lambda occasion, error: None,
    ) -> None:
        self._service = service
        self._executor = executor
        self._make_world = make_world or (lambda: world)
        self._make_timer = make_timer or (lambda: timer)
        self._now = now
        self._log = log
        self._stuck = stuck

    def drive(
        self,
        commit: Commit | Envelope,
        until: float,
        *,
        request: bool = False,
        fresh: bool = False,
        attempts: int | None = None,
    ) -> list[Reacted]:
        """Runs every reaction to a commit, and to the commits those make; `until` is on the executor's clock.

        A request follows the chain through what was done before, too: its answer needs the end. The queue does
        not: each commit has a message of its own. `fresh` says that nobody else can have seen the commit yet;
        `attempts` that this is the last of so many: a saga's step that fails again is recorded as stuck.
        One that fails does not keep the others from being run. Raises in the end what the first of them raised:
        OutcomePending where an effect can't tell yet or time is over, ReactionLoop instead of a command that would
        be one too deep; what was done stays done.
        """
        drive = _Drive(until, request, attempts)
        self._react(commit, fresh, drive)
        if drive.failures:
            raise _first(drive.failures)
        return drive.done

    @cached_property
    def _world(self) -> Any:
        return self._make_world()

    @cached_property
    def _timer(self) -> Timer:
        timer = self._make_timer()
        if timer is None:
            raise DefinitionError("a reaction answered Later, and this Reactor was given no timer")
        return timer

    def _react(self, commit: Commit | Envelope, fresh: bool, drive: "_Drive") -> None:
        aggregate = self._service.aggregates[commit.stream.category]
        for id, event in events_of(commit, aggregate, self._executor.reading(aggregate, commit)):
            if isinstance(event, SagaRetried):
                saga = self._service.sagas[aggregate.category]
                again = retried(self._executor, saga, commit.stream, event, id)
                self._try(again, drive.until, False, drive)
                continue
            reactions = self._service.reactions.to(aggregate, type(event))
            if drive.request:  # which most sagas end in: the queue sets the timeouts of the others
                reactions = [each for each in reactions if not each.at]
            for n, reaction in enumerate(reactions):
                left = sum(each.world for each in reactions[n:])
                self._try(Occasion(reaction, id, event, commit, id), drive.share(left, self._executor), fresh, drive)

    def _try(self, occasion: Occasion, until: float, fresh: bool, drive: "_Drive") -> None:
        made: list[Committed] = []
        try:
            for outcome in self._run(occasion, until, fresh):
                drive.done.append(Reacted(occasion.reaction.name, outcome))
                if isinstance(outcome, Committed):
                    made.append(outcome)
                else:
                    self._rejected(occasion, outcome)
        except Exception as error:  # noqa: BLE001 - kept for the end: the other reactions are run first
            self._failed(occasion, error, drive)
        for outcome in made:
            if outcome.commit and (drive.request or not outcome.replayed):
                self._react(outcome.commit, not outcome.replayed, drive.follow())

    def _rejected(self, occasion: Occasion, rejection: Rejection) -> None:
        """Of a saga's step a no is final: only a person can go on from there."""
        self._log(Reacted(occasion.reaction.name, rejection))
        if occasion.reaction.saga is not None:
            self._stick(occasion, f"rejected: {rejection.code}: {self._executor.told(rejection)}", 1)

    def _failed(self, occasion: Occasion, error: Exception, drive: "_Drive") -> None:
        final = drive.attempts is not None or isinstance(error, ReactionLoop)
        if occasion.reaction.saga is not None and final:
            try:
                kept = described(error, personal=self._executor.keyring is not None)
                self._stick(occasion, kept, drive.attempts or 1)
                return
            except Exception as fault:  # noqa: BLE001 - told with the error: it goes to the dead letters
                error.add_note(f"and it could not be recorded: {fault!r}")
        drive.failures.append(error)

    def _stick(self, occasion: Occasion, error: str, attempts: int) -> None:
        recorded = record_stuck(self._executor, occasion, error, attempts)
        if recorded is not None and not recorded.replayed:
            self._stuck(occasion, error)

    def _run(self, occasion: Occasion, until: float, fresh: bool) -> Iterator[Committed | Rejection]:
        reaction, commit, key = occasion.reaction, occasion.commit, occasion.key
        left = until - self._executor.clock()
        if left <= 0:
            raise OutcomePending(f"{reaction.name}: no time left")
        context = ReactionContext(self._now(), left, key, commit.stream.id, str(commit.stream.tenant))
        if (reaction.world or reaction.saga) and not fresh:
            over, earlier, _ = fate_of(self._executor, occasion)
            if earlier is not None:
                result = self._executor.result_of(earlier, reaction.of)
                yield Committed(commit.stream, earlier.first, earlier.next, result, True, commit=earlier)
            if over:
                return
        if reaction.world:
            self._check_depth(occasion)  # before the outside world is asked
            answers: list[Command | Later] = [
                self._settling(reaction, commit.stream, reaction.function(occasion.event, self._world, context))
            ]
        else:
            made = reaction.function(occasion.event, context)
            answers = [] if made is None else [made] if isinstance(made, Command | Later) else list(made)
        for n, answer in enumerate(answers):
            about = CommandContext(
                command_id=key if n == 0 else f"{key}.{n}",
                request_hash=reaction.name,
                keyed=True,
                repeated=not fresh,
                deadline=until,
                correlation=commit.correlation,
                causation=occasion.id,
                actor=f"{REACTION}:{reaction.name}",
                traceparent=commit.traceparent,
                depth=commit.depth + 1,
            )
            if isinstance(answer, Later):
                if answer.at > context.now:
                    self._timer.set(answer.at, commit.stream.tenant, answer.command, replace(about, depth=0))
                    continue
                answer = answer.command
            self._check_depth(occasion)
            aggregate = self._service.aggregate_of(type(answer))
            yield self._executor.execute(aggregate, commit.stream.tenant, answer, about)

    def _check_depth(self, occasion: Occasion) -> None:
        commit = occasion.commit
        if commit.depth >= DEEPEST:
            raise ReactionLoop(
                f"{occasion.reaction.name} would answer {occasion.id}, {commit.depth + 1} reactions deep, and more "
                f"than {DEEPEST} are taken for a loop. Nothing was executed; it came here by {self._chain(commit)}. "
                "End it in one of the reactions to these events, or let time pass with Later"
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


def _first(failures: list[Exception]) -> Exception:
    """Of several the one that tells most; the others are noted on it. A loop comes last: nothing but it may be left
    to do where a message is given up for it."""
    ranks = [isinstance(each, OutcomePending | Unavailable) + 2 * isinstance(each, ReactionLoop) for each in failures]
    first = failures[ranks.index(min(ranks))]
    for other in failures:
        if other is not first:
            first.add_note(f"beside it: {described(other)}")
    return first
