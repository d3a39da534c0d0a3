"""What every event source has: a thread of its own, calls that outlast throttling, and a way to be awaited."""

import json
import logging
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..invocation import Invocation, Invoke
from . import faults as no_faults
from .faults import Faults

log = logging.getLogger(__name__)

MAX_PAYLOAD = 6 * 1024 * 1024
LONGEST_PAUSE = 0.1
SHORTEST_PAUSE = 0.01
_PROBLEM_PAUSE = 1.0
_LOOK_AGAIN = 0.02
_THROTTLED = Invocation("throttled")


class EventSourceProblem(RuntimeError):
    """The source cannot read, or cannot hand on; the message says what the service answered."""


class Idle:
    """Awaits that a source has caught up with all that was there when it was asked."""

    def __init__(self, source: "EventSource") -> None:
        self._source = source

    def wait(self, timeout: float = 30.0) -> bool:
        """False when `timeout` seconds were not enough; raises EventSourceProblem when it cannot come."""
        return self._source._wait_until_caught_up(timeout)

    def is_set(self) -> bool:
        """Whether the source had nothing left when it last looked."""
        # The round that is under way has yet to say what it finds.
        return self._source._caught_up(self._source._round - 1)


class EventSource(ABC):
    """Polls on a thread of its own. `problem` is why it makes no progress, or None; `calls` counts invocations."""

    def __init__(self, name: str, invoke: Invoke, faults: Faults | None = None) -> None:
        self.name = name
        self.faults = faults or no_faults.NONE
        self.problem: str | None = None
        self.calls = 0
        self.idle = Idle(self)
        self._invoke = invoke
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._round = 0
        self._failed_round = 0
        self._awaited = 0
        self._pause = SHORTEST_PAUSE

    @property
    def lag(self) -> str:
        """How far it is behind, for a person."""
        return "caught up" if self.idle.is_set() else "behind"

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=f"source-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let what is in flight end, then stop; what was not handled comes again."""
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def ask_to_stop(self) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    @abstractmethod
    def _poll(self) -> None:
        """One round of reading and handing on."""

    @abstractmethod
    def _caught_up(self, asked: int) -> bool:
        """Whether nothing is left, in flight or to be read, as of round `asked` or later."""

    def _recover(self) -> None:  # noqa: B027
        """After a failed round: forget what is in hand and read again from what is known to be handled."""

    def _closed(self) -> None:  # noqa: B027
        """After the last round."""

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._round += 1
                try:
                    self._poll()
                    self._report(None)
                except (ClientError, BotoCoreError, LookupError) as error:
                    self._recover()
                    self._report(f"{type(error).__name__}: {error}")
                    self._rest(_PROBLEM_PAUSE)
            self._closed()
        except Exception as error:
            log.exception("event source %s has ended", self.name)
            self._round = sys.maxsize
            self._report(f"it has ended: {type(error).__name__}: {error}")

    def _report(self, problem: str | None) -> None:
        if problem and problem != self.problem:
            log.warning("event source %s: %s", self.name, problem)
        with self._changed:
            self.problem = problem
            if problem:
                self._failed_round = self._round
            self._changed.notify_all()

    def _rest(self, seconds: float) -> None:
        """Sleep, but for a stop or for one who waits for this source to catch up."""
        with self._changed:
            if not self._stopping.is_set():
                self._changed.wait(SHORTEST_PAUSE if self._awaited else seconds)

    def _rest_longer(self) -> None:
        """Sleep after a round that found nothing: a little longer each time."""
        self._rest(self._pause)
        self._pause = min(self._pause * 1.2, LONGEST_PAUSE)

    def _wait_until_caught_up(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        with self._changed:
            # A round that is under way may have read before the caller's last write.
            asked = self._round + 1
            self._awaited += 1
            self._changed.notify_all()
        try:
            while True:
                if self._caught_up(asked):
                    return True
                if self.problem and self._failed_round >= asked:
                    raise EventSourceProblem(f"event source {self.name}: {self.problem}")
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                with self._changed:
                    self._changed.wait(min(left, _LOOK_AGAIN))
        except (ClientError, BotoCoreError) as error:
            raise EventSourceProblem(f"event source {self.name}: {type(error).__name__}: {error}") from error
        finally:
            with self._changed:
                self._awaited -= 1

    def _call(self, event: Mapping[str, Any], go_on: Callable[[], bool] = lambda: True) -> Invocation:
        """Invoke; while the function is throttled, again after growing pauses, as long as `go_on()`."""
        payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        pause = 0.05
        while True:
            self.calls += 1
            throttled = self.faults.throttle()
            answer = _THROTTLED if throttled else self._invoke(payload, crash=self.faults.crash())
            if answer.status != "throttled" or not go_on() or self._stopping.wait(pause):
                return answer
            pause = min(pause * 2, 2.0)


def batches(records: Sequence[dict[str, Any]], count: int) -> Iterator[list[dict[str, Any]]]:
    """Cut into batches of `count` records and of what one invocation may carry."""
    batch: list[dict[str, Any]] = []
    size = 0
    for record in records:
        weight = len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8")) + 1
        if batch and (len(batch) == count or size + weight > MAX_PAYLOAD - 64):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += weight
    if batch:
        yield batch


def failed_items(answer: Invocation, known: Iterable[str]) -> set[str] | None:
    """Identifiers that a partial batch response names; None when the whole batch counts as failed."""
    try:
        response = json.loads(answer.payload or b"null")
    except ValueError:
        return None
    if not response:
        return set()
    failures = response.get("batchItemFailures") if isinstance(response, dict) else None
    if failures is None:
        return set() if isinstance(response, dict) else None
    try:
        named = {failure["itemIdentifier"] for failure in failures}
    except (TypeError, KeyError):
        return None
    return named if named <= set(known) else None


def stop_all(sources: Iterable[EventSource]) -> None:
    """Stop many in the time of one."""
    stopping = list(sources)
    for source in stopping:
        source.ask_to_stop()
    for source in stopping:
        source.stop()


def wait_idle(sources: Iterable[EventSource], timeout: float = 30.0) -> bool:
    """Wait until nothing moves between the sources any more: each may feed another."""
    awaited = list(sources)
    deadline = time.monotonic() + timeout
    while True:
        before = sum(source.calls for source in awaited)
        for source in awaited:
            if not source.idle.wait(max(0.0, deadline - time.monotonic())):
                return False
        if sum(source.calls for source in awaited) == before:
            return True
