"""The logs of functions and stand-ins: which file is whose, and its lines as they come."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path


class NoLogError(Exception):
    """No log file belongs to the name; the message lists those there are."""


def log_files(folder: Path, name: str | None) -> list[Path]:
    """All log files, or the one of a function by its physical or logical name."""
    there = sorted(folder.glob("*.log")) if folder.is_dir() else []
    if name is None:
        return there
    logical = re.compile(rf"(.+-)?{re.escape(name)}-[0-9a-f]{{6}}")
    found = [f for f in there if f.stem == name] or [f for f in there if logical.fullmatch(f.stem)]
    if not found:
        known = ", ".join(f.stem for f in there) or "none yet: a function has a log from its first call on"
        raise NoLogError(f"no log of {name!r}; there are {known}")
    return found


def lines(files: list[Path]) -> Iterator[tuple[Path, str]]:
    """What the files hold now."""
    for file in files:
        for line in file.read_text(errors="replace").splitlines():
            yield file, line


def follow(find: Callable[[], list[Path]], pause: float = 0.2) -> Iterator[tuple[Path, str]]:
    """What the files hold and what is added to them, also to files that come later; never ends by itself."""
    read: dict[Path, int] = {}
    while True:
        for file in find():
            with file.open("rb") as content:
                content.seek(read.get(file, 0))
                whole = content.read().rpartition(b"\n")[0]
            if whole:
                read[file] = read.get(file, 0) + len(whole) + 1
                for line in whole.decode(errors="replace").split("\n"):
                    yield file, line
        time.sleep(pause)
