"""What a cloud holds in its home: one cloud at a time has it, and it goes when nobody asked to keep it."""

import fcntl
import os
import shutil
from pathlib import Path
from typing import IO

KEPT = "kept.json"

_FOLDERS = ("databases", "emulator", "host", "functions")
_FILES = ("state.json", "outputs.json", "access.json", KEPT, "key")


def lock(home: Path) -> IO[str] | None:
    """Have the home until the file is closed; None when another cloud has it."""
    file = os.fdopen(os.open(home / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def holds_data(home: Path) -> bool:
    """Whether a cloud left anything in its home."""
    return any((home / name).exists() for name in (*_FOLDERS, *_FILES))


def remove_data(home: Path) -> None:
    """Remove the data, and the key that only this data is signed with. For whoever has the lock."""
    for name in _FOLDERS:
        shutil.rmtree(home / name, ignore_errors=True)
    for name in _FILES:
        (home / name).unlink(missing_ok=True)
