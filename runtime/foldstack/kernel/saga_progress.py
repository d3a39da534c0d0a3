"""How far a saga is: a row for each, folded from its stream by what the saga declares."""

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from .fingerprint import fingerprint
from .messages import Event, State
from .projection import EventMeta, Projection
from .saga_messages import SagaRetried, SagaStepSkipped, SagaStuck

if TYPE_CHECKING:
    from .saga import Saga

Phase = Literal["running", "compensating", "ended", "cancelled"]
Status = Literal["running", "compensating", "stuck", "ended", "cancelled"]


class StuckStep(State):
    """A step that a person has to look at."""

    step: str
    event: str
    error: str
    attempts: int
    since: datetime


class SagaProgress(State):
    """`status` is `stuck` as long as one step is, else the phase. `step` and `error` are of the first that is stuck;
    `due` is when the timeout that was set last is over."""

    saga: str
    id: str
    status: Status
    phase: Phase
    began_at: datetime
    changed_at: datetime
    due: datetime | None = None
    step: str = ""
    error: str = ""
    stuck: tuple[StuckStep, ...] = ()


class SagaProjection(Projection[SagaProgress]):
    """Made by Foldstack from the declaration of a saga, and listed among the views by the saga's name."""

    def __init__(self, saga: "Saga") -> None:
        super().__init__(saga.name, of=saga.of, row=SagaProgress, indexed=("status", "changed_at"))
        self._saga = saga

        def progressed(row: SagaProgress | None, event: Any, meta: EventMeta) -> SagaProgress | None:
            return progress(saga, row, event, meta)

        for event in saga.of.events:
            self.on(event)(progressed)

    @property
    def fingerprint(self) -> str:
        """Changes with the modules that declare the saga's steps, too."""
        declared = sorted({step.module for step in self._saga.steps.values()})
        whole = "".join([super().fingerprint, *(fingerprint(module) for module in declared)])
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def progress(saga: "Saga", row: SagaProgress | None, event: Event, meta: EventMeta) -> SagaProgress | None:
    """The row after an event of the stream; None as long as the saga has not begun."""
    now = datetime.fromisoformat(meta.time)
    if isinstance(event, saga.begins) or (row is None and isinstance(event, SagaStuck)):
        row = SagaProgress(
            saga=saga.name, id=meta.stream_id, status="running", phase="running", began_at=now, changed_at=now
        )
    if row is None:
        return None
    phase, stuck, due = row.phase, row.stuck, row.due
    undoing = {each.compensates for each in saga.steps.values() if each.on is type(event) and each.compensates}
    if isinstance(event, SagaStuck):
        found = StuckStep(**event.model_dump(), since=now)
        stuck = (*without(stuck, event.step, event.event), found)
    elif isinstance(event, SagaRetried | SagaStepSkipped):
        stuck = without(stuck, event.step, event.event)
    else:
        stuck = without(stuck, meta.reaction, meta.causation)
        # What is being undone need not be done any more.
        stuck = tuple(each for each in stuck if each.step not in undoing)
    if undoing:
        phase = "compensating"
    for step in saga.steps.values():
        if step.at and step.on is type(event):
            due = getattr(event, step.at)
        elif step.at and step.name == meta.reaction:
            due = None
    if type(event) in saga.ends:
        phase, due = "cancelled" if phase == "compensating" else "ended", None
    first = stuck[0] if stuck else None
    return row.model_copy(
        update={
            "status": "stuck" if stuck else phase,
            "phase": phase,
            "due": due,
            "changed_at": now,
            "step": first.step if first else "",
            "error": first.error if first else "",
            "stuck": stuck,
        }
    )


def without(stuck: tuple[StuckStep, ...], step: str, event: str) -> tuple[StuckStep, ...]:
    return tuple(each for each in stuck if (each.step, each.event) != (step, event))
