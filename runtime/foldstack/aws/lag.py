"""How far a generation of a view is behind the store: its rows against the tips of their streams, on whatever road."""

import time
from collections.abc import Callable
from typing import NamedTuple

from ..kernel.keys import StreamId
from ..kernel.projection import Projection
from .sweep import Heads
from .view_operations import OperatedViews

MOST_TOGETHER = 1000
PATIENCE = 30.0
"""Seconds in which what is under way arrives."""
_PAUSE = 0.5


class Late(NamedTuple):
    """A row that has not come as far as it must."""

    stream: StreamId
    cursor: int
    due: int


class Lag:
    """Compares one generation's rows with the store. What is late is looked at again for `patience` seconds: commits
    keep coming, and only what does not arrive is behind."""

    def __init__(
        self,
        generation: Projection,
        heads: Heads,
        views: OperatedViews,
        epoch: int,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[int], None] = lambda commits: None,
    ) -> None:
        self._generation = generation
        self._heads = heads
        self._views = views
        self._epoch = epoch
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._tell = tell

    def late(self) -> list[Late]:
        """Rows that stay behind what was committed when this looked at it; none, where the view holds all of it. Ends
        early where there are many."""
        due: dict[StreamId, int] = {}
        after, seen = None, 0
        while True:
            heads, after = self._heads.page(after, 0, 1)
            page: dict[StreamId, int] = {}
            for head in heads:
                mine = head.stream.category == self._generation.of.category
                if mine and not self._generation.stored_types.isdisjoint(head.types):
                    page[head.stream] = max(head.next, page.get(head.stream, 0))
            for each in self._look(page):
                due[each.stream] = max(each.due, due.get(each.stream, 0))
            seen += len(heads)
            self._tell(seen)
            if len(due) >= MOST_TOGETHER or after is None:
                left = self._wait(due)
                if after is None or len(left) >= MOST_TOGETHER:
                    return left
                due = {each.stream: each.due for each in left}

    def _wait(self, due: dict[StreamId, int]) -> list[Late]:
        until = self._clock() + self._patience
        while True:
            left = self._look(due)
            if not left or self._clock() >= until:
                return left
            due = {each.stream: each.due for each in left}
            self._sleep(_PAUSE)

    def _look(self, due: dict[StreamId, int]) -> list[Late]:
        if not due:
            return []
        rows = self._views.read_many(self._generation, due)
        cursors = {stream: row.cursor for stream, row in rows.items() if row.epoch == self._epoch}
        late = (Late(stream, cursors.get(stream, 1), reached) for stream, reached in due.items())
        return [each for each in late if each.cursor < each.due]
