"""What the clock sets off: a schedule's function answers a tick with commands, whose events say what time it was."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .errors import DefinitionError
from .keys import Tenant
from .messages import Command


@dataclass(frozen=True, slots=True)
class Tick:
    """`at` is the moment that the schedule was to fire at, in UTC: the same however late and often it does."""

    schedule: str
    tenant: Tenant
    at: datetime


TickFunction = Callable[[Tick], Command | Sequence[Command] | None]


class Schedules:
    """The schedules of a service, by name. When they fire, and for which tenants, is the stack's to say.

        schedules = Schedules()

        @schedules.on("close-day")
        def close(tick): return CloseDay(day=tick.at.date().isoformat(), at=tick.at)

    The function is pure: what it knows of the time is in the tick, and a tick that comes twice takes effect once.
    """

    def __init__(self) -> None:
        self.all: dict[str, TickFunction] = {}

    def on(self, name: str) -> Callable[[TickFunction], TickFunction]:
        def register(function: TickFunction) -> TickFunction:
            if name in self.all:
                raise DefinitionError(f"two functions answer the schedule {name}")
            self.all[name] = function
            return function

        return register

    def commands(self, tick: Tick) -> list[Command]:
        """What is to be done at a tick."""
        made = self.all[tick.schedule](tick)
        return [] if made is None else [made] if isinstance(made, Command) else list(made)

    def check(self, service: str, deployed: Sequence[str]) -> None:
        """Raises DefinitionError where the stack has other schedules than the domain."""
        wanted, strangers = sorted(self.all.keys() - set(deployed)), sorted(set(deployed) - self.all.keys())
        if strangers:
            raise DefinitionError(
                f"the stack has the schedules {', '.join(strangers)}, and {service} answers "
                f"{', '.join(sorted(self.all)) or 'none'}: declare it, @schedules.on({strangers[0]!r}), in the "
                "Schedules that its Service is given, or take it from the `schedules` of the EventSourcedService"
            )
        if wanted:
            raise DefinitionError(
                f"{service} answers the schedules {', '.join(wanted)}, and the stack does not fire them: add them to "
                "the `schedules` of the EventSourcedService, each with its expression and tenants, or drop them here"
            )
