"""The tutorial, as its reader does it: each file is written and each command run, in their order, in an empty folder.

One shell runs it from the first block to the last, so that what one sets the next ones have.
"""

import itertools
import json
import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.demo_calls import Calls
from local.operations.connection import Connection
from tests.docs.blocks import Block, BlockError, read
from tests.docs.shell import Shell
from tests.graph.support import ROOT

DOCUMENT = "docs/tutorial.md"
NEEDS_AWS = ("pulumi up", "pulumi stack output")
"""A block with one of these is held against what it calls, and not run: it needs an account and the Pulumi CLI."""
DOWN = "uv run foldstack local down\n"
PATIENCE = 2000
"""Requests, until a view has to be there."""
MARK = "=== block "


def script(blocks: list[Block]) -> str:
    """Of bash: says before each command block which one it is."""
    lines = ["set -euo pipefail"]
    for block in blocks:
        if block.title:
            lines.append(f"mkdir -p {shlex.quote(str(Path(block.title).parent))}")
            lines.append(f"printf %s {shlex.quote(block.text)} > {shlex.quote(block.title)}")
        elif block.language == "sh" and not needs_aws(block):
            lines += [f"echo; echo '{MARK}{block.line}'", block.text]
    return "\n".join(lines)


def needs_aws(block: Block) -> bool:
    return any(each in block.text for each in NEEDS_AWS)


def said(output: str) -> dict[int, str]:
    """What each block printed, by its line."""
    parts = [part.partition("\n") for part in output.split(f"\n{MARK}")[1:]]
    return {int(line): text for line, _, text in parts}


def like(value: Any, shown: Any) -> bool:
    """Whether a document says what a value is; `...` stands for any text."""
    if isinstance(shown, dict):
        return isinstance(value, dict) and value.keys() == shown.keys() and all(like(value[k], shown[k]) for k in shown)
    return shown == value or shown == "..."


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return read(DOCUMENT)


@pytest.fixture(scope="module")
def printed(blocks: list[Block], tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What each block printed. The demo is walked through on the cloud that the commands have started, before the
    last block ends it. `uv run` takes this environment as it is: to make one more would try uv, not the tutorial."""
    empty = tmp_path_factory.mktemp("tutorial")
    scripts = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "UV_NO_SYNC": "1",
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
        **{f"GIT_{who}_{what}": "reader@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }

    def bash(commands: str, folder: Path) -> str:
        command = ["bash", "-c", commands]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    (last,) = [each for each in blocks if each.text == DOWN]
    try:
        output = bash(script([each for each in blocks if each is not last]), empty)
        walk_through(empty / "kiosk")
    finally:
        bash(last.text, empty / "kiosk")
    return said(output)


def walk_through(project: Path) -> None:
    """The demo that the tutorial writes, with tenants of its own."""
    connection = Connection(project, None)
    url = json.loads((project / ".foldstack" / "outputs.json").read_text())["apiUrl"]
    calls = Calls(url, Console(quiet=True), connection.tokens)

    def settle() -> None:
        seen = (calls.call("north", "GET", "/products/coffee").json.get("stock") for _ in range(PATIENCE))
        assert 1 in seen, "the view does not get there"

    try:
        runpy.run_path(str(project / "kiosk" / "demo.py"))["run"](calls.call, settle)
    finally:
        calls.close()


@pytest.mark.emulator
def test_all_of_it_runs_and_answers_what_it_shows(blocks, printed):
    shown = [(before, each) for before, each in itertools.pairwise(blocks) if each.language == "json"]
    assert len(shown) > 3
    for command, answer in shown:
        last = printed[command.line].strip().splitlines()[-1]
        assert like(json.loads(last), json.loads(answer.text)), f"{answer}: it answered {last}"


@pytest.mark.emulator
def test_what_it_says_of_events_and_of_the_change(printed):
    events = next(text for text in printed.values() if "UnitsReturned" in text)
    assert events.index("ProductAdded") < events.index("UnitsTaken") < events.index("UnitsReturned")
    change = next(text for text in printed.values() if "it ends with" in text)
    assert "it ends with 2: something changes" in change
    assert "code: kiosk/product.py" in change
    assert "passed" in "".join(printed.values())


def test_what_fails_or_differs_is_seen():
    failing = [Block("a.md", 1, "sh", "", "false\n"), Block("a.md", 5, "sh", "", "echo on\n")]
    done = subprocess.run(["bash", "-c", script(failing)], capture_output=True, text=True, check=False)
    assert (done.returncode, list(said(done.stdout))) == (1, [1])
    assert like({"id": "x", "units": 1}, {"id": "...", "units": 1})
    assert not like({"units": 2}, {"units": 1})
    assert not like({"units": 1, "more": 2}, {"units": 1})


def test_what_needs_aws_is_held_against_what_it_calls(blocks):
    left = [each for each in blocks if each.language == "sh" and needs_aws(each)]
    assert [Shell().check(each) for each in left] == [4]


def test_nothing_is_passed_over(blocks):
    """A block is a file, a command, or the answer to the command before it."""
    for before, block in zip([None, *blocks], blocks, strict=False):
        answer = block.language == "json" and before is not None and before.language == "sh"
        if not (block.title or block.language == "sh" or answer):
            raise BlockError(f"{block}: this is no file, no command and no answer to one")
    assert (ROOT / DOCUMENT).is_file()
