"""`foldstack lake`: the tables of the lake, questions to it in SQL, and its compaction."""

import json
import re
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..display import show_table
from .terminal import Outputs, Program, console, told

if TYPE_CHECKING:
    from .connection import Connection

app = typer.Typer(help="The lake: events and entities in Parquet, asked in SQL.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json")]
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_MOST_SHOWN = 1000
_POLL_SECONDS = 0.1


@app.command()
def tables(
    name: Annotated[str | None, typer.Argument(help="Only this one, with its columns.")] = None,
    as_json: Json = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Show the tables there are, or the columns of one."""
    with told():
        from foldstack.kernel.errors import OperationRefused

        from .connection import Connection

        found = dict(_tables(Connection(program, outputs)))
        if name is not None and name not in found:
            raise OperationRefused(f"the lake has no table {name}; it has {', '.join(sorted(found))}")
    if as_json:
        print(json.dumps({name: found[name]} if name else found, indent=2))
    elif name is not None:
        show_table(console(), name, ("column", "type"), found[name].items())
    else:
        rows = [(table, ", ".join(columns)) for table, columns in sorted(found.items())]
        show_table(console(), "tables", ("table", "columns"), rows, whole="table")


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT, which says `tenant = '...'`.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="For the next ? in it: a number or a date as such, all else as a text."),
    ] = None,
    as_json: Json = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Ask the lake, and print the answer as a table."""
    with told():
        from .connection import Connection

        connection = Connection(program, outputs)
        execution = run(connection, sql, [literal(each) for each in parameter or []])
        pages = _pages(connection, execution["QueryExecutionId"])
        columns = next(pages)
        rows = list(pages)
    if as_json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
        return
    shown = [["null" if cell is None else cell for cell in row] for row in rows[:_MOST_SHOWN]]
    show_table(console(), "answer", columns, shown)
    more = f", of which {_MOST_SHOWN} are shown: --json has them all" if len(rows) > _MOST_SHOWN else ""
    console().print(f"{len(rows)} rows{more}; {execution['Statistics']['DataScannedInBytes']} bytes were read")


@app.command()
def compact(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this one's.")] = None,
    table: Annotated[str | None, typer.Option("--table", help="Only this table of the tenant's.")] = None,
    day: Annotated[str | None, typer.Option("--day", help="Only this day of the table, as 2026-11-20.")] = None,
    as_json: Json = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Merge small files now, and delete those that were merged an hour ago."""
    with told():
        from foldstack.kernel.errors import OperationRefused

        from .connection import Connection

        part = {name: value for name, value in (("tenant", tenant), ("table", table), ("day", day)) if value}
        if list(part) != ["tenant", "table", "day"][: len(part)]:
            raise OperationRefused("a --table is of a --tenant, and a --day is of both: name them, too")
        done = Connection(program, outputs).compact(part)
    if as_json:
        print(json.dumps(done, indent=2))
        return
    console().print(
        f"{done['merged']} files merged, {done['deleted']} deleted, in {done['partitions']} partitions"
        + ("" if done["done"] else "; there is more to do: run it again")
    )
    for failure in done["failed"]:
        console().print(f"left alone: {failure}", markup=False)


@app.command()
def restore(
    prefix: Annotated[str, typer.Option("--prefix", help="Only objects of the archive below it.")] = "events/",
    tenant: Annotated[list[str] | None, typer.Option("--tenant", help="Only this one's; may be repeated.")] = None,
    view: Annotated[
        list[str] | None, typer.Option("--view", help="Rows of this view, too, as its table has them; may be repeated.")
    ] = None,
    as_json: Json = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Write the archive's events to the lake again: what is in it already is there twice then, and read once."""
    with told():
        from foldstack.aws.environment import Environment
        from foldstack.kernel.errors import OperationRefused
        from foldstack.lake import archive, composition
        from foldstack.lake.objects import S3Objects

        from .connection import Connection

        connection = Connection(program, outputs)
        bucket = connection.lake["archive"]
        if not bucket and not view:
            raise OperationRefused(
                "this lake has no archive: `archive` of AnalyticsLake makes one, from then on. `events republish --to` "
                "reads the store instead; --view NAME writes the rows of a view"
            )
        done = {"objects": 0, "commits": 0, "parked": 0}
        if bucket:
            environment = Environment(connection.lake["variables"])
            writer = composition.writer(environment, connection.service, connection.client)
            completed = composition.completed(environment, connection.client)
            objects = S3Objects(connection.client("s3"), bucket)
            done = archive.restore(objects, prefix, writer, completed, tenant or ())._asdict()
        rows = {each: _resync(connection, each) for each in view or []}
    if as_json:
        print(json.dumps({**done, "views": rows}, indent=2))
        return
    console().print(f"{done['commits']} commits of {done['objects']} objects written, {done['parked']} parked")
    for name, count in rows.items():
        console().print(f"{count} rows of {name} written")


def _resync(connection: "Connection", view: str) -> int:
    answer = connection.resync(view)
    rows = answer["rows"]
    while not answer["done"]:
        answer = connection.resync(view, answer["after"])
        rows += answer["rows"]
    return rows


def run(connection: "Connection", sql: str, literals: list[str]) -> dict[str, Any]:
    """The query's execution, when it has ended well. Raises OperationRefused with Athena's reason otherwise."""
    from foldstack.kernel.errors import OperationRefused

    athena, lake = connection.client("athena"), connection.lake
    given = {"ExecutionParameters": literals} if literals else {}
    try:
        started = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": lake["database"]},
            WorkGroup=lake["workgroup"],
            ResultConfiguration={"OutputLocation": lake["results"]},
            **given,
        )
    except athena.exceptions.InvalidRequestException as error:
        raise OperationRefused(error.response["Error"]["Message"]) from None
    while True:
        found = athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])["QueryExecution"]
        state = found["Status"]["State"]
        if state == "SUCCEEDED":
            return found
        if state in _ENDED:
            raise OperationRefused(f"the query {state.lower()}: {found['Status'].get('StateChangeReason', '')}")
        time.sleep(_POLL_SECONDS)


def literal(text: str) -> str:
    """As Athena takes a parameter: one literal in SQL."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return f"DATE '{text}'"
    if re.fullmatch(r"-?\d{1,18}", text):
        return text
    if re.fullmatch(r"-?\d+\.\d+", text):
        return f"DECIMAL '{Decimal(text):f}'"
    return "'" + text.replace("'", "''") + "'"


def _pages(connection: "Connection", query_id: str) -> Iterator[list[Any]]:
    """The columns' names, then the rows."""
    pages = connection.client("athena").get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    for page in pages:
        for row in page["ResultSet"]["Rows"]:
            yield [cell.get("VarCharValue") for cell in row["Data"]]


def _tables(connection: "Connection") -> Iterator[tuple[str, dict[str, str]]]:
    """Those that are for reading: their columns' types by the columns' names."""
    database = connection.lake["database"]
    for page in connection.client("glue").get_paginator("get_tables").paginate(DatabaseName=database):
        for table in page["TableList"]:
            if table.get("TableType") == "VIRTUAL_VIEW":
                columns = table["StorageDescriptor"]["Columns"]
                yield table["Name"], {column["Name"]: column["Type"] for column in columns}
