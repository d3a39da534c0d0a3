import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local.preview.changes import Changes, changes
from local.preview.revision import checked_out
from local.preview.snapshot import Snapshot, take

KEY = bytes(32)
PROGRAM = Path(__file__).parent / "program"
DOMAIN = PROGRAM.parents[1] / "e2e" / "programs" / "days" / "books"


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def repository(folder: Path) -> Path:
    """A repository with one commit, its program in a folder of it."""
    program = folder / "stacks" / "books"
    shutil.copytree(PROGRAM, program, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(DOMAIN, program / "books", ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "As it is")
    return program


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The program as it is, taken once."""
    program = repository(tmp_path_factory.mktemp("committed"))
    with checked_out(program, "HEAD") as folder:
        return take(folder, "dev", KEY, "HEAD")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return repository(tmp_path)


@pytest.fixture
def edited(program: Path, committed: Snapshot) -> Callable[..., Changes]:
    """What becomes of the stack when the program is edited: `old` -> `new`, in one of its files."""

    def edit(*edits: tuple[str, str], file: str = "__main__.py") -> Changes:
        text = (program / file).read_text()
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (program / file).write_text(text)
        return changes(committed, take(program, "dev", KEY, "work in progress"))

    return edit
