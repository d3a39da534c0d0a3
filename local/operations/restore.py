"""`foldstack restore`: the step after a point-in-time restore that code has to know of."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from ..stack_files import StackFileError
from .terminal import Program, console, told

KEY = "storeEpoch"
_MOST = 2**31 - 1


def restore(
    epoch: Annotated[int, typer.Option("--epoch", min=2, max=_MOST, help="Higher than any that was used.")],
    stack: Annotated[str, typer.Option("--stack", help="Which Pulumi.<stack>.yaml to change.")] = "local",
    program: Program = Path(),
) -> None:
    """Raise the store's epoch, after the table was restored to an earlier moment: versions are used again.

    Cursors and consistency tokens of another epoch are none from then on. Deploy afterwards, then sweep the views.
    """
    with told():
        change = raise_epoch(program.resolve(), stack, epoch)
    console().print(
        f"{change}. Now deploy (`pulumi up -s {stack}`; on the laptop `foldstack local up --detach`), "
        "then `foldstack projection sweep NAME` for a view of each pipeline"
    )


def raise_epoch(program: Path, stack: str, epoch: int) -> str:
    """Writes the epoch into the stack's file, all else in it left as it is. Answers what it did.

    Raises StackFileError for an epoch that is not higher, and where the program has none.
    """
    project = _read(program / "Pulumi.yaml")
    file = program / f"Pulumi.{stack}.yaml"
    key = f"{project['name']}:{KEY}"
    declared = (project.get("config") or {}).get(KEY)
    if declared is None:
        raise StackFileError(
            f"Pulumi.yaml declares no {KEY}: add it under `config:` as an integer with default 1, and give it to "
            "EventSourcedService as store_epoch"
        )
    before = int((_read(file).get("config") or {}).get(key, declared["default"]))
    if epoch <= before:
        raise StackFileError(f"the epoch of {stack} is {before}: an epoch is never used again, so give a higher one")
    file.write_text(_with_epoch(file.read_text(), key, epoch))
    return f"{file.name}: {key} is {epoch}, it was {before}"


def _with_epoch(text: str, key: str, epoch: int) -> str:
    line = re.compile(rf"^([ \t]+['\"]?{re.escape(key)}['\"]?:).*$", re.MULTILINE)
    if line.search(text):
        return line.sub(rf"\g<1> {epoch}", text, count=1)
    found = re.search(r"^config:[ \t]*\n([ \t]+)", text, re.MULTILINE)
    if found is None:
        raise StackFileError(f"the stack's file has no `config:` with keys on lines of their own: add {key}: {epoch}")
    return f"{text[: found.end()]}{key}: {epoch}\n{found[1]}{text[found.end() :]}"


def _read(file: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError:
        raise StackFileError(f"{file} does not exist: run in the program's folder, or name it with --program") from None
