"""What may go wrong on the way to a function, on purpose: the guarantees are tested under these."""

import random
import threading
from collections import Counter
from collections.abc import MutableSequence
from typing import Any

from ..invocation import Crash


class Faults:
    """Each figure is how often, from 0 to 1; all draws come from one seed.

    `duplicate`: what was delivered comes again. `delay`: a delivery waits for up to `delay_seconds` (a queue lets
    others overtake it; a stream keeps its order). `shuffle`: a queue's batch is put out of order. `throttle`: the
    call is refused. `crash`: the function is killed before, amid or after its work. What fails comes back to a queue
    after `retry_seconds`.
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
        retry_seconds: int = 1,
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
        self.retry_seconds = retry_seconds
        self._delay_seconds = delay_seconds
        self._injected: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def injected(self) -> dict[str, int]:
        """How many there were, by kind."""
        with self._lock:
            return {name: self._injected[name] for name in self._chances}

    def duplicate(self) -> bool:
        return self._happens("duplicate")

    def throttle(self) -> bool:
        return self._happens("throttle")

    def crash(self) -> Crash | None:
        if not self._happens("crash"):
            return None
        with self._lock:
            return self._random.choice(("before", "amid", "after"))

    def delay(self) -> float:
        """Seconds to hold a delivery back; mostly 0."""
        if not self._happens("delay"):
            return 0.0
        with self._lock:
            return self._random.uniform(0, self._delay_seconds)

    def shuffle(self, batch: MutableSequence[Any]) -> None:
        if len(batch) > 1 and self._happens("shuffle"):
            with self._lock:
                self._random.shuffle(batch)

    def _happens(self, name: str) -> bool:
        with self._lock:
            happens = self._random.random() < self._chances[name]
            self._injected[name] += happens
            return happens


NONE = Faults()
