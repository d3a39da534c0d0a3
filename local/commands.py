"""The commands of `foldstack`.

What deploys is imported by those commands alone that deploy: the others answer at once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from . import log_files
from .control import Control, ControlError
from .display import DeployDisplay, ended, show_outputs, show_status
from .errors import explain
from .explain.command import explain as explain_program
from .explain.command import graph
from .home_data import KEPT, holds_data, lock, remove_data
from .new import new
from .operations import erasing, events, lake, projections, restore, sagas, tenants
from .operations.connection import Connection
from .operations.terminal import fail, told
from .preview.command import contracts, identities, preview
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
app.add_typer(lake.app, name="lake")
app.add_typer(sagas.app, name="saga")
app.add_typer(tenants.tenant, name="tenant")
app.add_typer(tenants.user, name="user")
app.add_typer(tenants.machine, name="machine")
app.command()(restore.restore)
app.command()(erasing.erase)
app.command()(preview)
app.command()(new)
app.command("explain")(explain_program)
app.command()(graph)
app.command()(identities)
app.command()(contracts)

_console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
_errors = Console(stderr=True, highlight=False, soft_wrap=True)

Program = Annotated[Path, typer.Option("--program", help="The directory of a Pulumi.yaml.", show_default="here")]
Stack = Annotated[str, typer.Option("--stack", help="Which Pulumi.<stack>.yaml to read.")]
Config = Annotated[
    list[str] | None, typer.Option("--config", metavar="KEY=VALUE", help="Over the stack's file; may be repeated.")
]


@local.command()
def up(
    program: Program = Path(),
    stack: Stack = "local",
    config: Config = None,
    detach: Annotated[bool, typer.Option(help="Leave it running; deploy anew to one that runs.")] = False,
    port: Annotated[
        int | None, typer.Option(help="Port of the AWS endpoint; APIs take those after it.", min=0, max=65_000)
    ] = None,
    keep_data: Annotated[bool, typer.Option(help="Keep the data when ctrl-C ends it.")] = False,
    replace_data: Annotated[bool, typer.Option(help="Allow tables and buckets to be replaced or deleted.")] = False,
) -> None:
    """Deploy the program to this machine."""
    try:
        read_stack_files(program, stack)
    except StackFileError as error:
        fail(str(error))
    home = _home(program)
    running = Running.read(home)
    if running is not None and running.killed:
        _clear(home, running)
        running = None
    if running is not None and not detach:
        fail(
            f"a laptop cloud runs here already (pid {running.supervisor.pid}): "
            "`foldstack local up --detach` deploys to it anew, `foldstack local down` stops it"
        )
    if running is not None and running.stack != stack:
        fail(f"stack {running.stack!r} runs here: `foldstack local down` first, or say --stack {running.stack}")
    if running is not None and port is not None:
        fail("the ports of a running cloud stay as they are: leave --port out, or `foldstack local down` first")
    request = {"replace_data": replace_data, "config": _values(config)}
    if detach:
        _deploy_detached(home, running, program, stack, port, request)
    else:
        _run_here(program, stack, port, keep_data, request)


@local.command()
def status(program: Program = Path(), as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show functions, event sources and URLs of the cloud that runs."""
    try:
        content = _control(_home(program)).status()
    except ControlError as error:
        fail(str(error))
    if as_json:
        print(json.dumps(content, indent=2))
    else:
        show_status(_console, content)
    if problem := ended(content):
        fail(problem)


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
            fail("there are no logs: a function has one from its first call on")
        for file, line in log_files.follow(find) if follow else log_files.lines(files):
            print(line if function else f"{file.stem} | {line}", flush=follow)
    except log_files.NoLogError as error:
        fail(str(error))
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
    if running is None or running.killed:
        if running is not None:
            _clear(home, running)
        _remove_leftovers(home, keep_data)
        return
    try:
        Control(home, running).down(keep_data=keep_data)
        running.supervisor.wait(60.0)
    except ControlError as error:
        _errors.print(f"{escape(str(error))}; stopping it by its process id")
    running.supervisor.stop()
    if left := Running.read(home):
        left.clear(home)
    if not keep_data:
        _remove(home)  # that of one that had to be killed, too
        _console.print("stopped; its data is removed")
    elif (home / KEPT).is_file():
        _console.print("stopped; its data is kept")
    else:
        fail("stopped; its data is lost: the emulator had ended before")


