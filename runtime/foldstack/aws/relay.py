"""The relay: commits from the table's stream to the bus, each stream's in order, none lost."""

import random
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import to_json

from ..kernel.commit import Commit
from ..kernel.envelope import Envelope
from ..kernel.errors import FoldstackError, StoreThrottled, StoreTimeout
from .commit_item import from_item
from .parking import Park
from .store_errors import ask

DETAIL_TYPE = "commit"
MOST_ENTRIES = 10
MOST_REQUEST_BYTES = 256 * 1024
MOST_INLINE_BYTES = 200 * 1024

Record = Mapping[str, Any]

# An entry refused for what it is, not for the moment: it would be refused again.
_REFUSED = frozenset({"MalformedDetail", "InvalidArgument", "RedactionFailure"})
_UNREADABLE = (FoldstackError, ValueError, LookupError, TypeError, zlib.error)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One commit on its way. `sequence` is its record's sequence number, `size` what EventBridge counts."""

    sequence: str
    stream: str
    first: int
    detail: str
    size: int


class Relay:
    """`events` is an EventBridge client, `source` the service's name; `clock` is in seconds. With `replay` the
    envelopes say that they come again, and which consumer alone is meant."""

    def __init__(
        self,
        events: Any,
        bus: str,
        source: str,
        park: Park,
        *,
        replay: str = "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._events = events
        self._bus = bus
        self._source = source
        self._park = park
        self._replay = replay
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or random.Random()

    def relay(self, records: Sequence[Record], until: float) -> str | None:
        """Publishes stream records in their order, until `until` on the clock. Answers the sequence number of the
        first that could not be published now, None where there is none: Lambda delivers from there on again."""
        request: list[Outgoing] = []
        for record in records:
            if record["eventName"] != "INSERT" or "t" not in record["dynamodb"].get("NewImage", ()):
                continue
            try:
                outgoing = self._outgoing(record["dynamodb"])
            except (StoreTimeout, StoreThrottled):
                return self._publish(request, until) or record["dynamodb"]["SequenceNumber"]
            if outgoing is None:
                continue
            if not _fits(request, outgoing):
                stopped = self._publish(request, until)
                if stopped is not None:
                    return stopped
                request = []
            request.append(outgoing)
        return self._publish(request, until)

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
        entries = [
            {"EventBusName": self._bus, "Source": self._source, "DetailType": DETAIL_TYPE, "Detail": each.detail}
            for each in request
        ]
        try:
            answers = ask(self._events.put_events, Entries=entries)["Entries"]
        except (StoreTimeout, StoreThrottled):
            return request
        return [each for each, answer in zip(request, answers, strict=True) if not self._settled(each, answer)]

    def _settled(self, outgoing: Outgoing, answer: Mapping[str, str]) -> bool:
        code = answer.get("ErrorCode")
        if code not in _REFUSED:
            return code is None
        reason = f"EventBridge refuses it: {code}: {answer.get('ErrorMessage', '')}"
        try:
            self._park("relay", reason[:_LONGEST_REASON], stream=outgoing.stream, first=outgoing.first)
        except (StoreTimeout, StoreThrottled):
            return False
        return True

    def _outgoing(self, change: Mapping[str, Any]) -> Outgoing | None:
        """The envelope of a new item; None for one that is parked, since nobody will ever be able to read it."""
        image, keys = change["NewImage"], change["Keys"]
        try:
            commit = from_item(image, lambda tenant, key: _NO_BODY)
            detail = b""
            if "o" not in image:
                detail = self._detail(commit, with_events=True)
            if not detail or len(detail) > MOST_INLINE_BYTES:
                detail = self._detail(commit, with_events=False)
        except _UNREADABLE as error:
            reason = f"not a commit: {type(error).__name__}: {error}"
            self._park("relay", reason[:_LONGEST_REASON], stream=keys["p"]["S"], first=int(keys["s"]["N"]))
            return None
        size = len(detail) + len(self._source.encode()) + len(DETAIL_TYPE)
        if size > MOST_REQUEST_BYTES:
            reason = f"its envelope has {size} bytes without any event; EventBridge takes {MOST_REQUEST_BYTES}"
            self._park("relay", reason, stream=commit.stream.key, first=commit.first)
            return None
        return Outgoing(change["SequenceNumber"], commit.stream.key, commit.first, detail.decode(), size)

    def _detail(self, commit: Commit, *, with_events: bool) -> bytes:
        envelope = replace(Envelope.of(commit, with_events=with_events), replay=self._replay)
        return to_json(envelope.to_dict(self._source))


# A body that lies in S3 stays there: its envelope carries a reference, and each consumer reads the store.
_NO_BODY = bytes(4)


def _fits(request: Sequence[Outgoing], more: Outgoing) -> bool:
    return not request or (
        len(request) < MOST_ENTRIES and sum(each.size for each in request) + more.size <= MOST_REQUEST_BYTES
    )
