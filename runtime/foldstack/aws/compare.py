"""Two generations of a view, row by row: what a switch would change for readers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..kernel.errors import OperationRefused
from ..kernel.keys import StreamId, Tenant
from ..kernel.projection import Projection
from .view_operations import OperatedViews
from .view_rows import LeadRow

_EXAMPLES = 20
_LOOKS = 3


@dataclass(frozen=True)
class Difference:
    """A row that differs: `fields` are the names of what does, "(row)" where one side has none."""

    stream: StreamId
    fields: tuple[str, ...]


@dataclass
class Comparison:
    """`same` and `different` count rows; `behind` those that were at different versions, whenever they were looked at.

    `examples` holds the first rows that differ. A deleted row counts as one where the other side has one.
    """

    live: int
    other: int
    same: int = 0
    different: int = 0
    only_live: int = 0
    only_other: int = 0
    behind: int = 0
    examples: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not (self.different or self.only_live or self.only_other or self.behind)


def compare(
    projection: Projection, views: OperatedViews, tell: Callable[[int], None] = lambda rows: None
) -> Comparison:
    """Reads both generations once, and again what moved. Raises OperationRefused where there is only one."""
    control = views.control(projection)
    if control.other is None:
        raise OperationRefused(f"{projection.name} has one generation only: there is nothing to compare")
    live, other = (projection.in_generation(number) for number in (control.live, control.other))
    found = Comparison(control.live, control.other)
    seen = 0
    for streams in _streams(other, views):
        _compare(streams, live, other, views, found)
        seen += len(streams)
        tell(seen)
    for streams in _streams(live, views):
        there = views.read_many(other, streams)
        _compare([stream for stream in streams if stream not in there], live, other, views, found)
        seen += len(streams)
        tell(seen)
    return found


def _streams(generation: Projection, views: OperatedViews) -> Iterator[list[StreamId]]:
    after: Any = None
    while True:
        page = views.leads(generation, after)
        yield [StreamId(Tenant(row.tenant), generation.of.category, row.id) for row in page.rows]
        after = page.after
        if after is None:
            return


def _compare(
    streams: list[StreamId], live: Projection, other: Projection, views: OperatedViews, found: Comparison
) -> None:
    left = streams
    for _ in range(_LOOKS):
        if not left:
            return
        lives, others = views.read_many(live, left), views.read_many(other, left)
        moving = []
        for stream in left:
            one, two = lives.get(stream), others.get(stream)
            if (one.cursor if one else 1) != (two.cursor if two else 1):
                moving.append(stream)
            else:
                _count(stream, one, two, found)
        left = moving
    found.behind += len(left)


def _count(stream: StreamId, one: LeadRow | None, two: LeadRow | None, found: Comparison) -> None:
    row_one, row_two = one.row if one else None, two.row if two else None
    if row_one is None and row_two is None:
        return
    if row_one is None or row_two is None:
        differing = ["(row)"]
        if row_one is None:
            found.only_other += 1
        else:
            found.only_live += 1
    else:
        names = sorted({*row_one, *row_two})
        differing = [name for name in names if row_one.get(name) != row_two.get(name)]
        if (one.sums if one else {}) != (two.sums if two else {}):
            differing.append("(totals)")
        if differing:
            found.different += 1
        else:
            found.same += 1
    if differing and len(found.examples) < _EXAMPLES:
        found.examples.append(Difference(stream, tuple(differing)))
