"""The sweep: finds rows that are behind their streams, since a lost last event shows no gap, and heals them."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from ..kernel.errors import Unavailable
from ..kernel.keys import StreamId, Tenant
from ..kernel.projection import Projection
from .projector import Projector
from .store_errors import ask
from .view_store import ViewStore

Work = dict[tuple[Projection, StreamId], int]
"""How far the rows of some streams must be, in a generation of a projection."""

_WORKERS = 8
_PAGE = 1000


class Head(NamedTuple):
    """What a sweep needs of a commit."""

    stream: StreamId
    next: int
    types: frozenset[str]


class Heads(Protocol):
    def page(self, after: Any, segment: int, segments: int) -> tuple[list[Head], Any]:
        """Some commits of a segment of the store, in no order, and where to go on; None at the end."""
        ...


class CommitTableHeads:
    """Reads the whole commit table, without the events."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def page(self, after: Any, segment: int, segments: int) -> tuple[list[Head], Any]:
        more = {"ExclusiveStartKey": after} if after else {}
        found = ask(
            self._client.scan,
            TableName=self._table,
            ProjectionExpression="p, n, t",
            Limit=_PAGE,
            Segment=segment,
            TotalSegments=segments,
            **more,
        )
        heads = [
            Head(StreamId.parse(item["p"]["S"]), int(item["n"]["N"]), frozenset(t["S"] for t in item["t"]["L"]))
            for item in found["Items"]
        ]
        return heads, found.get("LastEvaluatedKey")


class Swept(NamedTuple):
    """`done` is False where time was over first: the next sweep of the segment goes on from there. `failed`
    counts rows that could not be healed now."""

    done: bool = False
    checked: int = 0
    healed: int = 0
    parked: int = 0
    failed: int = 0


class Sweep:
    """Compares every commit with the cursors of a projector's rows. Safe beside projectors and other sweeps."""

    def __init__(
        self,
        projector: Projector,
        heads: Heads,
        views: ViewStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        workers: int = _WORKERS,
    ) -> None:
        self._projector = projector
        self._heads = heads
        self._views = views
        self._clock = clock
        self._workers = workers

    def run(self, until: float, segment: int = 0, segments: int = 1) -> Swept:
        """Goes on from where the last sweep of this segment stopped, until the end or `until` on the clock; at
        least one page, so that it always gets on."""
        name = f"{segment}/{segments}"
        position = self._views.position(name)
        fed = {each.label: each for name in self._projector.projections.values() for each in self._projector.fed(name)}
        phases = ["commits", *(fed if self._projector.epoch > 1 and segment == 0 else ())]
        phase, after = (position["phase"], position["after"]) if position else (phases[0], None)
        if phase not in phases:
            phase, after = phases[0], None
        swept = Swept()
        for current in phases[phases.index(phase) :]:
            while True:
                if current == "commits":
                    work, after = self._of_commits(list(fed.values()), after, segment, segments)
                else:
                    work, after = self._of_rows(fed[current], after)
                swept = self._check(work, swept)
                if after is None:
                    break
                self._views.keep_position(name, {"phase": current, "after": after})
                if self._clock() >= until:
                    return swept
        self._views.keep_position(name, None)
        return swept._replace(done=True)

    def _of_commits(self, fed: list[Projection], after: Any, segment: int, segments: int) -> tuple[Work, Any]:
        """Rows that some commits must have reached. No need to know a stream's
        tip: each of its commits is compared, on whatever page it is."""
        heads, after = self._heads.page(after, segment, segments)
        work: Work = {}
        for projection in fed:
            types = projection.stored_types
            for head in heads:
                if head.stream.category == projection.of.category and not types.isdisjoint(head.types):
                    key = projection, head.stream
                    work[key] = max(head.next, work.get(key, 0))
        return work, after

    def _of_rows(self, projection: Projection, after: Any) -> tuple[Work, Any]:
        """Rows of another epoch: their streams may not even be there any more."""
        found = self._views.scan(projection, self._projector.epoch, after)
        category = projection.of.category
        work = {(projection, StreamId(Tenant(r.tenant), category, r.id)): 1 for r in found.rows}
        return work, found.after

    def _check(self, work: Work, swept: Swept) -> Swept:
        if self._workers > 1:
            with ThreadPoolExecutor(self._workers) as pool:
                outcomes: Iterable[str] = list(pool.map(self._check_one, work.items()))
        else:
            outcomes = [self._check_one(each) for each in work.items()]
        counts = {name: sum(o == name for o in outcomes) for name in ("healed", "parked", "failed")}
        return swept._replace(
            checked=swept.checked + len(work),
            **{name: getattr(swept, name) + count for name, count in counts.items()},
        )

    def _check_one(self, row: tuple[tuple[Projection, StreamId], int]) -> str:
        (projection, stream), reached = row
        try:
            lead = self._views.read(projection, stream, consistent=False)
            if lead is not None and lead.epoch == self._projector.epoch and lead.cursor >= reached:
                return "right"
            outcome = self._projector.heal(projection, stream)
        except Unavailable:
            return "failed"
        return {"written": "healed", "unchanged": "right", "parked": "parked"}[outcome]
