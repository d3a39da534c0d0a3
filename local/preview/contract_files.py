"""The documents in contracts/: made from the models, committed, and never made by hand."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..graph import Registered
from ..stack_files import StackFiles
from .snapshot import CONTRACTS

_SERVICE = "foldstack:index:EventSourcedService"
_LAKE = "foldstack:index:AnalyticsLake"


class ContractError(Exception):
    """What is committed is not what the models say; the message says what to do."""


def made(files: StackFiles, resources: Iterable[Registered]) -> dict[str, str]:
    """File name -> text, of every service of the program."""
    sys.path.insert(0, str(files.main))
    try:
        from foldstack.aws.domain import load
        from foldstack.contracts import documents, text

        resources = list(resources)
        entries = dict.fromkeys(each.inputs["domain"]["entry"] for each in resources if each.type == _SERVICE)
        asked = _questions(files.main, resources)
        found = {
            name: text(each) for entry in entries for name, each in documents(load(entry), asked.get(entry, ())).items()
        }
    finally:
        sys.path.remove(str(files.main))
    if not found:
        raise ContractError("the program has no EventSourcedService, and so no contracts")
    return found


def _questions(main: Path, resources: Iterable[Registered]) -> dict[str, list[Any]]:
    """Of each domain, those that a lake of the stack answers."""
    from foldstack.lake.questions import questions

    found: dict[str, list[Any]] = {}
    for each in resources:
        if each.type == _LAKE and (folder := each.inputs.get("questions")):
            found.setdefault(each.inputs["domain"]["entry"], []).extend(questions(main / folder).values())
    return found


def write(program: Path, made: Mapping[str, str]) -> None:
    """Those that are no longer made go, too: the preview shows it."""
    folder = program / CONTRACTS
    folder.mkdir(exist_ok=True)
    for gone in {each.name for each in folder.glob("*.json")} - made.keys():
        (folder / gone).unlink()
    for name, text in made.items():
        (folder / name).write_text(text)


def check(program: Path, made: Mapping[str, str]) -> None:
    """Raise ContractError where what is committed differs."""
    folder = program / CONTRACTS
    there = {each.name: each.read_text() for each in folder.glob("*.json")}
    if differing := sorted(name for name in there.keys() | made.keys() if there.get(name) != made.get(name)):
        raise ContractError(
            f"{CONTRACTS}/{', '.join(differing)}: not what the models say. Run `foldstack contracts --write`, and "
            "`foldstack preview` says what that means to others"
        )
