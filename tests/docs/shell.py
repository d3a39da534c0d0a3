"""Shell blocks, held against what they call: our own command line, makefiles, stacks, routes, AWS's own API models.

What runs on the laptop is run elsewhere (`test_tutorial.py`); here nothing is started.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main
from typer.exceptions import TyperException

from local.commands import app
from local.new import TEMPLATE
from tests.docs.blocks import Block, BlockError
from tests.docs.calls import check_aws, check_curl, check_pulumi
from tests.graph.support import ROOT, shop

_ASSIGNED = re.compile(r"(?:export )?[A-Z]+=(?:\$\((?P<command>.*)\)|\S+)")
_COMMENT = re.compile(r"(^|\s+)# .*$")
_ENDS = {"|", "||", "&&", ";", ">", "&"}
_OUTPUT = re.compile(r"outputs\.json.*?\['(\w+)'\]")
PLAIN = {"cd", "tail", "cat", "rm", "git", "echo", "python", "uv", "test"}
"""Everybody's own tools: whoever calls them here calls them as the tutorial does, which is run."""


@dataclass
class Shell:
    """Where a block's commands are given: a folder with a Makefile and a Pulumi.yaml."""

    project: Path = ROOT

    def check(self, block: Block) -> int:
        """How many commands were checked. Raises BlockError at the first that would not do."""
        checked = 0
        for line in lines(block.text):
            for words in commands(line):
                try:
                    self._check(words)
                except (TyperException, BlockError) as error:
                    raise BlockError(f"{block}: `{' '.join(words)}`: {error}") from error
                checked += 1
            check_outputs(line)
        return checked

    def _check(self, words: list[str]) -> None:
        program, *rest = words
        program = program.removeprefix(".venv/bin/")
        if (program, *rest[:1]) == ("uv", "run"):
            return self._check(rest[1:])
        if program == "foldstack":
            check_foldstack(rest)
        elif program == "make":
            check_make(rest, self.project / "Makefile")
        elif program in CALLS:
            CALLS[program](rest)
        elif program not in PLAIN:
            raise BlockError(f"nobody knows the command {program!r}: tests/docs/shell.py lists those that are checked")
        if program == "cd" and rest == ["bank"]:
            self.project = TEMPLATE
        return None


CALLS: dict[str, Callable[[list[str]], None]] = {"curl": check_curl, "pulumi": check_pulumi, "aws": check_aws}


def lines(text: str) -> Iterator[str]:
    """Of a script, without comments; what a backslash continues is one line."""
    for line in text.replace("\\\n", " ").splitlines():
        if bare := _COMMENT.sub("", line).strip():
            yield bare


def commands(line: str) -> Iterator[list[str]]:
    """The words of each command in a line, and in what it puts into a variable."""
    if assigned := _ASSIGNED.fullmatch(line):
        if assigned["command"]:
            yield from commands(assigned["command"])
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    target = False
    for word in lexer:
        if word in _ENDS:
            if words:
                yield words
            words, target = [], word == ">"
        elif target:
            target = False
        else:
            words.append(word)
    if words:
        yield words


def check_foldstack(words: list[str]) -> None:
    """Parses the words as the command line does, down to the last argument, and runs nothing."""
    command: Any = typer.main.get_command(app)
    parent, name = None, "foldstack"
    while True:
        context = command.make_context(name, list(words), parent=parent)
        if not hasattr(command, "resolve_command"):
            return
        left = [*context._protected_args, *context.args]
        name, command, words = command.resolve_command(context, left)
        parent = context


def check_make(words: list[str], makefile: Path) -> None:
    content = makefile.read_text()
    for word in words:
        name, equals, _ = word.partition("=")
        there = f"$({name})" in content if equals else re.search(rf"^{re.escape(name)}:", content, re.MULTILINE)
        if not there:
            raise BlockError(f"{makefile.parent.name}/Makefile has no {'variable' if equals else 'goal'} {name}")


def check_outputs(line: str) -> None:
    """What is read from the outputs is exported."""
    for key in _OUTPUT.findall(line):
        if key not in shop("dev").exports:
            raise BlockError(f"no output is called {key}; there are {', '.join(sorted(shop('dev').exports))}")
