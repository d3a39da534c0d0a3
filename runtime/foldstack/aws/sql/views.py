"""Reads of views in PostgreSQL: filters, orders and pages in one statement, as fresh as the caller's token."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...kernel.errors import ViewBehind
from ...kernel.keys import StreamId, Tenant
from ...kernel.messages import State
from ...kernel.projection import Projection
from ...kernel.request import ViewPage
from ...kernel.store import CommitStore
from ...kernel.token import Token
from .. import view_rows
from ..finding import Finding, Position
from ..generations import Generations
from ..view_fold import since
from ..views import ViewReader, behind, beyond, parked
from .statements import ResultTooLarge
from .view_queries import Cursor, Found
from .view_store import SqlViewStore

R = TypeVar("R", bound=State)

_LONGEST_WAIT = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2


class SqlViews(ViewReader):
    """The views of one tenant for one request. A row by its id is folded forward in memory, as over any store.

    A page waits up to 2 s until the cursors in its own snapshot have reached what the token promises; then it is
    ViewBehind, and at once where a promised stream is parked. Raises InvalidValue for a token beyond a stream's tip.
    """

    def __init__(
        self,
        views: SqlViewStore,
        commits: CommitStore,
        tenant: Tenant,
        token: Token | None,
        epoch: int,
        generations: Generations | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(views, commits, tenant, token, epoch, generations)
        self._store = views
        self._clock = clock
        self._sleep = sleep

    def find(
        self, projection: Projection[R], where: Mapping[str, Any], order: str | None, limit: int, after: str | None
    ) -> ViewPage[R]:
        """In any order that the projection has an index for. A page is short only where its rows are very large."""
        projection = self._live(projection)
        finding = Finding.of(projection, where, order)
        position = None if after is None else finding.position(after)
        needed: dict[StreamId, int] = {}
        until, pause = self._clock() + _LONGEST_WAIT, _FIRST_PAUSE
        while True:
            found, full = self._query(projection, finding, limit, position)
            late = self._late(projection, found.cursors, needed)
            if late is None:
                break
            if self._clock() >= until:
                raise late
            self._sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
        columns = self._store.tables(projection).columns
        rows = [view_rows.model_of(projection, columns.row(texts)) for _, _, texts in found.rows[:full]]
        more = len(found.rows) > full
        return ViewPage(rows, finding.sealed(found.rows[full - 1][0], found.rows[full - 1][1]) if more else None)

    def _query(
        self, projection: Projection, finding: Finding, limit: int, position: Position | None
    ) -> tuple[Found, int]:
        """The snapshot, and how many of its rows make the page: one more says that there is a next."""
        promised = [stream.id for stream, _ in self._promised(projection)]
        queries = self._store.queries(projection)
        while True:
            try:
                return queries.run(self._store.sql, self._tenant, finding, limit + 1, position, promised), limit
            except ResultTooLarge:
                if limit == 1:
                    raise
                limit //= 2

    def _late(
        self, projection: Projection, cursors: Mapping[str, Cursor], needed: dict[StreamId, int]
    ) -> ViewBehind | None:
        """Why the snapshot is too old for the token, None where it is not. `needed` is kept between attempts."""
        for stream, tip in self._promised(projection):
            cursor = cursors.get(stream.id)
            known = cursor is not None and cursor.epoch == self._epoch
            at = cursor.next if cursor is not None and known else 1
            if at >= needed.get(stream, tip):
                continue
            if cursor is not None and known and cursor.parked:
                raise parked(projection.name, stream)
            if stream not in needed:
                needed[stream] = self._needed(projection, stream, at, tip)
            if at < needed[stream]:
                return behind(f"{projection.name}: the view has not yet reached {stream.path}; try again")
        return None

    def _needed(self, projection: Projection, stream: StreamId, cursor: int, tip: int) -> int:
        """What the cursor must reach: commits without an event that the projection handles do not move it."""
        reached = needed = cursor
        for commit in since(self._commits, stream, cursor):
            if commit.first >= tip:
                break
            reached = commit.next
            if not projection.stored_types.isdisjoint(commit.types):
                needed = commit.next
        if reached < tip:
            raise beyond(stream)
        return needed
