"""What the commands of this package share: options, the console, and errors as a person reads them."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

# Where nobody sets a width, a table is not cut to that of a terminal that is not there.
_WIDE = 160

Program = Annotated[Path, typer.Option("--program", help="The directory of a Pulumi.yaml.", show_default="here")]
Outputs = Annotated[
    Path | None,
    typer.Option("--outputs", help="What `pulumi stack output --json` printed.", show_default="the laptop cloud's"),
]


def console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


@contextmanager
def told() -> Iterator[None]:
    """Ends the command with an error that says what is wrong and how to mend it, without a stack trace."""
    from botocore.exceptions import BotoCoreError, ClientError
    from foldstack.kernel.errors import FoldstackError

    from ..stack_files import StackFileError

    try:
        yield
    except (FoldstackError, StackFileError) as error:
        fail(str(error))
    except (BotoCoreError, ClientError) as error:
        fail(f"AWS: {error}")


def fail(message: str) -> NoReturn:
    """Ends the command with 1, and says why."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]error:[/red] {escape(message)}")
    raise typer.Exit(1)


@contextmanager
def stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """The first ctrl-C asks for an end, the second is one."""
    stop = threading.Event()

    def on_signal(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
