"""Tables and progress on the terminal; plain lines where there is none."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_VERBS = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted", "same": "unchanged"}


class DeployDisplay:
    """Progress of a deployment: a bar on a terminal, a line for each stage elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> "DeployDisplay":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, what: str) -> None:
        self._bar.update(self._task, description=what)
        if not self._console.is_terminal:
            self._console.print(what)

    def total(self, resources: int) -> None:
        self._bar.update(self._task, total=resources, completed=0)

    def step(self, verb: str, resource: str) -> None:
        with self._lock:
            self._steps[verb] += 1
        self._bar.update(self._task, advance=1, description=f"{verb} {escape(resource)}")

    def event(self, event: Mapping[str, Any]) -> None:
        """An event of a supervisor that deploys elsewhere."""
        match event["event"]:
            case "stage":
                self.stage(event["what"])
            case "total":
                self.total(event["resources"])
            case "step":
                self.step(event["verb"], event["resource"])

    def summary(self) -> str:
        """How many resources were created, changed, left alone."""
        counts = [f"{self._steps[verb]} {done}" for verb, done in _VERBS.items() if self._steps[verb]]
        return f"{sum(self._steps.values())} resources: {', '.join(counts) or 'none'}"


def show_outputs(console: Console, outputs: Mapping[str, Any], endpoint: str) -> None:
    """The stack's outputs and where AWS's services answer; without `operated`, which is for commands to read."""
    rows = [(key, _text(value)) for key, value in sorted(outputs.items()) if key != "operated"]
    show_table(console, "outputs", ("output", "value"), [*rows, ("(AWS endpoint)", endpoint)])


def show_status(console: Console, status: Mapping[str, Any]) -> None:
    """Functions, event sources, outputs."""
    functions = [(f["name"], f["handler"], f"{f['memory']} MB", f"{f['timeout']} s") for f in status["functions"]]
    show_table(console, "functions", ("function", "handler", "memory", "timeout"), functions)
    sources = [
        (s["name"], s["reads"], s["function"], str(s["calls"]), s["problem"] or s["lag"]) for s in status["sources"]
    ]
    show_table(console, "event sources", ("source", "reads", "for", "calls", "lag"), sources)
    show_outputs(console, status["outputs"], status["endpoint"])
    console.print(f"stack {status['stack']}, pid {status['pid']}")


def ended(status: Mapping[str, Any]) -> str | None:
    """Which processes of the cloud no longer run, and what to do; None when all do."""
    names = [name for name, runs in status["processes"].items() if not runs]
    if not names:
        return None
    mend = (
        "its data is lost: `foldstack local down`, then `up` again"
        if "emulator" in names
        else "`foldstack local up --detach` starts it again"
    )
    return f"not running: {', '.join(names)}; {mend}"


def show_table(
    console: Console,
    title: str,
    columns: Iterable[str],
    rows: Iterable[Iterable[str]],
    *,
    cut: bool = False,
    whole: str = "",
) -> None:
    """A title and a table; cells are plain text, `cut` where the terminal ends or else folded. The column `whole` is
    neither: it is there to be copied."""
    console.print(f"\n[bold]{escape(title)}[/bold]")
    table = Table()
    for column in columns:
        table.add_column(column, overflow="ellipsis" if cut else "fold", no_wrap=cut or column == whole)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{k}: {v}" for k, v in value.items())
    return str(value)
