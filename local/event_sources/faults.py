"""What may go wrong on the way to a function, on purpose: the guarantees are tested under these."""

import random
import threading
from collections.abc import MutableSequence
from typing import Any

from ..invocation import Crash


class Faults:
    """Each figure is how often, from 0 to 1; all draws come from one seed.

    `duplicate`: what was delivered comes again. `delay`: a delivery waits for up to `delay_seconds` (a queue lets
    others overtake it; a stream keeps its order). `shuffle`: a queue's batch is put out of order. `throttle`: the
    call is refused. `crash`: the function is killed before or after its work.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        duplicate: float = 0.0,
        delay: float = 0.0,
        delay_seconds: float = 0.3,
        shuffle: float = 0.0,
        throttle: float = 0.0,
        crash: float = 0.0,
    ) -> None:
        chances = {
            "duplicate": duplicate,
            "delay": delay,
            "shuffle": shuffle,
            "throttle": throttle,
            "crash": crash,
        }
        for name, chance in chances.items():
            if not 0 <= chance <= 1:
                raise ValueError(f"Faults: {name} is {chance}; it is how often, from 0 to 1")
        self._chances = chances
        self._delay_seconds = delay_seconds
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def duplicate(self) -> bool:
        return self._happens("duplicate")

    def throttle(self) -> bool:
        return self._happens("throttle")

    def crash(self) -> Crash | None:
        if not self._happens("crash"):
            return None
        with self._lock:
            return self._random.choice(("before", "after"))

    def delay(self) -> float:
        """Seconds to hold a delivery back; mostly 0."""
        if not self._happens("delay"):
            return 0.0
        with self._lock:
            return self._random.uniform(0, self._delay_seconds)

    def shuffle(self, batch: MutableSequence[Any]) -> None:
        if self._happens("shuffle"):
            with self._lock:
                self._random.shuffle(batch)

    def _happens(self, name: str) -> bool:
        with self._lock:
            return self._random.random() < self._chances[name]


NONE = Faults()
