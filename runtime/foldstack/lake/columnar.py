"""Records as columns: one Arrow schema a table, whatever the values, and Parquet of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from ..kernel.errors import described
from .arrow_types import WRONG, arrow, cast, fits, wire
from .personal import is_personal, reading_of
from .strictness import check_of, plain_names
from .tables import LakeTable
from .texts import of_fields, texts_of
from .types import Column

COMPRESSION, LEVEL = "zstd", 1
"""Half of Snappy's bytes for a little more time; higher levels take only more time: `python -m benchmarks lake`."""

Data = dict[str, Any]
_Columns = list[Sequence[Any]]

_SHARED = {"bigint": pa.int64()}
"""What every table has is made here, and no fraction."""


class Misfit(NamedTuple):
    """The row at `place` does not fit the table. `reason` holds no values: it is logged and parked."""

    place: int
    reason: str


class Columnar:
    """Makes columns of one table's records."""

    def __init__(self, table: LakeTable) -> None:
        self.table = table
        self.schema = schema_of(table)
        self._shared = [column for column in table.columns if not column.field]
        self._payload = table.payload
        self._wire = pa.struct([(column.field, wire(column.type)) for column in self._payload])
        self._fields = frozenset(column.field for column in self._payload)
        self._texts = {column.field: change for column in self._payload if (change := texts_of(column.type))}
        self._with_texts = of_fields(list(self._texts.items()))
        model = table.model
        self._reading = reading_of(is_personal(model))
        self._required = frozenset(
            name for name, field in (model.model_fields.items() if model else ()) if field.is_required()
        )
        checks = [(column.field, plain_names(column.type), check_of(column.type)) for column in self._payload]
        self._nested = [(name, names, check) for name, names, check in checks if check is not None]

    def table_of(
        self, shared: Sequence[tuple], rows: Sequence[Data | None], last: Sequence[Any] = ()
    ) -> tuple[pa.Table, list[Misfit]]:
        """One row for each: what every table has, in the order of its columns, and the model's fields as JSON (None:
        all null). What does not fit is left out, and told. `last` is the last of what every table has, where the tuples
        leave it out: two tables may then have the same tuples."""
        columns: _Columns = [*zip(*shared, strict=True), *([last] if last else [])]
        doubtful = self._strange(rows) if self._payload else set()
        if not doubtful:
            try:
                return self._exactly(columns, rows), []
            except WRONG:
                doubtful = set()
        rest = [place for place in range(len(rows)) if place not in doubtful]
        doubtful.update(self._not_fitting(columns, rows, rest))
        return self._without(columns, list(rows), sorted(doubtful))

    def _exactly(self, columns: _Columns, rows: Sequence[Data | None]) -> pa.Table:
        if not rows:
            return self.schema.empty_table()
        arrays = []
        for column, values in zip(self._shared, columns, strict=True):
            array = pa.array(values, _SHARED.get(column.athena) or wire(column.type))
            arrays.append(cast(array, column.type))
        if self._payload:
            if self._with_texts:
                rows = [self._with_texts(row) for row in rows]
            fields = pa.array(rows, self._wire).flatten()
            arrays += [cast(array, column.type) for column, array in zip(self._payload, fields, strict=True)]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _some(self, columns: _Columns, rows: Sequence[Data | None], places: Sequence[int]) -> pa.Table:
        return self._exactly([[column[place] for place in places] for column in columns], [rows[p] for p in places])

    def _strange(self, rows: Sequence[Data | None]) -> set[int]:
        """The rows that have not just the model's fields, down to the last struct. A field with a default may be
        missing: it is null."""
        fields, required = self._fields, self._required
        strange = {
            place
            for place, row in enumerate(rows)
            if row is not None
            and (row.__class__ is not dict or (row.keys() != fields and not required <= row.keys() <= fields))
        }
        if strange:
            rows = [None if place in strange else row for place, row in enumerate(rows)]
        for name, names, check in self._nested:
            strange.update(
                place
                for place, row in enumerate(rows)
                if row is not None
                and not ((value := row.get(name)) and value.__class__ is dict and value.keys() == names)  # no call
                and not check(value)
            )
        return strange

    def _not_fitting(self, columns: _Columns, rows: Sequence[Data | None], within: Sequence[int]) -> list[int]:
        """By halves: most batches have none, and one that has some has few."""
        try:
            self._some(columns, rows, within)
        except WRONG:
            if len(within) == 1:
                return [within[0]]
            half = len(within) // 2
            parts = within[:half], within[half:]
            return [found for part in parts for found in self._not_fitting(columns, rows, part)]
        return []

    def _without(
        self, columns: _Columns, rows: list[Data | None], doubtful: list[int]
    ) -> tuple[pa.Table, list[Misfit]]:
        """Another look at each, through its model: it may be written otherwise than the model writes it."""
        misfits = []
        for place in doubtful:
            try:
                row = rows[place]
                if self.table.model is not None and row is not None:
                    model = self.table.model.__pydantic_validator__.validate_python(row, context=self._reading)
                    rows[place] = model.model_dump(mode="json", round_trip=True, context=self._reading)
                self._some(columns, rows, [place])
            except ValidationError as error:
                misfits.append(Misfit(place, described(error)))
            except WRONG:
                misfits.append(Misfit(place, self._reason([column[place] for column in columns], rows[place])))
        left_out = {misfit.place for misfit in misfits}
        return self._some(columns, rows, [place for place in range(len(rows)) if place not in left_out]), misfits

    def _reason(self, shared: Sequence[Any], row: Data | None) -> str:
        given = {column.name: (column, value) for column, value in zip(self._shared, shared, strict=True)}
        given |= {column.name: (column, (row or {}).get(column.field)) for column in self._payload}
        wrong = [
            f"{name} does not fit {column.athena}{_HINTS.get(column.athena.split('(')[0], '')}"
            for name, (column, value) in given.items()
            if not self._fits(value, column)
        ]
        return f"{self.table.name}: {'; '.join(wrong) or 'its model raised an error of its own'}"

    def _fits(self, value: Any, column: Column) -> bool:
        change = self._texts.get(column.field)
        try:
            return fits(change(value) if change else value, column.type)
        except WRONG:
            return False


_HINTS = {
    "decimal": ": it has more digits, before the point or after it; Field(max_digits=, decimal_places=) says how many",
    "bigint": ": it is no whole number of 64 bits",
    "timestamp": ": it needs an offset (AwareDatetime), or it is no moment",
}


def schema_of(table: LakeTable) -> pa.Schema:
    """The one schema of all files of a table."""
    return pa.schema([(column.name, arrow(column.type)) for column in table.columns])


def parquet(table: pa.Table) -> bytes:
    """A Parquet file, with statistics, and without a copy of Arrow's own schema."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression=COMPRESSION, compression_level=LEVEL, write_statistics=True, store_schema=False
    )
    return sink.getvalue().to_pybytes()


def read(content: bytes) -> pa.Table:
    """What `parquet` wrote, with the types that it had."""
    return pq.ParquetFile(pa.BufferReader(content)).read()
