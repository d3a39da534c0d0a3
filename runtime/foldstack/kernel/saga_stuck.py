"""A saga's step that can't be done: recorded in the saga's stream, once; and tried anew when a person says so."""

from .commit import CommandContext
from .errors import Contention, OperationRefused, PreconditionFailed
from .executor import Committed, Executor
from .idempotency import command_id
from .keys import StreamId
from .occasion import Occasion, events_of, fate_of, version_of
from .saga import Saga
from .saga_messages import SagaRetried

_TRIES = 10


def record_stuck(executor: Executor, occasion: Occasion, error: str, attempts: int) -> Committed | None:
    """Records that a step of a saga is stuck; None where it is done, or being undone, in the end.

    What it was decided on is the newest state: an outcome that is recorded meanwhile wins. Raises Unavailable, where
    nobody knows whether it is recorded: try again.
    """
    reaction, stream = occasion.reaction, occasion.commit.stream
    saga = reaction.saga
    assert saga is not None
    command = saga.types.record_stuck(
        saga_id=stream.id, step=reaction.name, event=occasion.id, error=error, attempts=attempts
    )
    for _ in range(_TRIES):
        fate = fate_of(executor, occasion)
        if fate.over:
            return None
        try:
            outcome = executor.execute(
                reaction.of,
                stream.tenant,
                command,
                CommandContext(
                    command_id=command_id("stuck", reaction.name, occasion.id, occasion.asked_by),
                    request_hash="stuck",
                    keyed=True,
                    expected=fate.version,
                    correlation=occasion.commit.correlation,
                    causation=occasion.asked_by,
                    actor=f"saga:{saga.name}",
                    traceparent=occasion.commit.traceparent,
                ),
            )
        except PreconditionFailed:
            continue
        assert isinstance(outcome, Committed)
        return outcome
    raise Contention(f"{stream.key} keeps changing: that {reaction.name} is stuck could not be recorded")


def retried(executor: Executor, saga: Saga, stream: StreamId, event: SagaRetried, asked_by: str) -> Occasion:
    """What a person has tried anew. Raises OperationRefused where there is no such step or event."""
    step = saga.steps.get(event.step)
    commit = executor.commit_of(stream, version_of(event.event))
    if step is not None and commit is not None:
        for id, found in events_of(commit, saga.of, executor.reading(saga.of, commit)):
            if id == event.event and type(found) is step.on:
                return Occasion(step, id, found, commit, asked_by)
    raise OperationRefused(f"{asked_by} asks for step {event.step!r} of {event.event}: saga {saga.name} has none there")
