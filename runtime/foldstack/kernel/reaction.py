"""What answers an event: automations (pure, event to commands) and effects (the outside world, one command).

Both are run by a request for some seconds, and by the delayed queue until they are done; every command they
make has an id derived from the event, so it takes effect once, whoever runs it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .aggregate import Aggregate
from .errors import DefinitionError
from .messages import Command, Event

if TYPE_CHECKING:
    from .saga import Saga


@dataclass(frozen=True, slots=True)
class ReactionContext:
    """`now` is the time to put into commands, `seconds` how long the outside world may take, `key` names this
    reaction to this event, the same at every repetition: give it to the outside world as idempotency key."""

    now: datetime
    seconds: float
    key: str
    stream_id: str
    tenant: str


class OutcomePending(Exception):
    """Raised by an effect when it can't yet know what happened. It will be run again, never taken as a no."""


@dataclass(frozen=True, slots=True)
class Later:
    """A command for a moment to come: an automation answers it in the place of a command. It takes effect once, within
    a minute of `at` as a rule; where that is over already, at once.

    Whatever is waited for may have happened by then: its decider decides, as for any command.
    """

    command: Command
    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise DefinitionError(
                f"Later({type(self.command).__name__}, at={self.at.isoformat()}): a moment has a time zone; "
                "reckon it from the event's own times, or from `context.now`"
            )


Automation = Callable[[Any, ReactionContext], Command | Later | Sequence[Command | Later] | None]
EffectFunction = Callable[[Any, Any, ReactionContext], Command]


@dataclass(frozen=True, slots=True)
class Reaction:
    """`world` says that the function gets the outside world, and answers a command of the event's own stream.

    A step of a `saga` may undo another, which it `compensates`; what is `final` nothing undoes; a timeout has the
    moment in the event's field `at`. `module` is where the function was declared.
    """

    name: str
    on: type[Event]
    of: Aggregate
    function: Callable[..., Any]
    world: bool
    saga: "Saga | None" = None
    compensates: str = ""
    final: bool = False
    at: str = ""
    module: str = ""


class Reactions:
    """The automations and effects of a service.

        reactions = Reactions()

        @reactions.automation(on=PurchasePaid, of=purchase)
        def sell(event, context): return SellReservation(...)

        @reactions.automation(on=ProductReserved, of=product)
        def expire(event, context): return Later(ExpireReservation(...), event.expires_at)

        @reactions.effect(on=PurchaseBegan, of=purchase)
        def charge(event, world, context): return SettlePurchase(...)

    An effect's outcome is a command on the stream whose event asked for it: that is how it is known to be done.
    """

    def __init__(self, reactions: Iterable[Reaction] = (), sagas: Iterable["Saga"] = ()) -> None:
        self.sagas = tuple(sagas)
        self.all = [*reactions, *(step for saga in self.sagas for step in saga.steps.values())]

    def automation(self, *, on: type[Event], of: Aggregate) -> Callable[[Automation], Automation]:
        def register(function: Automation) -> Automation:
            self.all.append(Reaction(function.__name__, on, of, function, world=False))
            return function

        return register

    def effect(self, *, on: type[Event], of: Aggregate) -> Callable[[EffectFunction], EffectFunction]:
        def register(function: EffectFunction) -> EffectFunction:
            self.all.append(Reaction(function.__name__, on, of, function, world=True))
            return function

        return register

    def to(self, aggregate: Aggregate, event: type[Event]) -> list[Reaction]:
        return [r for r in self.all if r.of is aggregate and r.on is event]

    def stored_types(self) -> frozenset[str]:
        """The names of stored events that may have a reaction, or have a saga's step tried anew."""
        names = frozenset(saga.types.retried.type_name for saga in self.sagas)
        for reaction in self.all:
            names |= reaction.of.upcasters.sources(frozenset({reaction.on.type_name}))
        return names
