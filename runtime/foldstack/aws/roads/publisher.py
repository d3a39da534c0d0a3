"""Publishing on a road: requests cut by its limits, what failed put again, what it will never take parked."""

import random
import time
from collections.abc import Callable, Iterator, Sequence

from pydantic_core import from_json

from ...kernel.errors import StoreThrottled, StoreTimeout
from ..parking import Park
from .road import Outgoing, Road

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_LONGEST_REASON = 500


class Publisher:
    """Publishes commits of `types`, all where there are none. `clock` is in seconds."""

    def __init__(
        self,
        road: Road,
        park: Park,
        types: frozenset[str] = frozenset(),
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._road = road
        self._park = park
        self._types = types
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or random.Random()

    def publish(self, commits: Sequence[Outgoing], until: float) -> str | None:
        """In their order, until `until` on the clock. Answers the sequence number of the first that could not be
        published now, None where there is none."""
        mine = [each for each in commits if not self._types or not self._types.isdisjoint(each.types)]
        for request in self._requests(mine):
            stopped = self._publish(request, until)
            if stopped is not None:
                return stopped
        return None

    def _requests(self, commits: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
        """A request ends before what it has no room for; on an ordered road also before the second of a stream, or
        that would arrive first when only the first one fails."""
        request: list[Outgoing] = []
        size = 0
        for each in commits:
            more = self._road.size(each)
            full = len(request) == self._road.most_entries or size + more > self._road.most_bytes
            if request and (full or (self._road.ordered and any(each.stream == other.stream for other in request))):
                yield request
                request, size = [], 0
            request.append(each)
            size += more
        if request:
            yield request

    def _publish(self, request: Sequence[Outgoing], until: float) -> str | None:
        """Puts what failed again, it alone, until nothing is left or time is over; then the first that is left."""
        left, tries = list(request), 0
        while left:
            if tries:
                pause = self._rng.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tries))
                if self._clock() + pause >= until:
                    return left[0].sequence
                self._sleep(pause)
            left = self._put(left)
            tries += 1
        return None

    def _put(self, request: list[Outgoing]) -> list[Outgoing]:
        """One request. Answers the entries that it left."""
        if len(request) == 1 and (size := self._road.size(request[0])) > self._road.most_bytes:
            reason = f"its envelope has {size} bytes without any event; {self._road.name} takes {self._road.most_bytes}"
            return [] if self._parked(request[0], reason) else request
        try:
            outcomes = self._road.put(request)
        except (StoreTimeout, StoreThrottled):
            return request
        return [
            each
            for each, failed in zip(request, outcomes, strict=True)
            if failed is not None
            and not (failed.final and self._parked(each, f"{self._road.name} refuses it: {failed.reason}"))
        ]

    def _parked(self, outgoing: Outgoing, reason: str) -> bool:
        try:
            self._park(
                "relay",
                reason[:_LONGEST_REASON],
                stream=outgoing.stream,
                first=outgoing.first,
                payload=from_json(outgoing.envelope),
            )
        except (StoreTimeout, StoreThrottled):
            return False
        return True
