"""`foldstack projection`: views, their parked streams, the sweep, and their rebuild."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..display import show_table
from .terminal import Outputs, Program, console, fail, stopped_by_ctrl_c, told

if TYPE_CHECKING:
    from foldstack.aws.view_store import ScannedRow
    from foldstack.kernel.projection import Projection

    from .connection import Connection, Pipeline

app = typer.Typer(help="Views, and the projections that feed them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A projection, as the domain names it.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="The tenant of the stream.")]


@app.command("list")
def list_(program: Program = Path(), outputs: Outputs = None) -> None:
    """Show all views: generations, parked streams, and what waits for their projectors."""
    rows = []
    with told():
        from foldstack.aws import composition

        from .connection import Connection

        connection = Connection(program, outputs)
        for pipeline in connection.pipelines:
            waiting = connection.waiting(pipeline)
            for projection in composition.projections(pipeline.environment, connection.service):
                control = composition.view_operations(
                    pipeline.environment, connection.service, connection.client
                ).control(projection)
                beside = f"{control.other} {control.stage}" if control.other is not None else "-"
                parked = sum(1 for _ in _parked(connection, projection, pipeline))
                rows.append(
                    (
                        projection.name,
                        pipeline.consumer,
                        projection.of.category,
                        str(projection.version),
                        str(control.live),
                        beside,
                        str(parked),
                        "not measured by a queue" if waiting is None else str(waiting),
                    )
                )
    columns = ("projection", "pipeline", "of", "version", "generation", "beside it", "parked", "events waiting")
    show_table(console(), "projections", columns, rows)


@app.command()
def parked(name: Name, program: Program = Path(), outputs: Outputs = None) -> None:
    """Show the streams that are parked, with the event each waits at."""
    with told():
        from .connection import Connection

        connection = Connection(program, outputs)
        rows = [
            (stream, generation.label, str(row.lead.parked.first), row.lead.parked.at, row.lead.parked.reason)
            for generation, stream, row in _parked(connection, *connection.projection(name))
            if row.lead.parked is not None
        ]
    if not rows:
        console().print(f"{name}: nothing is parked")
        return
    show_table(console(), f"parked in {name}", ("stream", "in", "first", "since", "reason"), rows)


@app.command()
def redrive(
    name: Name,
    stream: Annotated[str | None, typer.Argument(help="tenant#category#id, or category#id with --tenant.")] = None,
    tenant: Tenant = None,
    every: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Go on with parked streams, after the code that failed on them was mended and deployed."""
    if (stream is None) is not every:
        fail("name one stream, or give --all")
    with told():
        from .connection import Connection
        from .given import stream_id

        connection = Connection(program, outputs)
        projection, pipeline = connection.projection(name)
        if stream is not None:
            keys = [stream_id(stream, tenant).key]
        else:
            keys = sorted({key for _, key, _ in _parked(connection, projection, pipeline)})
        outcomes = {
            key: connection.order(pipeline, {"redrive": {"projection": name, "stream": key}})["outcome"] for key in keys
        }
    show_table(console(), f"redriven in {name}", ("stream", "outcome"), outcomes.items())
    if "parked" in outcomes.values():
        fail("some are parked still: the code that is deployed fails on them too; `projection parked` says why")


@app.command()
def skip(
    name: Name,
    stream: Annotated[str, typer.Argument(help="tenant#category#id, or category#id with --tenant.")],
    why: Annotated[str, typer.Option("--why", help="Kept in the row.")],
    who: Annotated[str | None, typer.Option("--who", help="Kept in the row.", show_default="your user name")] = None,
    tenant: Tenant = None,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Go on without the commit that a stream is parked at: its events are missing from the view for good."""
    with told():
        from .connection import Connection
        from .given import stream_id

        key = stream_id(stream, tenant).key
        connection = Connection(program, outputs)
        _, pipeline = connection.projection(name)
        order = {"projection": name, "stream": key, "who": who or getpass.getuser(), "why": why}
        outcome = connection.order(pipeline, {"skip": order})["outcome"]
    console().print(f"{key}: {outcome}")
    if outcome == "parked":
        fail("it is parked again, at a later event")


@app.command()
def sweep(name: Name, program: Program = Path(), outputs: Outputs = None) -> None:
    """Compare the views of a projection's pipeline with the store now, and heal what is behind."""
    with told():
        from .connection import Connection

        connection = Connection(program, outputs)
        _, pipeline = connection.projection(name)
        totals: dict[str, int] = {}
        done = False
        while not done:
            swept = connection.order(pipeline, {"sweep": True})
            done = swept.pop("done")
            totals = {key: totals.get(key, 0) + count for key, count in swept.items()}
    rows = [(key, str(count)) for key, count in totals.items()]
    show_table(console(), f"swept all views of {pipeline.consumer}", ("rows", "how many"), rows)
    if totals["failed"]:
        fail("some rows could not be healed now: try again")


@app.command()
def rebuild(
    name: Name,
    switch: Annotated[bool, typer.Option("--switch", help="Have readers read it, as soon as it is ready.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Compare it with the one that is read.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Have readers read the old one again.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="End and remove the old one.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Give up and remove the new one.")] = False,
    segments: Annotated[int, typer.Option(min=1, max=64, help="Parts of the store that are read at once.")] = 4,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Build a view anew beside the one that is read; begun by whoever is first, continued by whoever comes next."""
    if sum((switch, compare, rollback, finish, cancel)) > 1:
        fail("one step at a time: --switch, --compare, --rollback, --finish or --cancel")
    step = "rollback" if rollback else "finish" if finish else "cancel" if cancel else ""
    with told(), stopped_by_ctrl_c() as stop:
        from .connection import Connection
        from .rebuilding import Steps

        steps = Steps(Connection(program, outputs), name, console(), segments)
        if compare:
            steps.compare()
        elif step:
            getattr(steps, step)()
        else:
            steps.build(stop, switch=switch)


def _parked(
    connection: "Connection", projection: "Projection", pipeline: "Pipeline"
) -> "list[tuple[Projection, str, ScannedRow]]":
    """The parked rows of all generations that are fed, with their streams' keys. Looks at every row of the view."""
    from foldstack.aws import composition

    views = composition.view_operations(pipeline.environment, connection.service, connection.client)
    found = []
    for number in views.control(projection).fed:
        generation, after, more = projection.in_generation(number), None, True
        while more:
            page = views.leads(generation, after, parked=True)
            found += [(generation, f"{row.tenant}#{projection.of.category}#{row.id}", row) for row in page.rows]
            after = page.after
            more = after is not None
    return found
