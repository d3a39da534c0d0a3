"""The wheel is the tree: nothing forgotten, nothing added, nothing generic at the top."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.package.support import ROOT, build, copy_tree, environment, run_build, tracked

FOLDERS = {
    "runtime/foldstack": "foldstack",
    "components": "foldstack/components",
    "local": "foldstack/local",
    "policies": "foldstack/policies",
}
UV = str(Path(sys.executable).parent / "uv")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy: building leaves files behind. Stale ones of a build before it must not reach the wheel."""
    tree = copy_tree(tmp_path_factory.mktemp("wheel") / "tree")
    stale = tree / "build/lib/foldstack/deleted.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    return tree


@pytest.fixture(scope="module")
def wheel(tree):
    run(UV, "build", "--quiet", "--python", sys.executable, "--out-dir", tree.parent / "dist", cwd=tree)
    (built,) = (tree.parent / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel):
    """The folder of a fresh environment that has the wheel and what it depends on, no extra."""
    venv = wheel.parent / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, venv)
    run(UV, "pip", "install", "--quiet", "--python", venv / "bin/python", wheel)
    return venv


def test_the_wheel_equals_the_tree(wheel, tree):
    expected = {}
    for name in tracked():
        for folder, package in FOLDERS.items():
            if name.is_relative_to(folder) and (tree / name).exists():
                expected[f"{package}/{name.relative_to(folder).as_posix()}"] = (tree / name).read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert sorted(found) == sorted(expected)
    assert found == expected


def test_the_wheel_has_one_name_at_the_top(wheel):
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"foldstack"}


def test_the_wheel_carries_the_licence_and_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        by_name = {name.split(".dist-info/")[1]: name for name in archive.namelist() if ".dist-info/" in name}
        assert archive.read(by_name["licenses/LICENSE"]) == (ROOT / "LICENSE").read_bytes()
        assert b"foldstack = foldstack.local.cli:main" in archive.read(by_name["entry_points.txt"])


def test_the_command_without_its_extra_names_it(installed):
    for arguments in ([], ["local", "up"], ["demo"]):
        done = subprocess.run([installed / "bin/foldstack", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "foldstack[local]" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_the_wheel_makes_the_bundles_of_the_tree(installed, tree, tmp_path):
    (package,) = installed.glob("lib/python*/site-packages/foldstack")
    request = ["foldstack.components", str(package / "components"), None, str(tree), [("host", False)]]
    from_wheel = run_build(request, tmp_path / "one", str(installed / "bin/python"))
    from_tree = build(tree, tmp_path / "two", [("host", False)])
    assert [path.read_bytes() for path in from_wheel] == [path.read_bytes() for path in from_tree]


def test_a_domain_is_written_with_the_wheel_alone(installed):
    """No extra is needed to write and to test a domain."""
    program = "import foldstack, sys; print({'boto3', 'pulumi'} & set(sys.modules))"
    assert run(installed / "bin/python", "-c", program) == "set()\n"
