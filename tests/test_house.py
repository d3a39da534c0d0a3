"""Rules of the house that a reader relies on, and that nothing else would hold."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.package.support import ROOT, tracked

MOST_LINES = 400
ROOMS = ("components", "local", "runtime", "shop", "benchmarks", "tests", "policies", "examples")
UNWANTED = {
    "a path of somebody's machine": r"(?<![\w.])/(home|root|Users|work)/\w",
    "the host of a package index": r"\bfiles\.pythonhosted\b|\bpypi\.(org|python)",
    "work left undone": r"\b(TODO|FIXME|XXX|HACK)\b",
}
GENERATED = {Path("uv.lock"), Path("LICENSE")}
TEMPLATES = Path("local/templates")  # a project of its own, see tests/package/test_new.py


def modules(*rooms: str) -> list[Path]:
    found = [name for name in tracked() if name.suffix == ".py" and name.parts[0] in rooms]
    return [name for name in found if not name.is_relative_to(TEMPLATES)]


def text(name: Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_no_module_is_long():
    lengths = {str(name): len(text(name).splitlines()) for name in modules(*ROOMS, "bootstrap.py", "setup.py")}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_the_program_reads_like_the_diagram():
    assert len(text(Path("__main__.py")).splitlines()) < 60


@pytest.mark.parametrize("what", UNWANTED)
def test_no_file_holds(what):
    pattern = re.compile(UNWANTED[what])
    found = []
    for name in tracked():
        if name in GENERATED or name == Path("tests/test_house.py"):
            continue
        for number, line in enumerate(text(name).splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []


def test_what_is_unwanted_would_be_found():
    samples = {
        "a path of somebody's machine": "see /home/jo/notes and (/root/x)",
        "the host of a package index": "https://pypi.org/simple",
        "work left undone": "# TODO: later",
    }
    assert all(re.search(UNWANTED[what], sample) for what, sample in samples.items())
    assert samples.keys() == UNWANTED.keys()


def test_no_module_hides_one_of_the_standard_library():
    """`python components/` puts that folder first on the path, and a bundle's root comes first in Lambda."""
    tops = {path for path in (ROOT / "components").iterdir()} | {ROOT / "foldstack", ROOT / "shop"}
    hidden = {path.name for path in tops if path.stem in sys.stdlib_module_names}
    assert hidden == set()


def test_components_are_read_by_their_annotations():
    """Pulumi infers a component's schema from real annotations; postponed ones break it, in package mode alone."""
    for name in modules("components"):
        for node in ast.walk(ast.parse(text(name))):
            if isinstance(node, ast.ImportFrom):
                assert node.module != "__future__", f"{name}:{node.lineno}"


@pytest.mark.parametrize("room", ["components", "local"])
def test_a_room_imports_itself_relatively(room):
    """In the wheel it is `foldstack.components`, so an absolute import would load a second copy, or nothing."""
    for name in modules(room):
        for node in ast.walk(ast.parse(text(name))):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [node.module or ""]
            else:
                continue
            wrong = [each for each in imported if each.split(".")[0] == room]
            assert name == Path("components/__main__.py") or not wrong, f"{name}:{node.lineno} imports {wrong}"


def test_the_import_contracts_hold():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout)


PYPROJECT = tomllib.loads(text(Path("pyproject.toml")))
EXTRAS, GROUPS = PYPROJECT["project"]["optional-dependencies"], PYPROJECT["dependency-groups"]
LAMBDA_HAS = ["boto3"]  # its Python runtimes bring it
ONE_WITH = {"pydantic": "pydantic-core", "boto3": "botocore", "pulumi": "protobuf"}  # the first pins the second
ROOM_MAY_IMPORT = {
    "runtime": PYPROJECT["project"]["dependencies"]
    + GROUPS["lambda"]
    + GROUPS["personal"]
    + GROUPS["lake"]
    + LAMBDA_HAS
    + EXTRAS["psycopg"],
    "shop": PYPROJECT["project"]["dependencies"],
    "components": PYPROJECT["project"]["dependencies"] + EXTRAS["deploy"],
    "local": PYPROJECT["project"]["dependencies"] + EXTRAS["deploy"] + EXTRAS["local"] + EXTRAS["psycopg"],
    "policies": EXTRAS["policies"],
}


def normal(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


@pytest.mark.parametrize("room", ROOM_MAY_IMPORT)
def test_a_room_declares_what_it_imports(room):
    """Each room is installed without the others: an undeclared import works here, and fails there."""
    declared = {normal(re.split(r"[\[<>=~! ]", each)[0]) for each in ROOM_MAY_IMPORT[room]}
    declared |= {ONE_WITH[each] for each in declared & ONE_WITH.keys()}
    distributions = importlib.metadata.packages_distributions()
    undeclared = set()
    for name in modules(room):
        for node in ast.walk(ast.parse(text(name))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                imported = [node.module]
            for top in {each.split(".")[0] for each in imported} - sys.stdlib_module_names - {"foldstack", room}:
                if not declared & {normal(each) for each in distributions.get(top, [])}:
                    undeclared.add(f"{name}:{node.lineno} {top}")
    assert sorted(undeclared) == []
