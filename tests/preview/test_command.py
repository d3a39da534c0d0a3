"""`foldstack preview`, as a person and as a pipeline call it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from local.commands import app
from tests.preview.conftest import git


def preview(program: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["preview", "--program", str(program), *arguments])


@pytest.fixture
def edit(program: Path):
    def edit(old: str, new: str) -> None:
        text = (program / "__main__.py").read_text()
        assert text.count(old) == 1
        (program / "__main__.py").write_text(text.replace(old, new))

    return edit


def test_nothing_changed_ends_with_0(program):
    done = preview(program)
    assert (done.exit_code, done.output.strip()) == (0, "no changes")


def test_a_change_ends_with_2_and_names_path_old_and_new(program, edit):
    edit('"memory_mb": 512', '"memory_mb": 1024')
    done = preview(program)
    assert done.exit_code == 2
    assert "door-router" in done.output
    assert "memorySize: 512 -> 1024" in done.output
    assert done.output.strip().endswith("1 changed")


def test_data_at_risk_comes_first_and_ends_with_3(program, edit):
    edit('hash_key="p"', 'hash_key="q"')
    edit('"memory_mb": 512', '"memory_mb": 1024')
    done = preview(program)
    assert done.exit_code == 3
    lines = [line.strip() for line in done.output.splitlines()]
    assert lines[0] == "Data at risk"
    assert lines[1].endswith("aws:dynamodb/table:Table prices")
    assert "another one, because of hashKey" in lines
    assert lines[-1] == "1 replaced, 2 changed; 1 with data at risk"


def test_markdown_warns_unfolded(program, edit):
    edit('Table(\n    "prices"', 'Table(\n    "costs"')
    done = preview(program, "--format", "markdown")
    assert done.exit_code == 3
    assert done.output.index("> [!CAUTION]") < done.output.index("<details open><summary>Data at risk (1)")
    assert done.output.count("<details") == done.output.count("</details>")
    assert done.output.count("```") % 2 == 0


def test_json_is_for_programs(program, edit):
    edit('hash_key="p"', 'hash_key="q"')
    found = json.loads(preview(program, "--format", "json").output)
    assert found["counts"] == {"replace": 1, "delete": 0, "change": 1, "create": 0}
    (urn,) = found["atRisk"]
    (change,) = (each for each in found["changes"] if each["urn"] == urn)
    assert (change["kind"], change["name"], change["forcedBy"]) == ("replace", "prices", ["hashKey"])
    assert change["differences"] == [{"path": "hashKey", "old": "p", "new": "q"}]


def test_two_commits_are_compared_without_touching_the_folder(program, edit):
    edit('"memory_mb": 512', '"memory_mb": 1024')
    git(program, "commit", "-qam", "More memory")
    edit('"memory_mb": 1024', "nonsense(")
    before = git(program, "status", "--porcelain", "--untracked-files=all")
    done = preview(program, "--against", "HEAD~1", "--to", "HEAD")
    assert (done.exit_code, "memorySize: 512 -> 1024" in done.output) == (2, True)
    assert git(program, "status", "--porcelain", "--untracked-files=all") == before


def test_it_needs_no_credentials_and_no_home(program, tmp_path):
    """As a pipeline runs it for a stranger's pull request."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ}
    done = subprocess.run(
        [Path(sys.executable).parent / "foldstack", "preview", "--program", program],
        env={**bare, "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_EC2_METADATA_DISABLED": "true"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "no changes\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--against", "nowhere"], "'nowhere' is no commit of"),
        (["--against", "--output=x"], "is no commit of"),
        (["--stack", "prod"], "the stacks of this project are: dev"),
    ],
)
def test_what_is_asked_wrongly_is_said_and_ends_with_1(program, arguments, said):
    done = preview(program, *arguments)
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_program_that_fails_says_at_which_revision(program, edit):
    edit("billing_mode=", "biling_mode=")
    done = preview(program)
    assert done.exit_code == 1
    assert "the program at work in progress fails" in done.stderr
    assert "biling_mode" in done.stderr


def test_the_ledger_is_written_and_held(program, edit):
    def identities(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["identities", "--program", str(program), *arguments])

    assert identities().exit_code == 1
    written = identities("--write")
    assert (written.exit_code, written.output) == (0, "identities.dev.txt: 8 resources hold data, and all are known\n")
    assert identities().exit_code == 0
    edit('Table(\n    "prices"', 'Table(\n    "costs"')
    refused = identities()
    assert refused.exit_code == 1
    assert "aws:dynamodb/table:Table::prices" in refused.stderr
