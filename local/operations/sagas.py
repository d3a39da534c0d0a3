"""`foldstack saga`: sagas under way, those that are stuck, and what a person may do with one."""

import getpass
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..display import show_table
from .terminal import Outputs, Program, console, fail, told

if TYPE_CHECKING:
    from foldstack import SagaProgress
    from foldstack.kernel.keys import Tenant as TenantId

    from .connection import Connection

app = typer.Typer(help="Sagas: processes with a state, timeouts and compensations.", no_args_is_help=True)

Stream = Annotated[str, typer.Argument(help="tenant#category#id, or category#id with --tenant.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="The tenant of the stream.")]
Step = Annotated[str | None, typer.Option("--step", help="Which one.", show_default="the one that is stuck")]
Reason = Annotated[str, typer.Option("--reason", help="Kept in the saga's stream.")]
Who = Annotated[str | None, typer.Option("--who", help="Kept beside it.", show_default="your user name")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json")]
_OVER = ("ended", "cancelled")
_PAGE = 100


@app.command("list")
def list_(
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those that are stuck.")] = False,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only one tenant's.")] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Only those that nothing happened to for so long: 10m, 2h, 3d.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    as_json: Json = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Show the sagas that are not over, as their views have them."""
    with told():
        from .connection import Connection
        from .given import moment, tenant_of

        until = moment(older_than, "--older-than") if older_than else None
        found = [
            (stream, row)
            for stream, row in _rows(Connection(program, outputs), tenant_of(tenant))
            if (row.status == "stuck" if stuck else every or row.status not in _OVER)
            and (until is None or _text(row.changed_at) <= until)
        ]
    found.sort(key=lambda each: each[1].changed_at)
    if as_json:
        print(json.dumps([{"stream": stream, **row.model_dump(mode="json")} for stream, row in found], indent=2))
        return
    if not found:
        console().print("no saga is stuck" if stuck else "no saga is under way")
        return
    rows = [
        (row.saga, stream, row.status, row.step, row.error, _text(row.changed_at), _text(row.due))
        for stream, row in found
    ]
    show_table(
        console(), "sagas", ("saga", "stream", "status", "step", "error", "changed", "due"), rows, whole="stream"
    )


@app.command()
def show(
    stream: Stream, tenant: Tenant = None, as_json: Json = False, program: Program = Path(), outputs: Outputs = None
) -> None:
    """Show the steps of a saga: what is done, pending, stuck or undone, and who did what by hand."""
    shown = _order("show", stream, tenant, program, outputs)
    if as_json:
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _print(shown)


@app.command()
def retry(
    stream: Stream,
    reason: Reason,
    tenant: Tenant = None,
    step: Step = None,
    who: Who = None,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Have a step tried anew, with attempts of its own."""
    _done(_order("retry", stream, tenant, program, outputs, step=step, by=who, reason=reason))


@app.command()
def skip(
    stream: Stream,
    reason: Reason,
    tenant: Tenant = None,
    step: Step = None,
    who: Who = None,
    yes: Yes = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Count a step as done, though it is not: it is never tried again."""
    if not yes:
        typer.confirm(f"{step or 'the step that is stuck'} of {stream} is never tried again. Skip it?", abort=True)
    _done(_order("skip", stream, tenant, program, outputs, step=step, by=who, reason=reason))


@app.command()
def cancel(
    stream: Stream,
    reason: Reason,
    tenant: Tenant = None,
    who: Who = None,
    yes: Yes = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """End a saga as its domain says: what was done is undone."""
    if not yes:
        typer.confirm(f"what {stream} has done so far is undone. Cancel it?", abort=True)
    _done(_order("cancel", stream, tenant, program, outputs, by=who, reason=reason))


def _order(
    kind: str, stream: str, tenant: str | None, program: Path, outputs: Path | None, **order: str | None
) -> dict[str, Any]:
    """By the function that runs the steps: nothing is written with the rights of whoever asks."""
    with told():
        from .connection import Connection
        from .given import stream_id

        key = stream_id(stream, tenant).key
        if kind != "show":
            order |= {"by": order.get("by") or getpass.getuser(), "key": uuid.uuid4().hex}
        return Connection(program, outputs).order_saga({"order": kind, "stream": key, **order})
    raise AssertionError("told() ends the command")


def _done(shown: dict[str, Any]) -> None:
    _print(shown)
    if shown["problem"]:
        fail(f"recorded, and not done yet: {shown['problem']}. The queue goes on; `saga show` tells how it went")


def _print(shown: dict[str, Any]) -> None:
    due = f", due {shown['due']}" if shown["due"] else ""
    rows = [
        (
            step["step"],
            step["kind"] + (f" for {step['compensates']}" if step["compensates"] else ""),
            step["on"],
            step["status"],
            step["at"],
            "\n".join(
                [*filter(None, [step["error"]])]
                + [f"{each['what']} {each['time']} {each['by']}: {each['why']}" for each in step["happened"]]
            ),
        )
        for step in shown["steps"]
    ]
    title = f"{shown['saga']} {shown['stream']}: {shown['status']}, began {shown['began_at']}{due}"
    show_table(console(), title, ("step", "kind", "on", "status", "at", "what happened"), rows)


def _rows(connection: "Connection", tenant: "TenantId | None") -> "Iterator[tuple[str, SagaProgress]]":
    """The rows of all sagas that are read, with their streams' keys. Without a tenant it looks at every row."""
    from foldstack.aws import composition, view_rows
    from foldstack.kernel.errors import OperationRefused

    if not connection.service.sagas:
        raise OperationRefused(f"{connection.service.name} has no sagas")
    for saga in connection.service.sagas.values():
        projection, pipeline = connection.projection(saga.name)
        views = composition.view_operations(pipeline.environment, connection.service, connection.client)
        live = projection.in_generation(views.control(projection).live)
        if tenant is not None:
            found = ((str(tenant), id, lead) for id, lead in views.rows(live, tenant, None, _PAGE))
        else:
            found = _all(views, live)
        for owner, id, lead in found:
            row = view_rows.model_of(live, lead.row)
            if row is not None:
                yield f"{owner}#{saga.of.category}#{id}", row


def _all(views: Any, projection: Any) -> Iterator[tuple[str, str, Any]]:
    after, more = None, True
    while more:
        page = views.leads(projection, after)
        yield from ((row.tenant, row.id, row.lead) for row in page.rows)
        after = page.after
        more = after is not None


def _text(moment: Any) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else ""
