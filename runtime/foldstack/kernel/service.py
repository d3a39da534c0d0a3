"""A whole domain, declared in one place: what the handlers are given to run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .aggregate import Aggregate
from .api import Api
from .cascade import Cascade
from .errors import DefinitionError
from .messages import Command
from .projection import Projection
from .reaction import Reactions
from .saga import Saga
from .saga_messages import SagaCommand
from .schedule import Schedules


@dataclass(frozen=True, slots=True)
class Settings:
    """What the outside world is built from: the function's environment, and its secrets by name."""

    environment: Mapping[str, str]
    secret: Callable[[str], str]


class Service:
    """`world(settings)` makes what effects get as their second argument; it is made once a sandbox. `commands` are
    those that a queue takes; a saga's own are not among them. `sagas` are by category, `cascades` by name.

    Raises DefinitionError where the declarations do not fit together, when the module loads.
    """

    def __init__(
        self,
        name: str,
        *,
        aggregates: Iterable[Aggregate],
        projections: Iterable[Projection] = (),
        reactions: Reactions | None = None,
        schedules: Schedules | None = None,
        sagas: Iterable[Saga] = (),
        cascades: Iterable[Cascade] = (),
        api: Api | None = None,
        world: Callable[[Settings], Any] | None = None,
    ) -> None:
        aggregates, sagas, cascades = list(aggregates), list(sagas), list(cascades)
        projections = [*projections, *(saga.projection for saga in sagas)]
        self.name = name
        self.aggregates = {a.category: a for a in aggregates}
        self.projections = {p.name: p for p in projections}
        self.sagas = {saga.of.category: saga for saga in sagas}
        self.reactions = reactions or Reactions()
        self.schedules = schedules or Schedules()
        self.cascades = {cascade.name: cascade for cascade in cascades}
        if len(self.cascades) != len(cascades):
            there = ", ".join(sorted(each.name for each in cascades))
            raise DefinitionError(f"{name}: two cascades have one name; there are {there}")
        if sagas:
            self.reactions = Reactions(self.reactions.all, sagas)
        self.api = api or Api()
        self.world = world
        self._deciders: dict[type[Command], Aggregate] = {}
        self.commands: dict[str, type[Command]] = {}
        self._check(aggregates, projections)

    @property
    def personal(self) -> bool:
        """Whether some of its data is about people: its functions then need their keys."""
        return any(each.personal for each in self.aggregates.values()) or any(
            each.reading is not None for each in self.projections.values()
        )

    def aggregate_of(self, command: type[Command]) -> Aggregate:
        try:
            return self._deciders[command]
        except KeyError:
            raise DefinitionError(f"no aggregate of {self.name} decides {command.__name__}") from None

    def _check(self, aggregates: list[Aggregate], projections: list[Projection]) -> None:
        if len(self.aggregates) != len(aggregates) or len(self.projections) != len(projections):
            raise DefinitionError(f"{self.name}: two aggregates of one category, or two projections of one name")
        events: dict[str, str] = {}
        for aggregate in aggregates:
            aggregate.check()
            for command in aggregate.commands:
                if not issubclass(command, SagaCommand) and (
                    self.commands.setdefault(command.type_name, command) is not command
                ):
                    raise DefinitionError(f"{self.name}: two commands are called {command.type_name}")
                if self._deciders.setdefault(command, aggregate) is not aggregate:
                    raise DefinitionError(f"{self.name}: {command.__name__} is decided by two aggregates")
            for event in aggregate.events:
                if events.setdefault(event.type_name, aggregate.category) != aggregate.category:
                    raise DefinitionError(f"{self.name}: events of two aggregates are called {event.type_name}")
        for projection in projections:
            if projection.of not in aggregates:
                raise DefinitionError(f"projection {projection.name} is of an aggregate that {self.name} does not have")
        for saga in self.sagas.values():
            saga.check()
        for cascade in self.cascades.values():
            cascade.check(self.aggregates)
        _ = [each.personal for each in aggregates], [each.reading for each in projections]
        named: set[tuple[str, str, str]] = set()
        for reaction in self.reactions.all:
            known = (reaction.of.category, reaction.on.type_name, reaction.name)
            if known in named:
                raise DefinitionError(f"two reactions to {reaction.on.__name__} are called {reaction.name}")
            named.add(known)
            if reaction.of not in aggregates or reaction.on not in reaction.of.events:
                raise DefinitionError(f"{reaction.name} answers {reaction.on.__name__}, no event of its aggregate")
            if reaction.world and self.world is None:
                raise DefinitionError(f"{reaction.name} is an effect, and {self.name} has no world")
