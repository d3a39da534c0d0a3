"""The decider: what a command may do to a stream, and what its events make of the state."""

import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from .decision import Decision, Rejection
from .errors import DefinitionError
from .fingerprint import fingerprint
from .keys import check_category
from .messages import Command, Event, State
from .upcasting import Upcasters

S = TypeVar("S", bound=State)
C = TypeVar("C", bound=Command)
F = TypeVar("F", bound=Callable[..., Any])

SNAPSHOT_EVERY = 20


class Rule(NamedTuple):
    """How one command type is decided: `by` names the field that holds the stream's id."""

    decide: Callable[[Any, Any], Decision]
    by: str
    creates: bool
    strict: bool


class Aggregate(Generic[S]):
    """One kind of stream: a pure `decide` per command type and a pure `evolve` per event type.

        product = Aggregate("product", Product)

        @product.decides(CreateProduct, by="product_id", creates=True)
        def create(command, state): ...

        @product.evolves(ProductCreated)
        def created(state, event): ...

    `creates` says that the stream is usually new: it is put without a read. `strict` says that a key
    may be used once in the whole tenant, not once a stream (twice the write units).
    """

    def __init__(self, category: str, state: type[S]) -> None:
        self.category = check_category(category)
        self.state_type = state
        self.initial = state()
        self.upcasters = Upcasters()
        self._rules: dict[type[Command], Rule] = {}
        self._evolve: dict[type[Event], Callable[[Any, Any], S]] = {}
        self._module = state.__module__

    def decides(
        self, command: type[C], *, by: str, creates: bool = False, strict: bool = False
    ) -> Callable[[Callable[[C, S], Decision]], Callable[[C, S], Decision]]:
        """Registers `decide(command, state)` for one command type."""

        def register(decide: Callable[[C, S], Decision]) -> Callable[[C, S], Decision]:
            if command in self._rules:
                raise DefinitionError(f"{self.category}: {command.__name__} is decided twice")
            if by not in command.model_fields:
                raise DefinitionError(f"{self.category}: {command.__name__} has no field {by!r}")
            self._rules[command] = Rule(decide, by, creates, strict)
            return decide

        return register

    def evolves(self, event: type[Event]) -> Callable[[F], F]:
        """Registers `evolve(state, event)` for one event type; may be stacked for several."""

        def register(evolve: F) -> F:
            if event in self._evolve:
                raise DefinitionError(f"{self.category}: {event.__name__} is evolved twice")
            self._evolve[event] = evolve
            self.upcasters.know(event)
            return evolve

        return register

    def upcasts(
        self, type_name: str, from_version: int, makes: Iterable[type[Event]] = ()
    ) -> Callable[[Callable], Callable]:
        """Registers an upcaster for stored events of that name and version (see `Upcasters.add`)."""

        def register(upcast: Callable) -> Callable:
            self.upcasters.add(type_name, from_version, upcast, makes)
            return upcast

        return register

    @property
    def commands(self) -> frozenset[type[Command]]:
        return frozenset(self._rules)

    @property
    def events(self) -> frozenset[type[Event]]:
        return frozenset(self._evolve)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when code that the state depends on changes: a snapshot of another one is not used."""
        return fingerprint(self._module)

    @cached_property
    def personal(self) -> bool:
        """Whether something in it is about people, and kept under their keys. Raises DefinitionError where it could
        not be. Of a domain that never asked for `Personal`, nothing is looked at."""
        if f"{__package__}.personal" not in sys.modules:
            return False
        from .personal_check import of_aggregate

        return bool(of_aggregate(self))

    def rule(self, command: type[Command]) -> Rule:
        try:
            return self._rules[command]
        except KeyError:
            raise DefinitionError(f"{self.category} does not decide {command.__name__}") from None

    def decide(self, command: Command, state: S) -> tuple[Event, ...] | Rejection:
        """Events to store, none of them for a no-op; or a Rejection."""
        decision = self.rule(type(command)).decide(command, state)
        if isinstance(decision, Rejection):
            return decision
        events = () if decision is None else (decision,) if isinstance(decision, Event) else tuple(decision)
        for event in events:
            if type(event) not in self._evolve:
                raise DefinitionError(f"{self.category} has no evolve for {type(event).__name__}")
        return events

    def evolve(self, state: S, event: Event) -> S:
        return self._evolve[type(event)](state, event)

    def fold(self, events: Iterable[Event], state: S | None = None) -> S:
        """The state after `events`, from the initial one or from `state`."""
        folded = self.initial if state is None else state
        for event in events:
            folded = self._evolve[type(event)](folded, event)
        return folded

    def check(self) -> None:
        """Raises DefinitionError where declarations do not fit together; called when the service is made."""
        self.upcasters.check(self.category)
