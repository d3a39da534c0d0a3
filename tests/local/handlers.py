"""Handlers that the function host's suites call, and what tells how far one has come."""

import os
import select
from collections.abc import Callable
from pathlib import Path

from .conftest import Function

Make = Callable[..., Function]
ECHO = "def handler(event, context): return event"
BLOCKING = """
    import os
    def handler(event, context):
        with open(event["begun"], "w") as begun: begun.write(str(os.getpid()))
        with open(event["go"]) as go: go.read()
        return os.getpid()
"""


class Gate:
    """A handler of BLOCKING says that it has begun, and waits to be let go."""

    def __init__(self, folder: Path, name: str) -> None:
        self.event = {"begun": str(folder / f"{name}-begun"), "go": str(folder / f"{name}-go")}
        for path in self.event.values():
            os.mkfifo(path)

    def begun(self) -> int:
        return int(Path(self.event["begun"]).read_text())

    def go(self) -> None:
        Path(self.event["go"]).write_text("")


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether a process that was killed has ended: a signal is on its way for a moment."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)
