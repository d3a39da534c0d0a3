"""`given(events).when(command).then(events)`: the specification of a decider, without a store."""

from typing import Any

from .aggregate import Aggregate
from .decision import Rejection
from .messages import Command, Event, State


class Given:
    """A stream's history: `given(product, ProductCreated(...))`."""

    def __init__(self, aggregate: Aggregate, events: tuple[Event, ...]) -> None:
        self._aggregate = aggregate
        self._events = events

    def when(self, command: Command) -> "When":
        """Decides. Nothing is asserted yet."""
        state = self._aggregate.fold(self._events)
        return When(self._aggregate, state, self._aggregate.decide(command, state))


class When:
    """A decision, to be held against what was expected."""

    def __init__(self, aggregate: Aggregate, before: State, decision: tuple[Event, ...] | Rejection) -> None:
        self._aggregate = aggregate
        self._before = before
        self.decision = decision

    def then(self, *events: Event) -> "When":
        """Exactly these events, in this order; none means a no-op."""
        assert self.decision == events, f"expected {list(events)!r}\nbut decided {self.decision!r}"
        return self

    def then_rejected(self, code: str) -> Rejection:
        """A rejection with this code; answers it for a closer look."""
        assert isinstance(self.decision, Rejection), f"expected a rejection {code!r}\nbut decided {self.decision!r}"
        assert self.decision.code == code, f"expected a rejection {code!r}\nbut got {self.decision!r}"
        return self.decision

    def then_state(self, **fields: Any) -> "When":
        """The state after the decision has these values."""
        assert not isinstance(self.decision, Rejection), f"expected a state\nbut got {self.decision!r}"
        state = self._aggregate.fold(self.decision, self._before)
        actual = {name: getattr(state, name) for name in fields}
        assert actual == fields, f"expected the state {fields!r}\nbut it is {actual!r}"
        return self


def given(aggregate: Aggregate, *events: Event) -> Given:
    return Given(aggregate, events)
