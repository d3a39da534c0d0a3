"""`make install` on machines that lack one thing or another; each Python here is a copy without what is lacking."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.package.support import ROOT, copy_tree, python_of

STARTS_WITH = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def clone(tmp_path):
    return copy_tree(tmp_path / "clone")


def python_without(lacking: set[str], folder: Path) -> Path:
    """A folder with a `python3` that has the standard library of this one without `lacking`, under PEP 668."""
    library = Path(os.__file__).parent
    fake = folder / "lib" / STARTS_WITH
    fake.mkdir(parents=True)
    for each in library.iterdir():
        if each.name not in lacking | {"EXTERNALLY-MANAGED", "site-packages", "__pycache__"}:
            (fake / each.name).symlink_to(each)
    (fake / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=this machine's Python is the system's\n")
    (fake / "site-packages").mkdir()
    for each in (library / "site-packages").glob("pip*"):
        if "pip" not in lacking:
            (fake / "site-packages" / each.name).symlink_to(each)
    (folder / "bin").mkdir()
    shutil.copy(Path(sys.base_prefix) / "bin" / STARTS_WITH, folder / "bin" / "python3")
    return folder / "bin"


def bare_path(*folders: Path) -> str:
    """A PATH with make and the shell's own tools, and no uv."""
    return os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])


def bootstrap(clone: Path, path: str, program: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PATH": path}
    command = ["python3", "-c", program]
    return subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True, check=False)


MAKE_UV = "import bootstrap; print(bootstrap.find_uv()); print(bootstrap.make_uv())"


def pip_beside_the_library() -> bool:
    return bool(list((Path(os.__file__).parent / "site-packages").glob("pip*")))


@pytest.mark.parametrize("lacking", [set(), {"ensurepip"}], ids=["all of Python", "no ensurepip"])
def test_uv_is_made_where_there_is_none(lacking, clone, tmp_path):
    if lacking and not pip_beside_the_library():
        pytest.skip("this Python keeps its pip elsewhere, so no copy of it has pip without ensurepip")
    folder = python_without(lacking, tmp_path / "python")
    path = bare_path(folder)
    if shutil.which("uv", path=path):
        pytest.skip("this machine has uv in /usr/bin")
    done = bootstrap(clone, path, MAKE_UV)
    assert done.returncode == 0, done.stdout + done.stderr
    before, _, made = done.stdout.splitlines()
    assert before == "None"
    assert made == str(clone / ".uv/bin/uv")
    assert (clone / ".uv/pyvenv.cfg").exists() == (not lacking)
    told = subprocess.run([made, "--version"], capture_output=True, text=True, check=True).stdout
    assert f'name = "uv"\nversion = "{told.split()[1]}"' in (ROOT / "uv.lock").read_text()
    assert bootstrap(clone, path, "import bootstrap; print(bootstrap.find_uv())").stdout.strip() == made
    assert not (clone / ".uv-pins.txt").exists()


def test_a_python_that_can_install_nothing_gets_one_error(clone, tmp_path):
    folder = python_without({"ensurepip", "pip"}, tmp_path / "python")
    done = bootstrap(clone, bare_path(folder), "import bootstrap; bootstrap.make_uv()")
    assert done.returncode == 1
    assert "ensurepip" in done.stderr
    assert "No module named pip" in done.stderr
    assert "apt install python3-venv" in done.stderr
    assert not (clone / ".uv").exists()


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10"])
def test_an_old_python_is_told_what_is_needed(version, clone):
    python = python_of(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    done = subprocess.run(["make", "demo", f"PYTHON={python}"], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"Foldstack needs Python 3.11 or newer, and {python} is {version}" in done.stderr
    assert not (clone / ".venv").exists()


def test_an_old_uv_is_not_used(clone, tmp_path):
    uv = tmp_path / "old" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\necho uv 0.4.30\n")
    uv.chmod(0o755)
    path = bare_path(uv.parent, python_without(set(), tmp_path / "python"))
    assert bootstrap(clone, path, "import bootstrap; print(bootstrap.find_uv())").stdout == "None\n"
    uv.write_text("#!/bin/sh\necho uv 1.0.0\n")
    assert bootstrap(clone, path, "import bootstrap; print(bootstrap.find_uv())").stdout == f"{uv}\n"


@pytest.mark.long
def test_a_clean_clone_installs_and_does_so_once(clone, tmp_path):
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env = outside | {"PATH": bare_path(python_without(set(), tmp_path / "python")), "PIP_USER": "1"}

    def make(*arguments: str) -> str:
        done = subprocess.run(["make", *arguments], cwd=clone, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "putting one into .uv" in make("install")
    imports = (
        "import pytest, ministack, pulumi_aws, foldstack, foldstack.components.bundle as bundle; print(bundle._uv())"
    )
    found = subprocess.run([clone / ".venv/bin/python", "-c", imports], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(clone / ".venv/bin/uv")
    assert list((clone / ".venv/lib" / STARTS_WITH / "site-packages/pydantic/__pycache__").glob("*.pyc"))
    assert make("install") == ""
    (clone / "pyproject.toml").write_text((clone / "pyproject.toml").read_text() + "\n# changed\n")
    make("install")
    assert subprocess.run([clone / ".venv/bin/pytest", "--version"], check=True).returncode == 0
