"""A saga: a process with a state, timeouts, and compensations that run. Its stream is its history.

The state is an aggregate's, which decides as every aggregate does; the saga is the reactions to its events, and what
Foldstack adds to them: a step that can't be done is recorded in the stream (`saga_messages`), shown in a view of the
saga's name (`saga_progress`), and retried, skipped or cancelled by hand (`saga_operations`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar, get_args

from .aggregate import Aggregate
from .commit import Commit
from .decision import Decision
from .errors import DefinitionError
from .messages import Command, Event
from .reaction import Automation, EffectFunction, Later, Reaction, ReactionContext
from .saga_messages import CancelSaga, SagaTypes
from .saga_progress import SagaProjection

F = TypeVar("F", bound=Callable[..., Any])
Timeout = Callable[[Any, ReactionContext], Command]
Cancel = Callable[[CancelSaga, Any], Decision]


class Saga:
    """Named `name`, of the streams of an aggregate, from the event `begins` to one of `ends`.

        checkout = Saga("checkout", of=purchase, begins=PurchaseBegan, ends=(PurchasePaid, PurchaseCancelled))

        @checkout.effect(on=PurchaseBegan)
        def charge(event, world, context): return SettlePurchase(...)

        @checkout.timeout(on=PurchaseBegan, at="deadline")
        def give_up(event, context): return CancelPurchase(...)

        @checkout.effect(on=PurchaseCancelling, compensates=charge)
        def refund(event, world, context): return SettleCancellation(...)

        @checkout.cancel
        def cancel(command, state): return PurchaseCancelling(...)

    A compensation runs whether its step was done, was not, or nobody knows: it asks the outside world to undo what
    there is, and to refuse what is still under way. From its event on the step itself is not begun any more.
    """

    def __init__(self, name: str, *, of: Aggregate, begins: type[Event], ends: Sequence[type[Event]]) -> None:
        self.name = name
        self.of = of
        self.begins = begins
        self.ends = frozenset(ends)
        self.steps: dict[str, Reaction] = {}
        for event in (begins, *ends):
            self._check_event(event, "begins with" if event is begins else "ends with")
        if not ends or begins in ends:
            raise DefinitionError(f"saga {name} needs events that it ends with, others than {begins.__name__}")
        self.types = self._own_types()

    def effect(
        self, *, on: type[Event], compensates: Callable[..., Any] | None = None, final: bool = False
    ) -> Callable[[EffectFunction], EffectFunction]:
        """Registers a step in the outside world. Either another effect `compensates` it, or it is `final`: nothing
        undoes it."""

        def register(function: EffectFunction) -> EffectFunction:
            self._add(self._step(function, on, function, world=True), compensates, final)
            return function

        return register

    def automation(
        self, *, on: type[Event], compensates: Callable[..., Any] | None = None
    ) -> Callable[[Automation], Automation]:
        """Registers a step that gives commands to other streams. What undoes it is a step like any other."""

        def register(function: Automation) -> Automation:
            self._add(self._step(function, on, function, world=False), compensates, final=False)
            return function

        return register

    def timeout(self, *, on: type[Event], at: str) -> Callable[[Timeout], Timeout]:
        """Registers `timeout(event, context)`, a command to the saga's own stream, given at the moment that the
        event holds in its field `at`; where that is None there is no timeout. The queue sets it, not a request."""
        field = on.model_fields.get(at)
        if field is None or datetime not in (field.annotation, *get_args(field.annotation)):
            raise DefinitionError(
                f"saga {self.name}: {on.__name__} has no field {at!r} with a moment (datetime). The event says when "
                "its time is over: then a replay knows it, and so does the saga's view"
            )

        def register(function: Timeout) -> Timeout:
            step = self._step(function, on, self._later(function, at), world=False)
            self._add(replace(step, at=at), None, final=False)
            return function

        return register

    def cancel(self, function: Cancel) -> Cancel:
        """Registers `cancel(command, state)`: how the domain decides a person's wish to end the saga."""
        self.of.decides(self.types.cancel, by="saga_id")(function)
        return function

    @property
    def can_be_cancelled(self) -> bool:
        return self.types.cancel in self.of.commands

    @cached_property
    def projection(self) -> SagaProjection:
        """How far each saga is, as a view."""
        return SagaProjection(self)

    def compensations(self, step: str) -> list[Reaction]:
        return [each for each in self.steps.values() if each.compensates == step]

    def overtaken(self, reaction: Reaction, version: int, prev: dict[str, int]) -> bool:
        """Whether a compensation of a step was set off after the event it answers; or the saga has ended, for a
        timeout. `prev` as `Stream.prev`."""
        by = self.ends if reaction.at else {each.on for each in self.compensations(reaction.name)}
        names = frozenset(each.type_name for each in by)
        return any(prev.get(name, 1) > version + 1 for name in self.of.upcasters.sources(names))

    def skipped(self, commit: Commit) -> bool:
        """Whether a commit says that a step was skipped."""
        return self.types.skipped.type_name in commit.types

    def check(self) -> None:
        """Raises DefinitionError where something was left out; called when the service is made."""
        undone = {each.compensates for each in self.steps.values()}
        for step in self.steps.values():
            if step.world and not step.compensates and not step.final and step.name not in undone:
                raise DefinitionError(
                    f"saga {self.name}: nothing undoes the effect {step.name}. Declare a step that does, "
                    f"`@saga.effect(on=..., compensates={step.name})`, or say that nothing can: final=True"
                )

    def _step(self, declared: Callable[..., Any], on: type[Event], run: Callable[..., Any], *, world: bool) -> Reaction:
        return Reaction(declared.__name__, on, self.of, run, world, self, module=declared.__module__)

    def _add(self, reaction: Reaction, compensates: Callable[..., Any] | None, final: bool) -> None:
        self._check_event(reaction.on, f"has a step {reaction.name} on")
        if reaction.name in self.steps:
            raise DefinitionError(f"saga {self.name}: two steps are called {reaction.name}; name one otherwise")
        undone = self._compensated(reaction, compensates) if compensates is not None else ""
        self.steps[reaction.name] = replace(reaction, compensates=undone, final=final)

    def _compensated(self, reaction: Reaction, function: Callable[..., Any]) -> str:
        for step in self.steps.values():
            if step.function is function:
                if step.on is reaction.on:
                    raise DefinitionError(
                        f"saga {self.name}: {reaction.name} would undo {step.name} on the very event that asks for it"
                    )
                return step.name
        raise DefinitionError(
            f"saga {self.name}: {reaction.name} compensates {getattr(function, '__name__', function)!s}, no effect or "
            f"automation declared before; there are {', '.join(self.steps) or 'none'}"
        )

    def _later(self, function: Timeout, at: str) -> Automation:
        def timeout(event: Any, context: ReactionContext) -> Later | None:
            moment = getattr(event, at)
            if moment is None:
                return None
            command = function(event, context)
            rule = self.of.rule(type(command)) if type(command) in self.of.commands else None
            if rule is None or getattr(command, rule.by) != context.stream_id:
                raise DefinitionError(
                    f"{function.__name__} is a timeout of saga {self.name}, and must answer a command to its own "
                    f"stream, {self.of.category} {context.stream_id}; it answered {command!r}"
                )
            return Later(command, moment)

        return timeout

    def _check_event(self, event: type[Event], what: str) -> None:
        if event not in self.of.events:
            there = ", ".join(sorted(each.__name__ for each in self.of.events)) or "none"
            raise DefinitionError(
                f"saga {self.name} {what} {event.__name__}, no event of {self.of.category}; there are {there}"
            )

    def _own_types(self) -> SagaTypes:
        made = SagaTypes.of(self.of.category)
        if made.stuck.type_name in {each.type_name for each in self.of.events}:
            raise DefinitionError(
                f"saga {self.name}: {self.of.category} has a saga already. An aggregate is the state of one saga; for "
                "another process over the same facts declare an aggregate of its own"
            )
        for event in (made.stuck, made.retried, made.skipped):
            self.of.evolves(event)(_unchanged)
        self.of.decides(made.record_stuck, by="saga_id")(lambda command, state: made.stuck(**_said(command)))
        self.of.decides(made.retry, by="saga_id")(lambda command, state: made.retried(**_said(command)))
        self.of.decides(made.skip, by="saga_id")(lambda command, state: made.skipped(**_said(command)))
        return made


def _unchanged(state: Any, event: Event) -> Any:
    return state


def _said(command: Command) -> dict[str, Any]:
    return command.model_dump(exclude={"saga_id"})
