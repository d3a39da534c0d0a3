"""Which changes of code make a snapshot another reducer's."""

import sys
from textwrap import dedent

import pytest
from foldstack.kernel.fingerprint import fingerprint

FILES = {
    "__init__.py": "",
    "stock.py": """
        from . import money
        from .rules import DEPTH, limits
        import {p}.plain.units
        from {p}.names import NAME
    """,
    "money.py": "CENTS = 100\n",
    "rules/__init__.py": "from .deep import DEPTH\n",
    "rules/limits.py": "from .. import shared\nMOST = 5\n",
    "rules/deep.py": "DEPTH = 1\n",
    "plain/__init__.py": "UNITS = 2\n",
    "plain/units.py": "UNIT = 1\n",
    "names.py": "import json\nNAME = 'n'\n",
    "shared.py": "S = 1\n",
    "unrelated.py": "from . import stock\nX = 1\n",
}
REACHED = [path for path in FILES if path not in ("__init__.py", "unrelated.py")]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A domain's package, not imported yet."""
    name = f"domain_{tmp_path.name.replace('-', '_')}"
    for path, text in FILES.items():
        file = tmp_path / name / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(text.format(p=name)))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / name
    for module in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[module]


def test_it_is_16_hex_digits_and_stable(package):
    found = fingerprint(f"{package.name}.stock")
    assert len(found) == 16
    assert int(found, 16) >= 0
    assert fingerprint(f"{package.name}.stock") == found


@pytest.mark.parametrize("path", REACHED)
def test_a_change_of_what_the_reducer_reaches_changes_it(package, path):
    before = fingerprint(f"{package.name}.stock")
    (package / path).write_text((package / path).read_text() + "# changed\n")
    assert fingerprint(f"{package.name}.stock") != before


def test_a_change_elsewhere_does_not(package):
    before = fingerprint(f"{package.name}.stock")
    (package / "unrelated.py").write_text("X = 2\n")
    (package / "new.py").write_text("Y = 2\n")
    assert fingerprint(f"{package.name}.stock") == before


def test_modules_that_import_each_other_end(package):
    (package / "money.py").write_text("from . import stock\n")
    assert fingerprint(f"{package.name}.stock")


def test_the_codec_counts(package, monkeypatch, tmp_path):
    from foldstack.kernel import codec

    before = fingerprint(f"{package.name}.stock")
    other = tmp_path / "codec.py"
    other.write_text("# another codec\n")
    monkeypatch.setattr(codec, "__file__", str(other))
    assert fingerprint(f"{package.name}.stock") != before


def test_an_imported_domain_is_hashed_as_one_that_is_not(package):
    import importlib

    before = fingerprint(f"{package.name}.stock")
    importlib.import_module(f"{package.name}.stock")
    assert fingerprint(f"{package.name}.stock") == before
