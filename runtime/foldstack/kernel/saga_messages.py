"""What Foldstack itself records in a saga's stream, and the commands that a person gives one.

They are called `CATEGORY.SagaStuck` and so on: each saga has types of its own, so that a consumer can choose one
saga's, and no name of a domain's is taken. The state does not change by them.
"""

import types
from typing import NamedTuple, TypeVar

from .messages import Command, Event, Message

M = TypeVar("M", bound=Message)


class SagaStuck(Event):
    """A step has used up its attempts, or its command was rejected: `event` is the id of what it answers."""

    step: str
    event: str
    error: str
    attempts: int


class SagaRetried(Event):
    """Somebody has a step tried anew."""

    step: str
    event: str
    by: str
    reason: str


class SagaStepSkipped(Event):
    """Somebody has a step counted as done, though it is not."""

    step: str
    event: str
    by: str
    reason: str


class SagaCommand(Command):
    """A command that no queue and no door takes from anybody: a reactor gives it, or whoever operates the service."""

    saga_id: str


class RecordSagaStuck(SagaCommand):
    step: str
    event: str
    error: str
    attempts: int


class RetrySagaStep(SagaCommand):
    step: str
    event: str
    by: str
    reason: str


class SkipSagaStep(SagaCommand):
    step: str
    event: str
    by: str
    reason: str


class CancelSaga(SagaCommand):
    """Decided by the domain (`Saga.cancel`): events that set off compensations, or a rejection where it is too late."""

    by: str
    reason: str


class SagaTypes(NamedTuple):
    """One saga's own."""

    stuck: type[SagaStuck]
    retried: type[SagaRetried]
    skipped: type[SagaStepSkipped]
    record_stuck: type[RecordSagaStuck]
    retry: type[RetrySagaStep]
    skip: type[SkipSagaStep]
    cancel: type[CancelSaga]

    @classmethod
    def of(cls, category: str) -> "SagaTypes":
        """Those of the sagas whose streams are of a category."""
        return cls(
            _own(category, SagaStuck),
            _own(category, SagaRetried),
            _own(category, SagaStepSkipped),
            _own(category, RecordSagaStuck),
            _own(category, RetrySagaStep),
            _own(category, SkipSagaStep),
            _own(category, CancelSaga),
        )


def _own(category: str, base: type[M]) -> type[M]:
    return types.new_class(base.__name__, (base,), {"name": f"{category}.{base.__name__}"})