@local.command()
def token(
    tenant: Annotated[str, typer.Option("--tenant", help="Added where it is new.")],
    user: Annotated[str, typer.Option("--user", help="An e-mail address or a name; added where it is new.")],
    role: Annotated[
        str | None, typer.Option("--role", help="One of the domain's roles.", show_default="its own, else the first")
    ] = None,
    program: Program = Path(),
) -> None:
    """Print an access token for the API, alone on the last line."""
    with told():
        print(Connection(program, None).tokens.of(tenant, user, role)["access_token"])


@app.command()
def demo(
    program: Program = Path(),
    stack: Stack = "local",
    config: Config = None,
    keep: Annotated[bool, typer.Option(help="Stay up afterwards, until ctrl-C.")] = False,
) -> None:
    """Deploy the program afresh and walk through it: requests, events, views, what it costs."""
    from .demo import DemoFailed, run_demo

    values = _values(config)
    try:
        run_demo(program.resolve(), stack, _console, config=values, keep=keep)
    except DemoFailed as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted; everything is stopped")
    except Exception as error:  # noqa: BLE001 - shown to the person who asked
        fail(explain(error, program.resolve()))


def _run_here(program: Path, stack: str, port: int | None, keep_data: bool, request: dict[str, Any]) -> None:
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
            Supervisor(cloud).run(tell, request, keep_data=keep_data)
        except KeyboardInterrupt:
            failed.append("interrupted; everything is stopped")
    if failed:
        fail(failed[0])


def _deploy_detached(
    home: Path, running: Running | None, program: Path, stack: str, port: int | None, request: dict[str, Any]
) -> None:
    if running is not None:
        events = Control(home, running).deploy(request)
    else:
        events = _start_supervisor(home, program, stack, port, request)
    with DeployDisplay(_console) as display:
        last: dict[str, Any] = {}
        for event in events:
            last = event
            display.event(event)
    if last.get("event") == "ready":
        _ready(display, last)
    elif last.get("event") == "error":
        fail(last["message"])
    else:
        fail(f"the cloud ended before it was ready; see {home / 'supervisor.log'}")


def _start_supervisor(
    home: Path, program: Path, stack: str, port: int | None, request: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    private_directory(home)
    package = __name__.rpartition(".")[0]
    arguments = [str(program.resolve()), stack, str(home), str(port or "-"), json.dumps(request)]
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
        fail("no laptop cloud runs here: `foldstack local up` starts one")
    if running.killed:
        fail(
            f"the cloud that ran here (pid {running.supervisor.pid}) was killed, and its data is lost: "
            "`foldstack local up` starts another, `foldstack local down` clears away what is left"
        )
    return Control(home, running)


def _clear(home: Path, killed: Running) -> None:
    killed.clear(home)
    _errors.print(
        f"the cloud that ran here (pid {killed.supervisor.pid}) was killed: "
        "its data is lost, for that is kept at an orderly end only"
    )


def _remove_leftovers(home: Path, keep_data: bool) -> None:
    if keep_data or not holds_data(home):
        _console.print("no laptop cloud runs here")
        return
    _remove(home)
    _console.print("no laptop cloud runs here; what an earlier one left is removed")


def _remove(home: Path) -> None:
    held = lock(home)
    if held is None:
        fail("a laptop cloud starts or ends here at this moment: try again when it has")
    with held:
        remove_data(home)


def _values(config: list[str] | None) -> dict[str, str]:
    """Configuration by key; the stack's files say what each key's value must look like."""
    values = {}
    for each in config or ():
        key, equals, value = each.partition("=")
        if not key or not equals:
            fail(f"--config {each!r} is not KEY=VALUE: write --config road=kinesis, for instance")
        values[key] = value
    return values


def _home(program: Path) -> Path:
    return program.resolve() / HOME
