"""A bar with rate and time left, or now and then a line where there is no terminal."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_EVERY = 10.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class Bar:
    """Shows how far something is that may not know its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = ("", 0.0)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, stage: str, done: int, total: int = 0) -> None:
        """`total` 0: unknown. An estimate that was passed is none."""
        known = total if done <= total else 0
        self._bar.update(self._task, description=stage, completed=done, total=known or None)
        if not self._console.is_terminal and (stage != self._told[0] or time.monotonic() > self._told[1]):
            self._told = (stage, time.monotonic() + _LINE_EVERY)
            self._console.print(f"{stage} {done:,}" + (f" of about {known:,}" if known else "") if done else stage)
