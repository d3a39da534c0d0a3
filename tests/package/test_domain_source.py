"""The domain's own modules are read before anything is made of them."""

import re
from pathlib import Path

import pytest

from components import bundle
from components.domain_source import Source


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A domain package in a folder whose own name is no reason to leave it out."""
    package = tmp_path / "tests" / "store"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("service = None\n")
    return package


def build(package: Path, target: str = "host") -> bundle.BundleError:
    with pytest.raises(bundle.BundleError) as error:
        Source(package.parent, f"{package.name}:service", target, False).build()
    return error.value


@pytest.mark.parametrize("name", ["__init__.py", "inner/till.py"])
def test_a_syntax_error_is_told_with_file_line_and_text(store: Path, name: str) -> None:
    (store / name).write_text("count = 1\n  total = = 2\n")
    assert str(build(store)) == f"{store / name}, line 2: unexpected indent\n    total = = 2"


def test_what_is_no_text_is_told_with_its_file(store: Path) -> None:
    (store / "till.py").write_bytes(b"name = '\xff'\n")
    assert str(build(store)).startswith(str(store / "till.py"))
    (store / "till.py").write_bytes(b"name = '\0'\n")
    assert "null bytes" in str(build(store))


def test_an_error_says_which_python_read_it(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (store / "till.py").write_text("def\n")
    monkeypatch.setattr("sys.version_info", type("Version", (), {"major": 3, "minor": 11})())
    assert re.search(r"how Python 3\.11 reads it; .* for 3\.13, deploy with", str(build(store, "arm64-python3.13")))


def test_what_is_not_bundled_is_not_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tests/test_till.py", "inner/tests/test_till.py", ".left/till.py", "stand_ins/bank.py"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("def\n")
    (store / "till.py").write_text("pattern = '\\d'  # a warning is no error\n")
    monkeypatch.setattr(bundle, "layer", lambda target: store / "layer.zip")
    monkeypatch.setattr(bundle, "function", lambda sources, target, layers: store / "function.zip")
    assert Source(store.parent, "store:service", "host", False).build().code == store / "function.zip"
