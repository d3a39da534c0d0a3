"""`foldstack new`, from the built wheel in an empty folder outside of the repository: its own tests pass."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.new import TEMPLATE, NameRefused, scaffold
from tests.package.support import ROOT, copy_tree, environment

BIN = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path, **changes: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment(**changes), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new service `depot`, by a Foldstack that was installed from its wheel."""
    tree = copy_tree(tmp_path_factory.mktemp("new") / "tree")
    run(BIN / "uv", "build", "--quiet", "--python", sys.executable, "--out-dir", tree.parent / "dist", cwd=tree)
    (wheel,) = (tree.parent / "dist").glob("*.whl")
    venv, empty = tree.parent / "venv", tree.parent / "empty"
    empty.mkdir()
    run(BIN / "uv", "venv", "--quiet", "--python", sys.executable, venv, cwd=empty)
    run(BIN / "uv", "pip", "install", "--quiet", "--python", venv / "bin/python", f"{wheel}[local,deploy]", cwd=empty)
    said = run(venv / "bin/foldstack", "new", "depot", cwd=empty)
    assert "cd depot" in said
    run("git", "init", "-q", cwd=empty / "depot")
    return empty / "depot"


def make(folder: Path, goal: str) -> str:
    return run("make", goal, cwd=folder, VIRTUAL_ENV="", UV_PYTHON=sys.executable)


@pytest.mark.emulator
def test_its_own_tests_pass(made):
    assert "12 passed" in make(made, "test")


@pytest.mark.emulator
@pytest.mark.long
def test_its_demo_runs(made):
    assert "POST /accounts/till/withdrawals" in make(made, "demo")


def test_it_is_formatted_and_has_nothing_of_the_template_left(made):
    make(made, "check")
    files = [each for each in made.rglob("*") if each.is_file() and not {".venv", ".git"} & set(each.parts)]
    assert not [each for each in files if "bank" in each.name or "bank" in each.read_text(errors="replace")]
    assert (made / ".github/workflows/infrastructure.yml").is_file()
    assert (made / ".gitignore").is_file()
    assert len((made / "__main__.py").read_text().splitlines()) < 45


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Bank", "a-z and 0-9"),
        ("b", "a-z and 0-9"),
        ("my-bank", "a-z and 0-9"),
        ("../bank", "a-z and 0-9"),
        ("json", "Python package already"),
        ("pulumi", "Python package already"),
        ("tests", "Python package already"),
    ],
)
def test_a_name_that_would_not_do_is_refused(name, said, tmp_path):
    with pytest.raises(NameRefused, match=said):
        scaffold(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_not_touched(tmp_path):
    (tmp_path / "depot").mkdir()
    with pytest.raises(NameRefused, match="exists already"):
        scaffold("depot", tmp_path)
    assert list((tmp_path / "depot").iterdir()) == []


def test_workflows_validate_against_githubs_schema():
    for workflow in [*TEMPLATE.glob("dot_github/workflows/*.yml"), *ROOT.glob(".github/workflows/*.yml")]:
        command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", "-o", "json", workflow]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "ok"), done.stdout
        assert "uses: docker://rhysd/actionlint:" in workflow.read_text(), "it looks at itself, and the shell in it"
