"""The lake's catalogue: a database, and for each table of the domain its files and the view that reads them."""

import base64
import importlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pulumi
import pulumi_aws as aws
from foldstack.lake.tables import PARTITIONED_BY, LakeTable, tables_of, view_sql

from .scope import Scope

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def tables_in(path: Path, entry: str, entities: Sequence[str]) -> list[LakeTable]:
    """Of the domain `entry`, "module:attribute", in the folder `path`. Raises DefinitionError, ImportError."""
    module, _, attribute = entry.partition(":")
    with _first_in_path(path):
        return tables_of(getattr(importlib.import_module(module), attribute), entities)


class Catalogue:
    """The database; `name`, and `arns` of all that a query asks of Glue."""

    def __init__(self, scope: Scope, bucket: pulumi.Output[str], tables: Sequence[LakeTable], since: str) -> None:
        """`since` is the first day that is projected, as 2026-01-31."""
        database = aws.glue.CatalogDatabase(
            scope.child("database"),
            # SQL has no hyphens in names, and the provider's own names have them.
            name=re.sub(r"[^a-z0-9]+", "_", f"{pulumi.get_project()}_{pulumi.get_stack()}_{scope.name}".lower()),
            tags=scope.tags,
            opts=scope.options(),
        )
        self.name = database.name
        self.arns = database.arn.apply(_catalogue_arns)
        for table in tables:
            _files(scope, database.name, bucket, table, since)
            _view(scope, database.name, table)


def _files(
    scope: Scope, database: pulumi.Output[str], bucket: pulumi.Output[str], table: LakeTable, since: str
) -> None:
    """The physical table: its partitions are projected, and no crawler ever looks for them."""
    place = pulumi.Output.concat("s3://", bucket, "/")
    aws.glue.CatalogTable(
        scope.child(f"table-{table.files}"),
        name=table.files,
        database_name=database,
        table_type="EXTERNAL_TABLE",
        partition_keys=[{"name": name, "type": type_} for name, type_ in PARTITIONED_BY],
        storage_descriptor={
            "columns": [{"name": name, "type": type_} for name, type_ in table.athena_columns],
            "location": pulumi.Output.concat(place, table.location_template.split("$")[0]),
            "input_format": f"{_PARQUET}.MapredParquetInputFormat",
            "output_format": f"{_PARQUET}.MapredParquetOutputFormat",
            "ser_de_info": {"serialization_library": f"{_PARQUET}.serde.ParquetHiveSerDe"},
        },
        parameters={
            "EXTERNAL": "TRUE",
            "classification": "parquet",
            "projection.enabled": "true",
            "projection.tenant.type": "injected",
            "projection.day.type": "date",
            "projection.day.format": "yyyy-MM-dd",
            "projection.day.range": f"{since},NOW+1DAYS",
            "projection.day.interval": "1",
            "projection.day.interval.unit": "DAYS",
            "storage.location.template": pulumi.Output.concat(place, table.location_template),
        },
        opts=scope.options(),
    )


def _view(scope: Scope, database: pulumi.Output[str], table: LakeTable) -> None:
    columns = [*PARTITIONED_BY, *table.athena_columns]
    aws.glue.CatalogTable(
        scope.child(f"table-{table.name}"),
        name=table.name,
        database_name=database,
        table_type="VIRTUAL_VIEW",
        storage_descriptor={"columns": [{"name": name, "type": type_} for name, type_ in columns]},
        parameters={"presto_view": "true", "comment": "Presto View"},
        view_original_text=database.apply(lambda schema: presto_view(schema, table)),
        view_expanded_text="/* Presto View */",
        opts=scope.options(),
    )


def presto_view(schema: str, table: LakeTable) -> str:
    """As Athena keeps a view in Glue: JSON, in base64, in a comment."""
    columns = [{"name": name, "type": in_trino(type_)} for name, type_ in (*PARTITIONED_BY, *table.athena_columns)]
    view = {"originalSql": view_sql(table), "catalog": "awsdatacatalog", "schema": schema, "columns": columns}
    return f"/* Presto View: {base64.b64encode(json.dumps(view, sort_keys=True).encode()).decode()} */"


def in_trino(hive: str) -> str:
    """A type of Glue's in the words of Athena's engine, which refuses a view whose columns have others."""
    kind, opened, inner = hive.partition("<")
    if not opened:
        return {"string": "varchar", "timestamp": "timestamp(3)"}.get(kind, kind)
    parts = _apart(inner.removesuffix(">"))
    if kind == "struct":
        fields = (part.partition(":") for part in parts)
        return f"row({', '.join(f'{name} {in_trino(type_)}' for name, _, type_ in fields)})"
    return f"{kind}({', '.join(in_trino(part) for part in parts)})"


def _apart(text: str) -> list[str]:
    """`text` at those commas that are in no brackets."""
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and not depth:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _catalogue_arns(database_arn: str) -> list[str]:
    """Glue asks for the right on each thing on the way to a table."""
    prefix, _, name = database_arn.rpartition(":database/")
    return [f"{prefix}:catalog", database_arn, f"{prefix}:table/{name}/*"]


@contextmanager
def _first_in_path(path: Path) -> Iterator[None]:
    sys.path.insert(0, str(path))
    try:
        yield
    finally:
        sys.path.remove(str(path))
