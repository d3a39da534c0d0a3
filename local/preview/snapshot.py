"""A graph as plain data, so that those of two revisions can be compared: made in a process of its own.

What differs without meaning anything is taken out: the folder it was made in, and physical names, which stand as
references to the resource that has them. Secrets are there as digests under a key that only this comparison has.
"""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import explain
from ..graph import Registered, Secret
from ..program import Deployment, deploy
from ..stack_files import read_stack_files

PROGRAM = "<program>"
"""Stands for the folder of the program, wherever that was."""
SECRET = "<secret>"
ARCHIVE = "<archive>"
CONTRACTS = "contracts"
"""The folder of the program that its contracts are committed in."""


@dataclass(frozen=True)
class Resource:
    """One resource of a snapshot. `inputs` are JSON values."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """All that one revision registers, in order of registration, and the contracts that are committed with it."""

    resources: dict[str, Resource]
    exports: dict[str, Any]
    contracts: dict[str, Any] = field(default_factory=dict)


class EvaluationError(Exception):
    """The program of a revision raised; the message is its own."""


def take(directory: Path, stack: str, key: bytes, revision: str) -> Snapshot:
    """Run the program of `directory` in another process, with its own components, and return what it registers.

    Raises EvaluationError with the program's own words.
    """
    above = Path(__file__).resolve().parents[2]
    installed = above.name == "foldstack"
    module = __name__ if installed else "local.preview.snapshot"  # leaves `foldstack` to be what the revision has
    paths = [*([] if installed else [str(above)]), *filter(None, [os.environ.get("PYTHONPATH")])]
    request = {"directory": str(directory), "stack": stack, "key": key.hex()}
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"from {module} import main; main()"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    if done.returncode:
        raise EvaluationError(f"the program at {revision} fails:\n{done.stderr.strip()}")
    found = json.loads(done.stdout.splitlines()[-1])
    resources = (Resource(**each) for each in found["resources"])
    return Snapshot({each.urn: each for each in resources}, found["exports"], contracts_of(directory))


def contracts_of(program: Path) -> dict[str, Any]:
    """File name -> document of what `foldstack contracts` has written."""
    return {file.name: json.loads(file.read_text()) for file in sorted((program / CONTRACTS).glob("*.json"))}


def main() -> None:
    """The other process."""
    request = json.loads(sys.stdin.read())
    out, sys.stdout = sys.stdout, sys.stderr  # what the program prints is not ours
    directory = Path(request["directory"])
    # A repository that has the components in it is its own revision of them.
    sys.path[:0] = [str(directory), str(directory / "runtime")]
    try:
        files = read_stack_files(directory, request["stack"], encrypted=True)
        taken = of(deploy(files), files.directory, bytes.fromhex(request["key"]))
    except Exception as error:  # noqa: BLE001 - shown to the person who asked
        sys.exit(explain(error, directory))
    resources = [asdict(each) for each in taken.resources.values()]
    print(json.dumps({"resources": resources, "exports": taken.exports}), file=out)


def of(deployment: Deployment, directory: Path, key: bytes) -> Snapshot:
    """The snapshot of a graph whose outputs are made up, as `deploy` makes them up."""
    encode = _Encoder(deployment.resources, directory, key)
    resources = {each.urn: _resource(each, encode) for each in deployment.resources}
    return Snapshot(resources, encode(deployment.exports))


def _resource(each: Registered, encode: Callable[[Any], Any]) -> Resource:
    options = asdict(each.options)
    aliases = list(options.pop("aliases"))
    for left_out in ("provider", "providers", "version"):
        options.pop(left_out)
    return Resource(
        urn=each.urn,
        type=each.type,
        name=each.name,
        parent=each.parent,
        custom=each.custom,
        inputs=encode(each.inputs),
        options={name: list(value) if isinstance(value, tuple) else value for name, value in options.items()},
        aliases=aliases,
    )


class _Encoder:
    def __init__(self, resources: list[Registered], directory: Path, key: bytes) -> None:
        self._key = key
        self._folder = str(directory)
        self._owners = {each.id: each.urn for each in resources if each.custom and each.id not in _given(each)}
        names = sorted(map(re.escape, self._owners), key=len, reverse=True)
        self._names = re.compile("|".join(names)) if names else None

    def __call__(self, value: Any) -> Any:
        if isinstance(value, Secret):
            digest = hmac.new(self._key, json.dumps(self(value.value), sort_keys=True).encode(), hashlib.sha256)
            return {SECRET: digest.hexdigest()[:16]}
        if isinstance(value, Mapping):
            return {str(key): self(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self(inner) for inner in value]
        if isinstance(value, str):
            return self._text(value)
        if (path := getattr(value, "path", None)) is not None:
            return {ARCHIVE: contents(str(path))}
        return value if value is None or isinstance(value, bool | int | float) else repr(value)

    def _text(self, text: str) -> str:
        text = text.replace(self._folder, PROGRAM)
        return self._names.sub(lambda found: reference(self._owners[found[0]]), text) if self._names else text


def reference(urn: str) -> str:
    """How a value names the resource whose name or ARN is in it."""
    return f"${{{urn}}}"


REFERENCE = re.compile(r"\$\{(urn:[^}]*)\}")


def _given(each: Registered) -> set[str]:
    """Names that the program gives stay as they are."""
    return {value for key in ("name", "bucket") if isinstance(value := each.inputs.get(key), str)}


@cache
def contents(path: str) -> dict[str, str]:
    """File -> digest of what a zip, a folder or a file holds."""
    where = Path(path)
    if where.is_dir():
        files = sorted(each for each in where.rglob("*") if each.is_file())
        return {str(each.relative_to(where)): _digest(each.read_bytes()) for each in files}
    if zipfile.is_zipfile(where):
        with zipfile.ZipFile(where) as archive:
            return {each.filename: f"{each.CRC:08x}-{each.file_size}" for each in archive.infolist()}
    return {where.name: _digest(where.read_bytes())}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
