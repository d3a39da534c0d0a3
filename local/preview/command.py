"""`foldstack preview`, `identities` and `contracts`: what a change does, before anybody has credentials."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from .. import ledger
from ..errors import explain
from ..operations.terminal import Program, fail
from ..program import deploy
from ..stack_files import read_stack_files
from . import contract_files, report
from .changes import Changes, changes
from .revision import RevisionError, checked_out, commit_of
from .snapshot import CONTRACTS, EvaluationError, take

CHANGED, AT_RISK, BROKEN = 2, 3, 4
Format = Literal["text", "markdown", "json"]


def preview(
    against: Annotated[str, typer.Option(metavar="GIT_REF", help="The commit that the stack is at.")] = "HEAD",
    to: Annotated[
        str | None,
        typer.Option(metavar="GIT_REF", help="The commit it is to get to.", show_default="the folder as it is"),
    ] = None,
    stack: Annotated[str, typer.Option(help="Which Pulumi.<stack>.yaml to read.")] = "dev",
    form: Annotated[Format, typer.Option("--format", help="How it is told.")] = "text",
    program: Program = Path(),
) -> None:
    """Show what a change of the program does to a stack: created, changed, replaced, deleted, data at risk first.

    Runs the program as it was and as it is, and compares what they register. Nothing is asked of AWS or of Pulumi's
    state: what was changed by hand it can't see, and what is only known to AWS is shown as such.

    Ends with 0 where nothing changes, 2 where something does, 3 where data is at risk, 4 where a contract is broken
    that others build on, 1 on an error.
    """
    try:
        found = compared(program, against, to, stack)
    except (RevisionError, EvaluationError) as error:
        fail(str(error))
    if form == "json":
        print(json.dumps(report.document(found), indent=2))
    elif form == "markdown":
        print(report.markdown(found))
    else:
        report.show(found, Console(highlight=False, soft_wrap=True))
    raise typer.Exit(AT_RISK if found.at_risk else BROKEN if found.breaking else CHANGED if found else 0)


def identities(
    stack: Annotated[str, typer.Option(help="Which Pulumi.<stack>.yaml to read.")] = "dev",
    write: Annotated[bool, typer.Option("--write", help="Add what is new.")] = False,
    program: Program = Path(),
) -> None:
    """Compare what holds data with the stack's ledger, identities.STACK.txt: nothing may go without an alias."""
    try:
        files = read_stack_files(program, stack, encrypted=True)
        resources = deploy(files).resources
        book = ledger.ledger_of(files.directory, stack)
        if write:
            ledger.write(resources, book)
        ledger.check(resources, book)
    except Exception as error:  # noqa: BLE001 - shown to the person who asked
        fail(explain(error, program.resolve()))
    print(f"{book.name}: {len(ledger.identities(resources))} resources hold data, and all are known")


def contracts(
    write: Annotated[bool, typer.Option("--write", help="Write them; without it they are compared.")] = False,
    stack: Annotated[str, typer.Option(help="Which Pulumi.<stack>.yaml to read.")] = "dev",
    program: Program = Path(),
) -> None:
    """The schemas of commands and events, AsyncAPI and OpenAPI, in contracts/: what other teams build on, as the stack
    offers it."""
    try:
        files = read_stack_files(program, stack, encrypted=True)
        made = contract_files.made(files, deploy(files).resources)
        if write:
            contract_files.write(files.main, made)
        contract_files.check(files.main, made)
    except Exception as error:  # noqa: BLE001 - shown to the person who asked
        fail(explain(error, program.resolve()))
    print(f"{CONTRACTS}/: {', '.join(made)}")


def compared(program: Path, against: str, to: str | None, stack: str) -> Changes:
    """The changes between two commits, or a commit and the folder as it is. Raises RevisionError, EvaluationError."""
    program = program.resolve()
    key = secrets.token_bytes(32)
    with ExitStack() as opened, ThreadPoolExecutor(2) as both:
        commit_of(program, against)
        folders = {
            against: opened.enter_context(checked_out(program, against)),
            to or "work in progress": opened.enter_context(checked_out(program, to)) if to else program,
        }
        old, new = both.map(lambda each: take(each[1], stack, key, each[0]), folders.items())
    return changes(old, new)
