"""Files and folders of a cloud's home, for its owner alone."""

import os
from pathlib import Path
from typing import IO

HOME = ".foldstack"


def private_directory(path: Path) -> Path:
    """Make a directory that only its owner may enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(file: Path, text: str) -> None:
    """Replace a file at once by one that only its owner may read."""
    private_directory(file.parent)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    partial.replace(file)


def private_log(path: Path) -> IO[bytes]:
    """Append to a file that only its owner may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
