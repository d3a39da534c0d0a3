"""Messages that a queue source keeps in hand for a while, so that others overtake them or they come twice."""

import heapq
import itertools
import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Message:
    """A record of the event. A copy repeats a message that is handled already: its fate changes nothing."""

    record: dict[str, Any]
    copy: bool = False

    @property
    def id(self) -> str:
        return self.record["messageId"]

    @property
    def receipt(self) -> str:
        return self.record["receiptHandle"]


class Held:
    """Soonest first; safe to use from any thread."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Message]] = []
        self._lock = threading.Lock()
        self._order = itertools.count()

    def keep(self, message: Message, seconds: float) -> None:
        with self._lock:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._order), message))

    def due(self, within: float = 0.0) -> list[Message]:
        """Take out those whose time has come, or comes `within` so many seconds."""
        with self._lock:
            now = time.monotonic() + within
            ready = []
            while self._waiting and self._waiting[0][0] <= now:
                ready.append(heapq.heappop(self._waiting)[2])
            return ready

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)
