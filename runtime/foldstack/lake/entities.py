"""Rows of views as the lake takes them: from the stream of a view's table, or all of them from the table itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ..aws import view_rows
from ..aws.generations import Generations
from ..aws.view_rows import LeadRow, Row
from ..aws.view_store import ViewStore
from ..kernel.errors import DefinitionError, InvalidValue
from ..kernel.keys import StreamId, Tenant
from ..kernel.projection import Projection

FirstDays = Callable[[Iterable[StreamId]], Mapping[StreamId, str]]
"""Of each stream the day of its first commit, as 2026-11-20; those left out that have none."""

UNDATED = "its stream has no first commit, so no day; was the store restored?"
A_VERSION = 1_000_000  # more than a projection of one version is ever switched


class EntityChange(NamedTuple):
    """A row of the view `view` as it became at `at`; `row` is None where it is deleted. `day` is its stream's first."""

    view: str
    tenant: str
    id: str
    day: str
    version: int
    epoch: int
    generation: int
    at: str
    row: Row | None


class Unusable(NamedTuple):
    """What could not be made a change, and why."""

    pointer: Mapping[str, Any]
    reason: str


class Entities:
    """`tables` maps the name of each view to that of its table."""

    def __init__(
        self,
        projections: Iterable[Projection],
        tables: Mapping[str, str],
        generations: Generations,
        first_days: FirstDays,
    ) -> None:
        self._views = {tables[projection.name]: projection for projection in projections}
        self._generations = generations
        self._first_days = first_days

    def of_stream(self, records: Iterable[Mapping[str, Any]]) -> tuple[list[EntityChange], list[Unusable]]:
        """What records of view tables' streams say of rows that readers get. All else of these tables is left out:
        controls, positions, totals, generations that are not read, and what changed nothing of a row."""
        found: list[_Found] = []
        unusable: list[Unusable] = []
        for record in records:
            table = record["eventSourceARN"].split("/")[1]
            projection = self._views.get(table)
            if projection is None:
                raise DefinitionError(f"the stream of {table} is of none of the views {', '.join(self._views)}")
            change = record["dynamodb"]
            keys = change["Keys"]
            live, generation = self._live(projection)
            tenant, id = keys["p"]["S"].split("#")[0], keys["s"]["S"]
            if keys["p"]["S"] != f"{tenant}{view_rows.suffix(live)}":
                continue
            try:
                stream = StreamId.of(Tenant(tenant), live.of.category, id)
                old, new = change.get("OldImage"), change.get("NewImage")
                if old and new and all(old.get(name) == new.get(name) for name in ("n", "e", "row", "dead")):
                    continue
                lead = view_rows.from_item(new or old)
            except (KeyError, ValueError, TypeError, InvalidValue) as error:
                reason = f"no row of {projection.name}: {type(error).__name__}"
                unusable.append(Unusable({"view": projection.name, "tenant": tenant, "id": id}, reason))
                continue
            at = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC).isoformat()
            found.append(_Found(live, generation, stream, lead if new else lead._replace(row=None), at))
        changes, without = self._dated(found)
        return changes, unusable + without

    def of_table(
        self, store: ViewStore, view: str, after: Any, now: datetime
    ) -> tuple[list[EntityChange], list[Unusable], Any]:
        """Some rows of the generation that readers get, deleted ones too, and where to go on; None at the end. For
        rows that were there before the lake, and after a switch to another generation."""
        projection = next((each for each in self._views.values() if each.name == view), None)
        if projection is None:
            known = ", ".join(sorted(each.name for each in self._views.values()))
            raise DefinitionError(f"the lake has no entities of {view!r}; it has those of {known or 'no view'}")
        live, generation = self._live(projection)
        scan = store.scan(live, 0, after)  # no row is of epoch 0
        found = [
            _Found(live, generation, StreamId(Tenant(row.tenant), live.of.category, row.id), row.lead, now.isoformat())
            for row in scan.rows
        ]
        return *self._dated(found), scan.after

    def _live(self, projection: Projection) -> tuple[Projection, int]:
        live, turn = self._generations.turn(projection)
        return live, projection.version * A_VERSION + turn

    def _dated(self, found: "list[_Found]") -> tuple[list[EntityChange], list[Unusable]]:
        days = self._first_days(dict.fromkeys(each.stream for each in found))
        changes = [
            EntityChange(
                each.projection.name,
                each.stream.tenant,
                each.stream.id,
                days[each.stream],
                each.lead.cursor,
                each.lead.epoch,
                each.generation,
                each.at,
                each.lead.row,
            )
            for each in found
            if each.stream in days
        ]
        return changes, list(_undated(found, days))


class _Found(NamedTuple):
    projection: Projection
    generation: int
    stream: StreamId
    lead: LeadRow
    at: str


def _undated(found: list[_Found], days: Mapping[StreamId, str]) -> Iterator[Unusable]:
    for each in found:
        if each.stream not in days:
            pointer = {"view": each.projection.name, "tenant": str(each.stream.tenant), "id": each.stream.id}
            yield Unusable(pointer, UNDATED)
