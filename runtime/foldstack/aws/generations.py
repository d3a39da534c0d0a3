"""Which generation of a view to read, and which to feed, as one sandbox knows it: looked up again every few seconds."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from ..kernel.generations import Control
from ..kernel.messages import State
from ..kernel.projection import Projection

R = TypeVar("R", bound=State)

FEEDERS_LOOK = 2.0
"""Seconds after which whoever writes views knows of a new generation."""
READERS_LOOK = 10.0
"""Seconds after which whoever reads views follows the pointer."""
SETTLED = 6.0
"""Seconds that a rebuild waits before it counts on writers to know; their clocks may be off by the difference."""
READERS_GONE = 45.0
"""Seconds after which no request reads what the pointer has left: the look, and the longest that a request lasts."""


class ControlStore(Protocol):
    def control(self, projection: Projection, consistent: bool = True) -> Control:
        """The state of the view; that of a new one where nothing is kept."""
        ...

    def keep_control(self, projection: Projection, before: Control, after: Control) -> bool:
        """Puts the state if it is still the one read before. False where it is not: then nothing was written."""
        ...


class Generations:
    """A look is never older than `look` seconds when it is used: by the wall clock, which goes on while a sandbox
    is frozen. `make_store` is called by the first look."""

    def __init__(
        self,
        make_store: Callable[[], ControlStore],
        look: float,
        *,
        consistent: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._make_store = make_store
        self._look = look
        self._consistent = consistent
        self._clock = clock
        self._store: ControlStore | None = None
        self._known: dict[str, tuple[float, Control]] = {}
        self._bound: dict[tuple[str, int], Projection] = {}

    def live(self, projection: Projection[R]) -> Projection[R]:
        """The generation to read."""
        return self._in(projection, self._control(projection).live)

    def turn(self, projection: Projection[R]) -> tuple[Projection[R], int]:
        """The generation to read, and how often it has been another before."""
        control = self._control(projection)
        return self._in(projection, control.live), control.turn

    def fed(self, projection: Projection[R]) -> list[Projection[R]]:
        """The generations to write, the one that is read first."""
        return [self._in(projection, number) for number in self._control(projection).fed]

    def _control(self, projection: Projection) -> Control:
        now = self._clock()
        looked, control = self._known.get(projection.name, (0.0, None))
        if control is None or not looked <= now < looked + self._look:
            if self._store is None:
                self._store = self._make_store()
            control = self._store.control(projection, self._consistent)
            self._known[projection.name] = now, control  # of the time before the request: it is not younger
        return control

    def _in(self, projection: Projection[R], number: int) -> Projection[R]:
        """One object for each generation, so that it can stand for it in a set."""
        return self._bound.setdefault((projection.name, number), projection.in_generation(number))
