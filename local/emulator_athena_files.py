"""What a query of the emulator's Athena reads: Glue's tables, the objects of their projected partitions, DuckDB."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from itertools import product
from typing import Any

from sqlglot import exp

from .emulator_athena_sql import Failed, Scan, Table

Allow = Callable[..., None]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}").fullmatch
_TYPES = {"BIGINT": "bigint", "HUGEINT": "bigint", "INTEGER": "integer", "SMALLINT": "smallint", "TINYINT": "tinyint"}
_TYPES |= {"BOOLEAN": "boolean", "FLOAT": "float", "DOUBLE": "double", "VARCHAR": "varchar", "DATE": "date"}
_TYPES |= {"TIMESTAMP": "timestamp", "BLOB": "varbinary", "STRUCT": "row", "MAP": "map", "JSON": "json"}


class Cancelled(Exception):
    """The query was ended, for a reason in Athena's words."""


class AthenaType(str):
    """A type's name, and its `digits`: precision and scale."""

    digits: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Found:
    """A query's answer: the text of every value, None for NULL."""

    columns: list[str]
    types: list[Any]
    rows: list[list[str | None]]
    scanned: int


class Catalogue:
    """Glue's tables, as `allow(action, arn, context)` lets the caller see them, and their objects."""

    def __init__(self, database: str, allow: Allow) -> None:
        self._database = database
        self._allow = allow
        self._seen: dict[tuple[str, str], dict] = {}

    def find(self, database: str, name: str) -> Table | None:
        from ministack.core.responses import get_account_id, get_region
        from ministack.services import glue

        database = database or self._database
        glue_arn = f"arn:aws:glue:{get_region()}:{get_account_id()}"
        if (database, name) not in self._seen:
            for arn in ("catalog", f"database/{database}", f"table/{database}/{name}"):
                self._allow("glue:GetTable", f"{glue_arn}:{arn}")
            held = glue._tables.get(f"{database}/{name}")
            if held is None:
                return None
            self._seen[database, name] = held
        held = self._seen[database, name]
        columns = [each["Name"].lower() for each in [*_columns(held), *(held.get("PartitionKeys") or [])]]
        view = held.get("ViewOriginalText") if held.get("TableType") == "VIRTUAL_VIEW" else None
        injected = [
            key for key in columns if (held.get("Parameters") or {}).get(f"projection.{key}.type") == "injected"
        ]
        return Table(f"{database}/{name}", tuple(columns), tuple(injected), _view_sql(view) if view else "")

    def views(self, scans: list[Scan], folder: str) -> tuple[list[str], int]:
        """Statements that make each scan's relation over files in `folder`, and how many bytes these have."""
        made, scanned = [], 0
        for scan in scans:
            database, name = scan.table.name.split("/")
            held, paths = self._seen[database, name], []
            for keys, body in self._objects(held, scan):
                place = os.path.join(folder, scan.name, *(f"{key}={value}" for key, value in keys.items()))
                os.makedirs(place, exist_ok=True)
                paths.append(os.path.join(place, f"{len(paths)}.parquet"))
                with open(paths[-1], "wb") as file:
                    file.write(body)
                scanned += len(body)
            made.append(f"CREATE VIEW {scan.name} AS {_relation(held, paths)}")
        return made, scanned

    def _objects(self, held: dict, scan: Scan) -> Iterator[tuple[dict[str, str], bytes]]:
        """The objects of every partition that is projected, with the partition's values."""
        from ministack.services import s3

        parameters, storage = held.get("Parameters") or {}, held.get("StorageDescriptor") or {}
        keys = [key["Name"].lower() for key in held.get("PartitionKeys") or []]
        if keys and parameters.get("projection.enabled") != "true":
            raise Failed("NOT_SUPPORTED: the laptop's Athena knows partitions by projection alone")
        template = parameters.get("storage.location.template") or storage.get("Location") or ""
        injected = list(scan.table.injected)
        for values in product(*(sorted(scan.values[key]) for key in injected)):
            fixed = dict(zip(injected, values, strict=True))
            place = template
            for key, value in fixed.items():
                place = place.replace(f"${{{key}}}", value)
            others = [key for key in keys if key not in fixed]
            bucket, prefix = place.split("${")[0].removeprefix("s3://").split("/", 1)
            self._allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})
            pattern = re.compile(_pattern(place.removeprefix(f"s3://{bucket}/"), others))
            held_bucket = s3._buckets.get(bucket)
            if held_bucket is None:
                raise Failed(f"the bucket {bucket} of the table does not exist")
            for key in sorted(each for each in list(held_bucket["objects"]) if each.startswith(prefix)):
                found = pattern.fullmatch(key)
                if not found or found["file"].startswith((".", "_")) or key.endswith("/"):
                    continue
                projected = {name: found[name] for name in others}
                if not all(_in_range(parameters, name, value) for name, value in projected.items()):
                    continue
                self._allow("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
                body = s3._get_object_data(bucket, key)
                if body:
                    yield {**fixed, **projected}, body


def answer(text: str, views: list[str], folder: str, scanned: int) -> Found:
    """Of DuckDB, which may read `folder` and nothing else."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    try:
        connection.execute("SET allowed_directories = [?]", [folder])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for view in views:
            connection.execute(view)
        described = [(name, str(kind)) for name, kind, *_ in connection.execute(f"DESCRIBE {text}").fetchall()]
        names = [name for name, _ in described]
        own = [f"c{number}" for number in range(len(names))]
        picked = ", ".join(
            f"CAST({mine} AS VARCHAR)" if "WITH TIME ZONE" in kind else mine
            for mine, (_, kind) in zip(own, described, strict=True)
        )
        rows = connection.execute(f"SELECT {picked} FROM ({text}) AS answer({', '.join(own)})").fetchall()
        types = [_athena_type(kind) for _, kind in described]
        return Found(names, types, [[_cell(value) for value in row] for row in rows], scanned)
    finally:
        connection.close()


def _relation(held: dict, paths: list[str]) -> str:
    """The table's columns, by their names and in Glue's types; a column that a file has not is NULL there."""
    keys = held.get("PartitionKeys") or []
    declared = [(each["Name"].lower(), _duckdb_type(each["Type"])) for each in [*_columns(held), *keys]]
    if not paths:
        nulls = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in declared)
        return f"SELECT {nulls} WHERE FALSE"
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    kinds = ", ".join(f"'{key['Name'].lower()}': {_duckdb_type(key['Type'])}" for key in keys)
    hive = f", hive_partitioning = true, hive_types = {{{kinds}}}" if keys else ", hive_partitioning = false"
    files = f"read_parquet([{listed}], union_by_name = true{hive})"
    known = _physical(paths)
    columns = []
    for name, kind in declared:
        is_key = any(key["Name"].lower() == name for key in keys)
        if not is_key and name not in known:
            columns.append(f'CAST(NULL AS {kind}) AS "{name}"')
        elif is_key:
            columns.append(f'"{name}"')
        elif kind == "TIMESTAMP" and known[name].startswith("TIMESTAMP"):
            # Athena's timestamps have no zone, and milliseconds.
            columns.append(f"""date_trunc('millisecond', CAST("{name}" AS TIMESTAMP)) AS "{name}" """)
        elif known[name].replace(" WITH TIME ZONE", "") == kind:
            columns.append(f'CAST("{name}" AS {kind}) AS "{name}"')
        else:
            raise Failed(
                f"HIVE_BAD_DATA: Field {name}'s type {known[name]} in parquet file is incompatible with type {kind} "
                "defined in table schema"
            )
    return f"SELECT {', '.join(columns)} FROM {files}"


def _physical(paths: list[str]) -> dict[str, str]:
    """The type of every column in the files. Raises Failed where two files do not agree."""
    import duckdb

    known: dict[str, str] = {}
    for path in paths:
        for name, kind, *_ in duckdb.execute(
            "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [path]
        ).fetchall():
            if known.setdefault(name.lower(), str(kind)) != str(kind):
                raise Failed(f"HIVE_BAD_DATA: column {name} is {known[name.lower()]} in one file and {kind} in another")
    return known


def _columns(held: dict) -> list[dict]:
    return (held.get("StorageDescriptor") or {}).get("Columns") or []


@cache
def _duckdb_type(kind: str) -> str:
    """Of a type of Glue's, in the words of DuckDB's own DESCRIBE."""
    import duckdb

    text = exp.DataType.build(kind, dialect="hive").sql("duckdb")
    (described,) = duckdb.execute(f"DESCRIBE SELECT CAST(NULL AS {text}) AS it").fetchall()
    return str(described[1])


def _pattern(template: str, keys: list[str]) -> str:
    """A regular expression for the keys of objects under a location."""
    text = re.escape(template)
    for key in keys:
        text = text.replace(re.escape(f"${{{key}}}"), f"(?P<{key}>[^/]+)")
    return f"{text.rstrip('/')}/(?P<file>[^/]+)"


def _in_range(parameters: dict, key: str, value: str) -> bool:
    if parameters.get(f"projection.{key}.type") != "date":
        raise Failed(f"NOT_SUPPORTED: the laptop's Athena projects dates, and injected values; {key} is neither")
    if not _DAY(value):
        return False
    first, last = (_date(each) for each in parameters[f"projection.{key}.range"].split(","))
    return first <= date.fromisoformat(value) <= last


def _date(text: str) -> date:
    text = text.strip()
    if text == "NOW":
        return datetime.now(UTC).date()
    if (later := re.fullmatch(r"NOW\+(\d+)DAYS?", text)) is not None:
        return date.fromordinal(datetime.now(UTC).date().toordinal() + int(later[1]))
    return date.fromisoformat(text)


def _view_sql(text: str) -> str:
    """What Athena keeps of a view is JSON in base64, in a comment."""
    packed = text.removeprefix("/* Presto View: ").removesuffix(" */")
    return json.loads(base64.b64decode(packed))["originalSql"]


def _athena_type(kind: str) -> AthenaType:
    if kind.endswith("[]"):
        return AthenaType("array")
    if (decimal := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)) is not None:
        made = AthenaType("decimal")
        made.digits = int(decimal[1]), int(decimal[2])
        return made
    if "WITH TIME ZONE" in kind:
        return AthenaType("timestamp with time zone")
    made = AthenaType(_TYPES.get(kind.split("(")[0], "varchar"))
    made.digits = {"bigint": (19, 0), "integer": (10, 0), "double": (17, 0)}.get(made, (0, 0))
    return made


def _cell(value: Any) -> str | None:
    """As Athena writes it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, float):
        return _java(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return f"[{', '.join(str(_cell(each)).replace('None', 'null') for each in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_cell(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bytes):
        return value.hex(" ")
    return str(value)


def _java(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    mantissa, _, exponent = f"{Decimal(repr(value)):E}".partition("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"
