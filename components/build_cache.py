"""A cache of built files by content: `$XDG_CACHE_HOME/foldstack/bundles`, or `~/.cache/foldstack/bundles`.

Safe under parallel processes: a file appears whole or not at all; one process builds it, the others wait.
"""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

KEPT_SECONDS = 30 * 24 * 3600


def key(*parts: bytes) -> str:
    """A name for `parts`: equal for equal contents, wherever one part ends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]


def cached(name: str, build: Callable[[Path], Path]) -> Path:
    """The file `name` of the cache, made by `build` if it is not there.

    `build` gets an empty folder of its own and returns the file that it made in it.
    """
    path = _folder() / name
    if not path.exists():
        with _alone(path):
            if not path.exists():
                _drop_unused(path.parent)
                with tempfile.TemporaryDirectory(dir=path.parent, prefix="building-") as staging:
                    os.replace(build(Path(staging)), path)
    path.touch()
    return path


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "foldstack" / "bundles"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    if sys.platform == "win32":  # no flock: two builds at once are wasted work there, and still correct
        yield
        return
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _drop_unused(folder: Path) -> None:
    """Remove what no build has asked for in thirty days."""
    for file in folder.glob("*.*"):
        if file.is_file() and time.time() - file.stat().st_mtime > KEPT_SECONDS:
            file.unlink(missing_ok=True)
