"""What a person may do with a saga: look at it, have a step tried anew, count one as done, or cancel it all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from .commit import CommandContext, Commit
from .decision import Rejection
from .errors import Contention, InvalidValue, OperationRefused, PreconditionFailed
from .executor import Committed, Executor
from .idempotency import command_id
from .keys import StreamId
from .occasion import Occasion
from .saga import Saga
from .saga_messages import SagaCommand
from .saga_steps import SagaReport, report
from .service import Service

_TRIES = 10
_OPEN = ("stuck", "pending", "failing")


class Order(NamedTuple):
    """Who asks for it and why, which is kept in the stream; one `key` is carried out once. `step` says which where
    several are stuck."""

    stream: StreamId
    by: str
    reason: str
    key: str
    step: str = ""


class SagaOperations:
    """All of them raise OperationRefused for what is not possible as things are, InvalidValue for no such saga."""

    def __init__(
        self, service: Service, executor: Executor, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._service = service
        self._executor = executor
        self._now = now

    def show(self, stream: StreamId) -> SagaReport:
        return report(self._service, self._executor, self._saga(stream), stream, self._now())

    def retry(self, order: Order) -> Commit:
        """What is recorded has the step tried anew: by whoever drives the commit, and by the queue."""

        def decide(shown: SagaReport) -> tuple[SagaCommand, CommandContext]:
            occasion = self._chosen(shown, order.step)
            command = shown.saga.types.retry(
                saga_id=order.stream.id,
                step=occasion.reaction.name,
                event=occasion.id,
                by=order.by,
                reason=order.reason,
            )
            return command, self._context(order, shown, command_id("saga", "retry", order.key))

        return self._execute(order, decide)

    def skip(self, order: Order) -> Commit:
        """It takes the place of the step's outcome: one that arrives later has no effect."""

        def decide(shown: SagaReport) -> tuple[SagaCommand, CommandContext]:
            occasion = self._chosen(shown, order.step)
            command = shown.saga.types.skip(
                saga_id=order.stream.id,
                step=occasion.reaction.name,
                event=occasion.id,
                by=order.by,
                reason=order.reason,
            )
            context = self._context(order, shown, occasion.key)
            return command, replace(context, request_hash=occasion.reaction.name)  # as the step's own outcome has it

        return self._execute(order, decide)

    def cancel(self, order: Order) -> Commit:
        """As the domain decides it."""

        def decide(shown: SagaReport) -> tuple[SagaCommand, CommandContext]:
            saga = shown.saga
            if not saga.can_be_cancelled:
                raise OperationRefused(
                    f"saga {saga.name} cannot be cancelled: its domain declares no `@{saga.name}.cancel`"
                )
            command = saga.types.cancel(saga_id=order.stream.id, by=order.by, reason=order.reason)
            return command, self._context(order, shown, command_id("saga", "cancel", order.key))

        return self._execute(order, decide)

    def _execute(self, order: Order, decide: Callable[[SagaReport], tuple[SagaCommand, CommandContext]]) -> Commit:
        """On the newest state: what happens meanwhile is looked at first."""
        for field in ("by", "reason", "key"):
            if not getattr(order, field):
                raise InvalidValue(field, "say it: it is kept in the saga's stream")
        for _ in range(_TRIES):
            shown = self.show(order.stream)
            command, context = decide(shown)
            try:
                outcome = self._executor.execute(shown.saga.of, order.stream.tenant, command, context)
            except PreconditionFailed:
                continue
            return self._answered(shown, command, outcome)
        raise Contention(f"{order.stream.key} keeps changing: nothing was done, try again")

    def _answered(self, shown: SagaReport, command: SagaCommand, outcome: Committed | Rejection) -> Commit:
        if isinstance(outcome, Rejection):
            raise OperationRefused(f"{shown.stream.path}: {outcome.detail} ({outcome.code})")
        status = shown.progress.status if shown.progress else "not begun"
        if outcome.commit is None:
            raise OperationRefused(f"{shown.stream.path} is {status}: there is nothing to do")
        if isinstance(command, shown.saga.types.skip) and not shown.saga.skipped(outcome.commit):
            raise OperationRefused(f"{command.step} of {shown.stream.path} is done: there is nothing to skip")
        return outcome.commit

    def _context(self, order: Order, shown: SagaReport, id: str) -> CommandContext:
        """In the saga's own trace and correlation."""
        return CommandContext(
            command_id=id,
            request_hash="operator",
            keyed=True,
            expected=shown.version,
            correlation=shown.begun.correlation,
            actor=f"operator:{order.by}",
            traceparent=shown.begun.traceparent,
        )

    def _chosen(self, shown: SagaReport, step: str) -> Occasion:
        """The step that is stuck; or that of the name, if it is not over."""
        if step and step not in shown.saga.steps:
            raise InvalidValue("step", f"is one of {', '.join(shown.saga.steps)}; got {step!r}")
        wanted = [
            (occasion, each)
            for occasion, each in shown.steps
            if (each.step == step or not step) and (each.status == "stuck" or (step and each.status in _OPEN))
        ]
        if not wanted:
            raise OperationRefused(f"{shown.stream.path} has no step {step or 'that is stuck'}: {_told(shown)}")
        if not step and len({each.step for _, each in wanted}) > 1:
            raise OperationRefused(f"several steps of {shown.stream.path} are stuck, say which: {_told(shown)}")
        return next((occasion for occasion, each in wanted if each.status == "stuck"), wanted[-1][0])

    def _saga(self, stream: StreamId) -> Saga:
        saga = self._service.sagas.get(stream.category)
        if saga is None:
            there = ", ".join(sorted(self._service.sagas)) or "none"
            raise InvalidValue("stream", f"{stream.category} is no saga's; there are sagas of {there}")
        return saga


def _told(shown: SagaReport) -> str:
    return ", ".join(f"{each.step} is {each.status}" for _, each in shown.steps) or "it has not begun"
