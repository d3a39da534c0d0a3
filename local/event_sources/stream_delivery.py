"""How a batch of stream records is handed on: in order, again, in halves, from the first that failed, or not at all."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..invocation import Invocation
from .base import batches, failed_items
from .faults import Faults
from .options import StreamOptions
from .records import arrival, sequence_number
from .stream_failures import FailureDestination

Records = list[dict[str, Any]]
_LONGEST_PAUSE = 2.0


class Call(Protocol):
    def __call__(self, event: dict[str, Any], go_on: Callable[[], bool] = ...) -> Invocation: ...


@dataclass(frozen=True)
class _Attempt:
    """Records to hand on together, and how often that has failed."""

    records: Records
    tries: int = 0


class StreamDelivery:
    """`call` invokes the function; `stopping` ends the work early. `retry_pause` (seconds) doubles with each try."""

    def __init__(
        self,
        options: StreamOptions,
        call: Call,
        failures: FailureDestination,
        stopping: threading.Event,
        retry_pause: float,
    ) -> None:
        self._options, self._call, self._failures = options, call, failures
        self._stopping, self._retry_pause = stopping, retry_pause

    def deliver(self, shard: str, records: Records, advance: Callable[[str], None], faults: Faults) -> bool:
        """Hand on until each record is handled or discarded, telling `advance` how far it is.

        False when it was stopped before that.
        """
        waiting = deque(_Attempt(batch) for batch in batches(records, self._options.batch_size))
        while waiting:
            attempt = self._without_aged(shard, waiting.popleft())
            if not attempt.records:
                continue
            self._stopping.wait(faults.delay())
            event = {"Records": attempt.records}
            answer = self._call(event, lambda first=attempt.records[0]: not self._aged(first))
            if answer.ok and faults.duplicate():
                answer = self._call(event)
            handled = self._handled(answer, attempt.records)
            if handled:
                advance(sequence_number(attempt.records[handled - 1]))
            if handled < len(attempt.records):
                if self._stopping.is_set():
                    return False
                again = self._again(shard, attempt, handled, answer)
                if not again:
                    advance(sequence_number(attempt.records[-1]))
                waiting.extendleft(reversed(again))
        return True

    def _handled(self, answer: Invocation, records: Records) -> int:
        """How many of the records, from the first, are done with."""
        if not answer.ok:
            return 0
        if not self._options.partial:
            return len(records)
        numbers = [sequence_number(record) for record in records]
        failed = failed_items(answer, numbers)
        if failed is None:
            return 0
        return next((i for i, number in enumerate(numbers) if number in failed), len(records))

    def _again(self, shard: str, attempt: _Attempt, handled: int, answer: Invocation) -> list[_Attempt]:
        """What is to be tried next; nothing when the records were discarded."""
        rest = attempt.records[handled:]
        if answer.status == "throttled":
            return [_Attempt(rest, attempt.tries)]
        if self._options.bisect and not handled and len(rest) > 1:
            # A split does not count as a retry.
            middle = len(rest) // 2
            return [_Attempt(rest[:middle], attempt.tries), _Attempt(rest[middle:], attempt.tries)]
        tries = 1 if handled else attempt.tries + 1
        if 0 <= self._options.max_retries < tries:
            self._failures.send(shard, rest, "RetryAttemptsExhausted", tries, answer)
            return []
        self._stopping.wait(min(self._retry_pause * 2 ** (tries - 1), _LONGEST_PAUSE))
        return [_Attempt(rest, tries)]

    def _without_aged(self, shard: str, attempt: _Attempt) -> _Attempt:
        aged = [record for record in attempt.records if self._aged(record)]
        if not aged:
            return attempt
        self._failures.send(shard, aged, "RecordAgeExceeded", attempt.tries, None)
        return _Attempt([record for record in attempt.records if record not in aged], attempt.tries)

    def _aged(self, record: dict[str, Any]) -> bool:
        return 0 <= self._options.max_age < time.time() - arrival(record)
