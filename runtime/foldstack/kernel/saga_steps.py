"""What every step of one saga has come to, as its stream and those of its commands tell."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from .commit import Commit, event_id
from .errors import described
from .executor import Executor
from .history import PastEvent, history
from .keys import StreamId
from .messages import Command, Event
from .occasion import Occasion
from .projection import EventMeta
from .reaction import Later, ReactionContext
from .saga import Saga
from .saga_messages import SagaRetried, SagaStepSkipped, SagaStuck
from .saga_progress import SagaProgress, progress
from .service import Service

if TYPE_CHECKING:
    from .personal import Reading

StepStatus = Literal["done", "pending", "scheduled", "stuck", "skipped", "overtaken", "compensated", "failing"]
Kind = Literal["effect", "automation", "timeout"]


@dataclass(frozen=True)
class Happening:
    """Something that was recorded of a step: stuck, retried or skipped."""

    what: str
    time: str
    by: str
    why: str


@dataclass(frozen=True)
class StepReport:
    """A step for one event. `pending`: no outcome is recorded, and a command that had nothing to do leaves none.
    `overtaken`: its compensation was set off before it was done, or the saga ended before a timeout was over;
    `compensated`: that compensation is done. `failing`: an automation
    that raises now. `at` is when it was done, or for a timeout when it is due."""

    step: str
    kind: Kind
    event: str
    on: str
    status: StepStatus
    at: str = ""
    compensates: str = ""
    error: str = ""
    happened: tuple[Happening, ...] = ()


@dataclass
class SagaReport:
    """One saga at `version` of its stream. `begun` is the commit that it began with, or the stream's first."""

    saga: Saga
    stream: StreamId
    version: int
    begun: Commit
    progress: SagaProgress | None = None
    steps: list[tuple[Occasion, StepReport]] = field(default_factory=list)


def report(service: Service, executor: Executor, saga: Saga, stream: StreamId, now: datetime) -> SagaReport:
    """Raises InvalidValue where there is no such stream. Automations are pure: they are asked what they command."""
    past = history(executor.store, stream)
    commits = {each.commit.command_id: each.commit for each in past.events}
    made = SagaReport(saga, stream, past.version, past.events[0].commit)
    occasions: list[Occasion] = []
    happened: dict[tuple[str, str], list[Happening]] = {}
    ended = 0
    keyring = executor.keyring_of(saga.of)
    reading = keyring.opener(stream.tenant, *(each.event.data for each in past.events)) if keyring else None
    for each in past.events:
        for id, event in _decoded(saga, stream, each, reading):
            about = EventMeta(
                stream.id, each.event.version, each.commit.time, each.commit.causation, each.commit.reaction
            )
            made.progress = progress(saga, made.progress, event, about)
            if isinstance(event, saga.begins):
                made.begun = each.commit
            if type(event) in saga.ends:
                ended = each.event.version
            if isinstance(event, SagaStuck | SagaRetried | SagaStepSkipped):
                found = happened.setdefault((event.step, event.event), [])
                found.append(_happening(event, each.commit))
            occasions += [
                Occasion(step, id, event, each.commit, id) for step in saga.steps.values() if step.on is type(event)
            ]
    outcomes = _Outcomes(service, executor, saga, now, commits, made.progress, ended)
    steps = [(each, outcomes.of(each)) for each in occasions]
    for occasion, step in steps:
        notes = tuple(happened.get((step.step, step.event), ()))
        made.steps.append((occasion, replace(_undone(step, steps), happened=notes)))
    return made


class _Outcomes:
    def __init__(
        self,
        service: Service,
        executor: Executor,
        saga: Saga,
        now: datetime,
        commits: dict[str, Commit],
        row: SagaProgress | None,
        ended: int,
    ) -> None:
        self._service = service
        self._executor = executor
        self._saga = saga
        self._now = now
        self._commits = commits
        self._ended = ended
        self._stuck = {(each.step, each.event): each for each in (row.stuck if row else ())}

    def of(self, occasion: Occasion) -> StepReport:
        reaction = occasion.reaction
        kind: Kind = "effect" if reaction.world else "timeout" if reaction.at else "automation"
        step = StepReport(
            reaction.name, kind, occasion.id, reaction.on.type_name, "pending", compensates=reaction.compensates
        )
        found = self._commits.get(occasion.key)
        if found is not None and self._saga.skipped(found):
            return replace(step, status="skipped", at=found.time)
        stuck = self._stuck.get((reaction.name, occasion.id))
        if stuck is not None:
            return replace(step, status="stuck", at=_text(stuck.since), error=stuck.error)
        if reaction.world:
            return replace(step, status="done", at=found.time) if found is not None else step
        try:
            return self._commanded(occasion, step)
        except Exception as error:  # noqa: BLE001 - the domain's own: shown, as it is what keeps the step from being done
            told = described(error, personal=self._executor.keyring is not None)
            return replace(step, status="failing", error=told)

    def _commanded(self, occasion: Occasion, step: StepReport) -> StepReport:
        """By the commits of its commands, wherever they are."""
        stream = occasion.commit.stream
        context = ReactionContext(self._now, 0.0, occasion.key, stream.id, str(stream.tenant))
        made: Any = occasion.reaction.function(occasion.event, context)
        answers = [] if made is None else [made] if isinstance(made, Command | Later) else list(made)
        times = []
        for n, answer in enumerate(answers):
            command = answer.command if isinstance(answer, Later) else answer
            aggregate = self._service.aggregate_of(type(command))
            target = StreamId.of(stream.tenant, aggregate.category, getattr(command, aggregate.rule(type(command)).by))
            key = occasion.key if n == 0 else f"{occasion.key}.{n}"
            commit = self._executor.find(target, aggregate, key)
            if commit is not None:
                times.append(commit.time)
            elif occasion.reaction.at and self._ended > occasion.version:
                return replace(step, status="overtaken")
            elif isinstance(answer, Later) and answer.at > self._now:
                return replace(step, status="scheduled", at=_text(answer.at))
            else:
                return step
        return replace(step, status="done", at=max(times, default=occasion.commit.time))


def _undone(step: StepReport, steps: list[tuple[Occasion, StepReport]]) -> StepReport:
    """The step as its compensation leaves it: the first one that was set off later."""
    own = next(occasion for occasion, each in steps if each is step)
    for occasion, other in steps:
        if other.compensates == step.step and occasion.version > own.version and step.status != "skipped":
            if other.status == "done":
                return replace(step, status="compensated", at=other.at)
            return step if step.status == "done" else replace(step, status="overtaken", at=occasion.commit.time)
    return step


def _decoded(saga: Saga, stream: StreamId, past: PastEvent, reading: "Reading | None") -> list[tuple[str, Event]]:
    id = event_id(stream, past.event.version)
    made = saga.of.upcasters.decode(past.event, reading)
    return [(id if n == 0 else f"{id}.{n}", event) for n, event in enumerate(made)]


def _happening(event: SagaStuck | SagaRetried | SagaStepSkipped, commit: Commit) -> Happening:
    if isinstance(event, SagaStuck):
        return Happening("stuck", commit.time, "", f"{event.error} (attempts: {event.attempts})")
    return Happening("retried" if isinstance(event, SagaRetried) else "skipped", commit.time, event.by, event.reason)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
