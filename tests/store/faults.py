"""A commit store with the faults of a real one, each on request: stale and holed reads, lost answers, death."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

from foldstack.kernel.commit import Commit
from foldstack.kernel.errors import StoreThrottled, StoreTimeout
from foldstack.kernel.keys import StreamId
from foldstack.kernel.store import CommitStore, IdRow, Page

Fault = Literal["stored", "dropped", "refused"]
WRITES = ("append", "append_strict", "keep_ids")


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


class FaultyStore:
    """Wraps a store. `calls` names every call in order.

    `stale`: eventual reads do not see that many of the newest commits. `holes`: nor those that begin at these
    versions. `faults`: what befalls the next writes, "stored" and "dropped" by a lost answer, "refused" by
    throttling. `die_before` and `die_after`: the number of the call, from 0, around which the process dies.
    `around`: called with the method's name before and after each call, for latency and for schedulers.
    """

    def __init__(self, inner: CommitStore, around: Callable[[str], None] = lambda name: None) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self.stale = 0
        self.holes: set[int] = set()
        self.faults: deque[Fault] = deque()
        self.read_faults: deque[Fault] = deque()
        self.die_before: int | None = None
        self.die_after: int | None = None
        self.around = around

    def append(self, commit: Commit) -> Commit | None:
        return self._call("append", self.inner.append, commit)

    def append_strict(self, commit: Commit) -> Commit | IdRow | None:
        return self._call("append_strict", self.inner.append_strict, commit)

    def newest(self, stream: StreamId, limit: int, before: int | None = None, consistent: bool = False) -> Page:
        if consistent:
            return self._call("newest!", self.inner.newest, stream, limit, before, True)
        return self._call("newest", self._eventual, stream, limit, before)

    def since(self, stream: StreamId, version: int, limit: int = 100, consistent: bool = True) -> Page:
        return self._call("since!" if consistent else "since", self.inner.since, stream, version, limit, consistent)

    def find_id(self, stream: StreamId, command_id: str) -> IdRow | None:
        return self._call("find_id", self.inner.find_id, stream, command_id)

    def keep_ids(self, rows: Sequence[IdRow]) -> None:
        return self._call("keep_ids", self.inner.keep_ids, rows)

    def taken(self) -> list[str]:
        """The calls since the last time."""
        calls, self.calls = self.calls, []
        return calls

    def _eventual(self, stream: StreamId, limit: int, before: int | None) -> Page:
        hidden = {c.first for c in self.inner.newest(stream, self.stale, None, True).commits} if self.stale else set()
        hidden |= self.holes
        page = self.inner.newest(stream, limit + len(hidden), before, True)
        seen = [commit for commit in page.commits if commit.first not in hidden]
        return Page(seen[:limit], page.more or len(seen) > limit)

    def _call(self, name: str, method: Callable[..., Any], *arguments: Any) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        self.around(name)
        if number == self.die_before:
            raise Crash(f"before {name}, call {number}")
        faults = self.faults if name in WRITES else self.read_faults
        fault = faults.popleft() if faults else None
        if fault == "refused":
            raise StoreThrottled("refused")
        if fault == "dropped":
            raise StoreTimeout("no answer")
        answer = method(*arguments)
        if fault == "stored":
            raise StoreTimeout("no answer")
        if number == self.die_after:
            raise Crash(f"after {name}, call {number}")
        self.around(name)
        return answer
