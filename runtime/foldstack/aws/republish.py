"""Commits published again, from the store, for one consumer: what an outage outlasted, or a new consumer needs."""

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..kernel.errors import Unavailable
from .commit_scan import Scanned
from .relay import Relay

MOST_ENTRIES = 10
"""Commits at once: what any road takes in one request."""
_PATIENCE = 60.0

ReadPage = Callable[[Any], Scanned]


class Republished(NamedTuple):
    """`position` is where to go on, None at the end; `published` and `seen` count commits, those before too."""

    position: Any
    published: int = 0
    seen: int = 0


class Republish:
    """`read(position)` gives items of commits; `relay` marks what it publishes as a replay for its consumer. At most
    `rate` commits a second are published."""

    def __init__(
        self,
        read: ReadPage,
        relay: Relay,
        *,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[Republished], None] = lambda so_far: None,
    ) -> None:
        self._read = read
        self._relay = relay
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._tell = tell

    def run(self, start: Republished | None = None, stop: threading.Event | None = None) -> Republished:
        """Goes on from `start` to the end, or until `stop`: then `position` says where. What is published twice
        because a process died in between does no harm: every consumer expects repetitions."""
        at = start or Republished(None)
        while not (stop and stop.is_set()):
            page = self._read(at.position)
            for begin in range(0, len(page.commits), MOST_ENTRIES):
                items = page.commits[begin : begin + MOST_ENTRIES]
                at = at._replace(position=self._publish(items), published=at.published + len(items))
                self._tell(at)
                if stop and stop.is_set():
                    return at
            at = at._replace(position=page.after, seen=at.seen + page.seen)
            self._tell(at)
            if page.after is None:
                return at
        return at

    def _publish(self, items: list[Mapping[str, Any]]) -> Any:
        """Answers the key of the last one."""
        began = self._clock()
        if self._relay.relay([_record(n, item) for n, item in enumerate(items)], began + _PATIENCE) is not None:
            raise Unavailable(f"the road did not take {len(items)} commits within {_PATIENCE:.0f} s")
        early = len(items) / self._rate - (self._clock() - began)
        if early > 0:
            self._sleep(early)
        return {"p": items[-1]["p"], "s": items[-1]["s"]}


def _record(number: int, item: Mapping[str, Any]) -> dict[str, Any]:
    """As the table's stream would hand it to the relay: bytes in base64."""
    image = {name: {"B": b64encode(value["B"]).decode()} if "B" in value else value for name, value in item.items()}
    change = {"Keys": {"p": item["p"], "s": item["s"]}, "NewImage": image, "SequenceNumber": str(number)}
    return {"eventName": "INSERT", "dynamodb": change}
