"""`foldstack events`: a stream's history, commits as they come, and commits published again."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ..display import show_table
from .terminal import Outputs, Program, console, fail, stopped_by_ctrl_c, told

if TYPE_CHECKING:
    from foldstack.kernel.commit import Commit
    from foldstack.kernel.history import History
    from foldstack.kernel.upcasting import StoredEvent

app = typer.Typer(help="Events in the store.", no_args_is_help=True)

Types = Annotated[list[str] | None, typer.Option("--type", help="Only commits with this event type; may be repeated.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="The tenant of the stream.")]
_REST = 1.0
_WIDTH = 100


@app.command()
def show(
    stream: Annotated[str, typer.Argument(help="tenant#category#id, or category#id with --tenant.")],
    tenant: Tenant = None,
    at_version: Annotated[int | None, typer.Option("--at-version", min=1, help="As it was after this event.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="As it was at a time: ISO 8601, or 2h, 3d ago.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Show the events of a stream and the state that they fold to."""
    with told():
        from foldstack.kernel.history import history

        from .connection import Connection
        from .given import moment, stream_id

        id = stream_id(stream, tenant)
        until = moment(as_of, "--as-of") if as_of else None
        connection = Connection(program, outputs)
        found = history(connection.commits, id, at_version=at_version, as_of=until)
        aggregate = connection.service.aggregates.get(id.category)
        state = found.state(aggregate).model_dump(mode="json") if aggregate else None
    if as_json:
        print(json.dumps(_as_json(found, state), indent=2, ensure_ascii=False))
        return
    title = f"{found.stream.key} at version {found.version}{'' if found.whole else ' (there is more)'}"
    rows = [
        (str(past.event.version), past.commit.time, past.event.type, _short(past.event), past.commit.actor)
        for past in found.events
    ]
    show_table(console(), title, ("version", "time", "event", "data", "by"), rows)
    console().print(
        f"state: {escape(json.dumps(state, ensure_ascii=False))}" if aggregate else "state: of no aggregate"
    )


@app.command()
def tail(
    types: Types = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Wait for more.")] = False,
    number: Annotated[int, typer.Option("-n", min=0, help="How many to begin with; 0 reads nothing old.")] = 20,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Print the last commits of all streams: what the table's stream holds, a day at most.

    It is the second reader of that stream, and it takes no third.
    """
    wanted = set(types or ())
    with told(), stopped_by_ctrl_c() as stop:
        from foldstack.aws import composition
        from foldstack.aws.commit_tail import CommitTail

        from .connection import Connection

        connection = Connection(program, outputs)
        table = connection.client("dynamodb").describe_table(TableName=connection.environment.commit_table)["Table"]
        bodies = composition.bodies(connection.environment, connection.client)
        reader = CommitTail(connection.client("dynamodbstreams"), table["LatestStreamArn"], bodies, new=not number)
        if number:
            _print(reader.last(number, wanted))
        while follow and not stop.is_set():
            found = list(reader.poll())
            _print(commit for commit in found if not wanted or not wanted.isdisjoint(commit.types))
            if not found:
                stop.wait(_REST)


@app.command()
def republish(
    to: Annotated[str, typer.Option("--to", help="The consumer that is meant: effects, or a pipeline's name.")],
    since: Annotated[str | None, typer.Option("--since", help="Not older than: ISO 8601, or 2h, 3d ago.")] = None,
    stream: Annotated[str | None, typer.Option("--stream", help="One stream only.")] = None,
    tenant: Tenant = None,
    types: Types = None,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Commits a second at most.")] = 100.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the same command was stopped.")] = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Publish commits of the store again, for one consumer; all others refuse them."""
    from .republishing import run

    with told(), stopped_by_ctrl_c() as stop:
        done = run(
            program,
            outputs,
            {"to": to, "since": since, "stream": stream, "tenant": tenant, "types": sorted(types or ())},
            rate=rate,
            resume=resume,
            stop=stop,
            console=console(),
        )
    if done.position is not None:
        fail(f"stopped after {done.published} commits: the same command with --resume goes on")
    console().print(f"published {done.published} commits for {to}")


def _print(commits: "Iterable[Commit]") -> None:
    for commit in commits:
        for event in commit.stored:
            print(f"{commit.time}  {commit.stream.key}@{event.version}  {event.type}  {_short(event)}", flush=True)


def _short(event: "StoredEvent") -> str:
    text = json.dumps(_shown(event), ensure_ascii=False)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _as_json(found: "History", state: Any) -> dict[str, Any]:
    events = [
        {
            "version": past.event.version,
            "type": past.event.type,
            "schema": past.event.schema,
            "data": _shown(past.event),
            "time": past.commit.time,
            "command": past.commit.command_id,
            "correlation": past.commit.correlation,
            "causation": past.commit.causation,
            "actor": past.commit.actor,
            "epoch": past.commit.epoch,
        }
        for past in found.events
    ]
    return {
        "stream": found.stream.key,
        "version": found.version,
        "whole": found.whole,
        "events": events,
        "state": state,
    }


def _shown(event: "StoredEvent") -> Any:
    """An event's data; of what is personal, that it is there."""
    from foldstack.kernel.personal import shown

    return shown(event.data)
