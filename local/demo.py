"""`foldstack demo`: deploy a program afresh, let its demo module call it, and show what that left and cost."""

import importlib
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from .cloud import LaptopCloud
from .demo_calls import Answer, Calls
from .demo_report import show_costs, show_events, show_failures, show_views
from .display import DeployDisplay, show_outputs
from .operations.connection import Connection
from .private_files import HOME
from .stack_files import read_stack_files
from .tokens import Tokens

__all__ = ["Answer", "DemoFailed", "run_demo"]


class DemoFailed(Exception):
    """There is no demo, or an answer was not what it expects; the message says which."""


def run_demo(
    program: Path, stack: str, console: Console, *, config: Mapping[str, str] | None = None, keep: bool = False
) -> None:
    """The demo of the program in `program`, in a home of its own: a running cloud is not disturbed. `config` goes
    over the stack's file."""
    module = read_stack_files(program, stack, config).demo
    if module is None:
        raise DemoFailed(f"Pulumi.{stack}.yaml names no demo: set foldstack:demo to a module with `run(call, settle)`")
    with _fresh_home(program) as home, LaptopCloud(program, stack, home) as cloud:
        with DeployDisplay(console) as display:
            cloud.up(display, config=config)
        console.print(display.summary())
        url = cloud.outputs.get("apiUrl")
        if not isinstance(url, str):
            raise DemoFailed("the program exports no apiUrl, and a demo calls that")
        with _importable(program):
            walk = importlib.import_module(module)
        calls = Calls(url, console, _tokens(program, cloud))
        try:
            walk.run(calls.call, cloud.wait_idle)
        except AssertionError as error:
            show_failures(console, cloud.logs)
            raise DemoFailed(f"the demo failed: {error or 'an assertion in ' + module}") from error
        finally:
            calls.close()
        cloud.wait_idle()
        _report(cloud, console)
        show_outputs(console, cloud.shown_outputs, cloud.endpoint)
        if keep:
            console.print(f"outputs in {cloud.home / 'outputs.json'}", soft_wrap=True)
            console.print("running until ctrl-C")
            _wait_for_the_end()


def _tokens(program: Path, cloud: LaptopCloud) -> Tokens | None:
    operated = cloud.outputs.get("operated")
    has_auth = isinstance(operated, Mapping) and "auth" in operated
    return Connection(program, None, cloud.home).tokens if has_auth else None


def _report(cloud: LaptopCloud, console: Console) -> None:
    dynamodb, outputs = cloud.client("dynamodb"), cloud.outputs
    if isinstance(table := outputs.get("eventTable"), str):
        show_events(console, dynamodb, table)
    views = outputs.get("viewTables")
    if isinstance(views, Mapping):
        show_views(console, dynamodb, views)
    show_costs(console, cloud.logs)


@contextmanager
def _fresh_home(program: Path) -> Iterator[Path]:
    """A home of the demo's own, gone afterwards; beside the program's, where its disk and owner are right."""
    parent = program / HOME
    parent.mkdir(mode=0o700, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="demo-", dir=parent))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _importable(program: Path) -> Iterator[None]:
    sys.path.insert(0, str(program))
    try:
        yield
    finally:
        sys.path.remove(str(program))


def _wait_for_the_end() -> None:
    end = threading.Event()
    before = {n: signal.signal(n, lambda *_: end.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        end.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
