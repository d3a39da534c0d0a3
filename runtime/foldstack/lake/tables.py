"""The lake's tables, from a domain's own models: names, columns, where their files lie, and how they are read.

| table            | one row is                    | kept by                               | of                  |
|------------------|-------------------------------|---------------------------------------|---------------------|
| `events`         | a stored event, data as JSON  | stream, version                       | every event         |
| `event_<type>`   | an event, its fields typed    | stream, version, part                 | one event type      |
| `<view>`         | a row of a view as it became  | id                                    | one projection      |

A batch may be written twice, so files hold rows twice: their table is called `<name>_files`, and is not for reading.
The view `<name>` keeps the newest row of each key, without what was deleted.

    tables/TENANT/TABLE/day=2026-11-20/NAME.parquet
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

from ..kernel.errors import DefinitionError
from ..kernel.projection import Projection
from ..kernel.service import Service
from .types import MOMENT, TEXT, TRUTH, WHOLE, Column, columns_of

Kind = Literal["events", "envelopes", "entities"]

PREFIX = "tables"
PARTITIONED_BY = (("tenant", "string"), ("day", "date"))
"""`tenant` is injected: no query without it. `day` is the day of the commit in UTC; of entities, of their first."""

_EVENT = (
    Column("stream", TEXT),
    Column("version", WHOLE),
    Column("epoch", WHOLE),
    Column("type", TEXT),
    Column("schema", WHOLE),
    Column("at", MOMENT),
    Column("correlation", TEXT),
    Column("causation", TEXT),
)
_ENVELOPES = (*_EVENT, Column("data", TEXT))
_EVENTS = (*_EVENT, Column("part", WHOLE))
_ENTITIES = (
    Column("id", TEXT),
    Column("version", WHOLE),
    Column("epoch", WHOLE),
    Column("generation", WHOLE),
    Column("deleted", TRUTH),
    Column("changed_at", MOMENT),
)


@dataclass(frozen=True)
class LakeTable:
    """`key` names the columns that make rows versions of one another, `order` those by which the last one wins.

    `model` is an event or a row, `of` the event type's name or the projection's; the table of envelopes has neither.
    A `generation` grows with every switch of what readers of a view get, back to an older one too.
    """

    name: str
    kind: Kind
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order: tuple[str, ...]
    model: type[BaseModel] | None = field(default=None, compare=False)
    of: str = ""

    @property
    def files(self) -> str:
        """The name of the physical table."""
        return f"{self.name}_files"

    @property
    def payload(self) -> tuple[Column, ...]:
        """The columns that come from the model."""
        return tuple(column for column in self.columns if column.field)

    def location(self, tenant: str, day: str) -> str:
        """The prefix of one partition's objects in the bucket; `day` as 2026-11-20."""
        return f"{PREFIX}/{tenant}/{self.name}/day={day}/"

    @property
    def location_template(self) -> str:
        """What partition projection puts after `s3://BUCKET/`: `storage.location.template`."""
        return self.location("${tenant}", "${day}")

    @property
    def athena_columns(self) -> tuple[tuple[str, str], ...]:
        """Name and type of each, those that it is partitioned by left out."""
        return tuple((column.name, column.athena) for column in self.columns)


def tables_of(service: Service, entities: Iterable[str] | None = None) -> list[LakeTable]:
    """The tables of a domain: `events`, one for each event type, and one for each of the projections `entities`
    (None: all). Raises DefinitionError for a field that has no column, and where two tables would have one name."""
    events = {event.type_name: event for aggregate in service.aggregates.values() for event in aggregate.events}
    tables = [LakeTable("events", "envelopes", _ENVELOPES, ("stream", "version"), ("epoch",))]
    tables += [_of_event(name, events[name]) for name in sorted(events)]
    wanted = sorted(service.projections) if entities is None else list(entities)
    if strangers := sorted(set(wanted) - service.projections.keys()):
        raise DefinitionError(
            f"{service.name} has no projection {', '.join(strangers)} to make a table of; it has "
            f"{', '.join(sorted(service.projections)) or 'none'}"
        )
    tables += [_of_projection(service.projections[name]) for name in wanted]
    taken: dict[str, LakeTable] = {}
    for table in tables:
        for name in (table.name, table.files):
            if (other := taken.setdefault(name, table)) is not table:
                raise DefinitionError(
                    f"{service.name}: the tables of {other.of or 'all events'} and of {table.of} would both take "
                    f"the name {name}: rename one of them"
                )
    return tables


def view_sql(table: LakeTable) -> str:
    """The query of the view, in Athena's dialect: the newest row of each key, deletions left out.

    Both partition columns are among those that it is grouped by: only so do conditions on them reach the files.
    """
    partitions = [name for name, _ in PARTITIONED_BY]
    columns = ", ".join(_quoted(name) for name in [*partitions, *(column.name for column in table.columns)])
    key = ", ".join(_quoted(name) for name in [*partitions, *table.key])
    order = ", ".join(f"{_quoted(name)} DESC" for name in table.order)
    deleted = ' AND NOT "deleted"' if table.kind == "entities" else ""
    return (
        f"SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {order}) AS foldstack_place "
        f"FROM {_quoted(table.files)}) WHERE foldstack_place = 1{deleted}"
    )


def _of_event(name: str, model: type[BaseModel]) -> LakeTable:
    shared = frozenset(column.name for column in _EVENTS) | {name for name, _ in PARTITIONED_BY}
    columns = (*_EVENTS, *columns_of(model, shared))
    return LakeTable(f"event_{_snake(name)}", "events", columns, ("stream", "version", "part"), ("epoch",), model, name)


def _of_projection(projection: Projection) -> LakeTable:
    shared = frozenset(column.name for column in _ENTITIES) | {name for name, _ in PARTITIONED_BY}
    columns = (*_ENTITIES, *columns_of(projection.row_type, shared))
    order = ("epoch", "generation", "version", "changed_at", "deleted")
    return LakeTable(projection.name, "entities", columns, ("id",), order, projection.row_type, projection.name)


def _snake(name: str) -> str:
    """`ProductCreated` as product_created; what is no letter or digit as _."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def _quoted(name: str) -> str:
    return f'"{name}"'
