"""The program as a commit has it, in a folder of its own."""

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Python 3.11 has filters from 3.11.4 on; git's own archives need none.
_FILTERED: dict[str, Any] = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}


class RevisionError(Exception):
    """There is no such revision of the program; the message says what to do."""


@contextmanager
def checked_out(program: Path, ref: str) -> Iterator[Path]:
    """The folder of `program` as it is in commit `ref`. The repository is only read: nothing is checked out in it."""
    program = program.resolve()
    top = Path(_git(program, "rev-parse", "--show-toplevel").strip())
    commit = commit_of(program, ref)
    with tempfile.TemporaryDirectory(prefix="foldstack-preview-") as folder:
        archive = Path(folder) / "revision.tar"
        _git(top, "archive", "--format=tar", f"--output={archive}", commit)
        tree = Path(folder) / "tree"
        with tarfile.open(archive) as packed:
            packed.extractall(tree, **_FILTERED)
        there = tree / program.relative_to(top)
        if not (there / "Pulumi.yaml").is_file():
            raise RevisionError(f"{ref} has no {program.relative_to(top) / 'Pulumi.yaml'}: the program is younger")
        yield there


def commit_of(program: Path, ref: str) -> str:
    """The commit that a name stands for. Raises RevisionError."""
    return _git(program, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", name=ref).strip()


def _git(folder: Path, *arguments: str, name: str = "") -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RevisionError("a preview compares two commits, and there is no `git` on this machine") from None
    if done.returncode == 0:
        return done.stdout
    if name:
        raise RevisionError(
            f"{name!r} is no commit of {folder}: name a branch, a tag or a commit, and fetch it first "
            "(in GitHub Actions: `fetch-depth: 0` for actions/checkout)"
        )
    raise RevisionError(f"git {' '.join(arguments)} in {folder}: {done.stderr.strip()}")
