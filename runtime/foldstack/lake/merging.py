"""Files of one table as one: the last version of each key, sorted by it, in the schema of today."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute

from .columnar import schema_of
from .tables import LakeTable

pc: Any = pyarrow.compute  # makes its functions when it is imported


class MergeError(Exception):
    """A file holds what the table's schema of today does not: it is left as it is."""


def merged(table: LakeTable, sources: Sequence[pa.Table]) -> pa.Table:
    """Columns that a source does not have are null. Raises MergeError for one that the table does not have, or not
    with that type: rows must not lose what they hold."""
    schema = schema_of(table)
    rows = pa.concat_tables([_in(schema, table, source) for source in sources])
    order = [(name, "ascending") for name in table.key] + [(name, "descending") for name in table.order]
    rows = rows.take(pc.sort_indices(rows, sort_keys=order))
    return rows.filter(_first_of_each(rows, table.key)) if len(rows) else rows


def without_tombstones(rows: pa.Table, before: datetime) -> pa.Table:
    """Without the rows that were deleted before then."""
    old = pc.and_(rows["deleted"], pc.less(rows["changed_at"], pa.scalar(before, rows["changed_at"].type)))
    return rows.filter(pc.invert(old))


def tombstones_until(table: LakeTable, rows: pa.Table) -> datetime | None:
    """When the oldest of the deleted rows was deleted; None where there is none."""
    if table.kind != "entities":
        return None
    return pc.min(rows["changed_at"].filter(rows["deleted"])).as_py()


def _in(schema: pa.Schema, table: LakeTable, source: pa.Table) -> pa.Table:
    if source.schema.equals(schema):
        return source
    strange = [
        f"{field.name} {field.type}"
        for field in source.schema
        if field.name not in schema.names or field.type != schema.field(field.name).type
    ]
    if strange:
        raise MergeError(
            f"{table.name}: a file holds {', '.join(strange)}, and the table of today does not. Fields are added, "
            "never removed or changed: give the event a new name, or the projection another version"
        )
    columns = [
        source[field.name] if field.name in source.schema.names else pa.nulls(len(source), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _first_of_each(rows: pa.Table, key: Sequence[str]) -> pa.ChunkedArray:
    """True where a row's key is not that of the row before it."""
    new: Any = pa.chunked_array([pa.array([False] * (len(rows) - 1), pa.bool_())])
    for name in key:
        values = rows[name]
        new = pc.or_(new, pc.not_equal(values.slice(1), values.slice(0, len(rows) - 1)))
    return pa.chunked_array([pa.array([True]), *new.chunks])
