"""The commands of `foldstack`.

What deploys is imported by those commands alone that deploy: the others answer at once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from . import log_files
from .control import Control, ControlError
from .display import DeployDisplay, show_outputs, show_status
from .errors import explain
from .operations import events, projections, restore
from .private_files import HOME, private_directory, private_log
from .running import Running
from .stack_files import StackFileError, read_stack_files

# Where nobody sets a width, a table is not cut to that of a terminal that is not there.
_WIDE = 140

app = typer.Typer(help="Event sourcing and CQRS on AWS, and the whole of it on this machine.", no_args_is_help=True)
local = typer.Typer(help="The laptop cloud: a Pulumi program, run whole on this machine.", no_args_is_help=True)
app.add_typer(local, name="local")
app.add_typer(events.app, name="events")
app.add_typer(projections.app, name="projection")
app.command()(restore.restore)

_console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
_errors = Console(stderr=True, highlight=False, soft_wrap=True)

Program = Annotated[Path, typer.Option("--program", help="The directory of a Pulumi.yaml.", show_default="here")]
Stack = Annotated[str, typer.Option("--stack", help="Which Pulumi.<stack>.yaml to read.")]


@local.command()
def up(
    program: Program = Path(),
    stack: Stack = "local",
    detach: Annotated[bool, typer.Option(help="Leave it running; deploy anew to one that runs.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the AWS endpoint; APIs take those after it.")] = None,
    keep_data: Annotated[bool, typer.Option(help="Keep the data when ctrl-C ends it.")] = False,
    replace_data: Annotated[bool, typer.Option(help="Allow tables and buckets to be replaced or deleted.")] = False,
) -> None:
    """Deploy the program to this machine."""
    try:
        read_stack_files(program, stack)
    except StackFileError as error:
        _fail(str(error))
    home = _home(program)
    running = Running.read(home)
    if running is not None and not detach:
        _fail(
            f"a laptop cloud runs here already (pid {running.supervisor.pid}): "
            "`foldstack local up --detach` deploys to it anew, `foldstack local down` stops it"
        )
    if running is not None and running.stack != stack:
        _fail(f"stack {running.stack!r} runs here: `foldstack local down` first, or say --stack {running.stack}")
    if running is not None and port is not None:
        _fail("the ports of a running cloud stay as they are: leave --port out, or `foldstack local down` first")
    if detach:
        _deploy_detached(home, running, program, stack, port, replace_data)
    else:
        _run_here(program, stack, port, keep_data, replace_data)


@local.command()
def status(program: Program = Path(), as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show functions, event sources and URLs of the cloud that runs."""
    content = _control(_home(program)).status()
    if as_json:
        print(json.dumps(content, indent=2))
    else:
        show_status(_console, content)


@local.command()
def logs(
    function: Annotated[str | None, typer.Argument(help="A function; all of them when left out.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Wait for more.")] = False,
    program: Program = Path(),
) -> None:
    """Print what functions wrote."""
    folder = _home(program) / "host" / "logs"

    def find() -> list[Path]:
        return log_files.log_files(folder, function)

    try:
        files = find()
        if not files and not follow:
            _fail("there are no logs: a function has one from its first call on")
        for file, line in log_files.follow(find) if follow else log_files.lines(files):
            print(line if function else f"{file.stem} | {line}", flush=follow)
    except log_files.NoLogError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        return


@local.command()
def down(
    program: Program = Path(),
    keep_data: Annotated[bool, typer.Option(help="Leave the data for the next `up`.")] = False,
) -> None:
    """Stop the cloud; its data is removed."""
    home = _home(program)
    running = Running.read(home)
    if running is None:
        _console.print("no laptop cloud runs here")
        return
    try:
        Control(home, running).down(keep_data=keep_data)
        running.supervisor.wait(60.0)
    except ControlError as error:
        _errors.print(f"{escape(str(error))}; stopping it by its process id")
    running.supervisor.stop()
    Running.read(home)
    _console.print(f"stopped; its data is {'kept' if keep_data else 'removed'}")


@app.command()
def demo(
    program: Program = Path(),
    stack: Stack = "local",
    keep: Annotated[bool, typer.Option(help="Stay up afterwards, until ctrl-C.")] = False,
) -> None:
    """Deploy the program afresh and walk through it: requests, events, views, what it costs."""
    from .demo import DemoFailed, run_demo

    try:
        run_demo(program.resolve(), stack, _console, keep=keep)
    except DemoFailed as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted; everything is stopped")
    except Exception as error:  # noqa: BLE001 - shown to the person who asked
        _fail(explain(error, program.resolve()))


def _run_here(program: Path, stack: str, port: int | None, keep_data: bool, replace_data: bool) -> None:
    from .cloud import LaptopCloud
    from .supervisor import Supervisor

    cloud = LaptopCloud(program, stack, _home(program), port)
    failed: list[str] = []

    def tell(event: dict[str, Any]) -> None:
        display.event(event)
        if event["event"] == "error":
            failed.append(event["message"])
        if event["event"] == "ready":
            display.__exit__(None, None, None)
            _ready(display, event)
            _console.print("running until ctrl-C")

    with DeployDisplay(_console) as display:
        try:
            Supervisor(cloud).run(tell, keep_data=keep_data, replace_data=replace_data)
        except KeyboardInterrupt:
            failed.append("interrupted; everything is stopped")
    if failed:
        _fail(failed[0])


def _deploy_detached(
    home: Path, running: Running | None, program: Path, stack: str, port: int | None, replace_data: bool
) -> None:
    if running is not None:
        events = Control(home, running).deploy(replace_data=replace_data)
    else:
        events = _start_supervisor(home, program, stack, port, replace_data)
    with DeployDisplay(_console) as display:
        last: dict[str, Any] = {}
        for event in events:
            last = event
            display.event(event)
    if last.get("event") == "ready":
        _ready(display, last)
    elif last.get("event") == "error":
        _fail(last["message"])
    else:
        _fail(f"the cloud ended before it was ready; see {home / 'supervisor.log'}")


def _start_supervisor(
    home: Path, program: Path, stack: str, port: int | None, replace_data: bool
) -> Iterator[dict[str, Any]]:
    private_directory(home)
    package = __name__.rpartition(".")[0]
    arguments = [str(program.resolve()), stack, str(home), str(port or "-"), "replace-data" if replace_data else "-"]
    with private_log(home / "supervisor.log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{package}.supervisor", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(package),
            start_new_session=True,
        )
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def _environment(package: str) -> dict[str, str]:
    """Installed, the package is found by itself; in the repository it lies beside this folder."""
    if "." in package:
        return dict(os.environ)
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _ready(display: DeployDisplay, event: dict[str, Any]) -> None:
    _console.print(display.summary())
    show_outputs(_console, event["outputs"], event["endpoint"])


def _control(home: Path) -> Control:
    running = Running.read(home)
    if running is None:
        _fail("no laptop cloud runs here: `foldstack local up` starts one")
    return Control(home, running)


def _home(program: Path) -> Path:
    return program.resolve() / HOME


def _fail(message: str) -> NoReturn:
    _errors.print(f"[red]error:[/red] {escape(message)}")
    raise typer.Exit(1)
