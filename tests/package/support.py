"""Copies of the tree, other Pythons, and a bundle built by a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BUILD = """
import importlib, json, sys, types
from pathlib import Path

package, folder, runtime, domain, targets = json.loads(sys.argv[1])
if runtime:
    sys.path.insert(0, runtime)
stub = sys.modules[package] = types.ModuleType(package)  # its own __init__ would want pulumi
stub.__path__ = [folder]
bundle = importlib.import_module(package + ".bundle")
for name, precompile in targets:
    target = bundle.target(name, precompile)
    layer = bundle.layer(target)
    print(layer)
    print(bundle.function(bundle.runtime_sources() | bundle.domain(Path(domain), "shop"), target, [layer]))
"""


def tracked() -> list[Path]:
    """Every file of the repository, by its path in it: what is committed, and what would be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file())


def copy_tree(into: Path) -> Path:
    for name in tracked():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, into / name)
    return into


def environment(**changes: str) -> dict[str, str]:
    """This process's environment, with this Python's scripts (uv among them) first on PATH."""
    scripts = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"} | changes


def build(tree: Path, cache: Path, targets: list[tuple[str, bool]], python: str = sys.executable) -> list[Path]:
    """Layer and function of each target, built from the checkout `tree` by a process of `python`."""
    request = ["components", str(tree / "components"), str(tree / "runtime"), str(tree), targets]
    return run_build(request, cache, python)


def run_build(request: list, cache: Path, python: str) -> list[Path]:
    command = [python, "-c", BUILD, json.dumps(request)]
    env = environment(XDG_CACHE_HOME=str(cache))
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


def python_of(version: str) -> str | None:
    """An interpreter of `version` ("3.13") that starts, from PATH or from where version managers put them."""
    candidates = [shutil.which(f"python{version}")]
    for versions in (Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"):
        candidates += [str(found) for found in sorted(versions.glob(f"*/bin/python{version}"))]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None
