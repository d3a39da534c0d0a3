"""`foldstack new NAME`: a team's own service, ready to be tested, run on the laptop and deployed."""

import json
import re
import sys
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from .operations.terminal import fail

TEMPLATE = Path(__file__).resolve().parent / "templates" / "bank"
_NAME = re.compile(r"[a-z][a-z0-9]{1,19}")
_TAKEN = {"foldstack", "policies", "tests", "components", "local"}


class NameRefused(Exception):
    """The message says why, and which names are good."""


def new(
    name: Annotated[str, typer.Argument(help="Of the folder, the project and its Python package.")],
) -> None:
    """Make a new service in a folder of its own: domain, program, stacks, tests, policies and CI."""
    try:
        made = scaffold(name, Path.cwd())
    except NameRefused as refused:
        fail(str(refused))
    print(f"{made.name}/ is made. What next:\n\n  cd {made.name}\n  make test\n  make demo\n")


def scaffold(name: str, where: Path) -> Path:
    """The folder `name` in `where`. Raises NameRefused, and then has made nothing."""
    _check(name, where)
    made = where / name
    for source in sorted(each for each in TEMPLATE.rglob("*") if each.is_file()):
        path = source.relative_to(TEMPLATE)
        if any(part == "__pycache__" or part.startswith(".") for part in path.parts):
            continue  # what tools leave in a checkout
        target = made / _renamed(path, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text().replace("bank", name)
        target.write_text(_with_source(text) if source.name == "pyproject.toml" else text)
    return made


def _check(name: str, where: Path) -> None:
    allowed = "2 to 20 of a-z and 0-9, a letter first"
    if not _NAME.fullmatch(name):
        raise NameRefused(f"the name {name!r} must be {allowed}: it names a Python package and resources on AWS")
    if name in _TAKEN or name in sys.stdlib_module_names or find_spec(name) is not None:
        raise NameRefused(f"the name {name!r} is that of a Python package already, which would hide it: take another")
    if (where / name).exists():
        raise NameRefused(f"{where / name} exists already: nothing of it is touched")


def _renamed(path: Path, name: str) -> Path:
    """Packages do not carry files with a dot in front."""
    return Path(*(part.replace("dot_", ".", 1).replace("bank", name) for part in path.parts))


def _with_source(text: str) -> str:
    """Whence this very Foldstack came: the next one is a person's decision."""
    mine = distribution("foldstack")
    origin = json.loads(mine.read_text("direct_url.json") or "null")
    major, minor, *_ = mine.version.split(".")
    text = text.replace("==0.0.0", "" if origin else f">={mine.version},<{major}.{int(minor) + 1}")
    if not origin:
        return text
    editable = origin.get("dir_info", {}).get("editable", False)
    url = origin["url"]
    source = {"path": url.removeprefix("file://")} if url.startswith("file://") else {"url": url}
    told = ", ".join(f"{key} = {json.dumps(value)}" for key, value in source.items())
    return f"{text}\n[tool.uv.sources]\nfoldstack = {{ {told}{', editable = true' if editable else ''} }}\n"
