"""Where a domain's Python is, and the two zips made of it before any resource is registered."""

import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from . import bundle
from .arguments import Arguments

ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
PATH = re.compile(r".+")
TARGETS = ("arm64-python3.13", "x86_64-python3.13", "host")


class DomainSource(TypedDict):
    """Where the domain's Python is."""

    path: str
    """The absolute path of the folder that the domain is imported from, or of a file in it: `__file__`."""
    entry: str
    """Where its Service object is, "module:attribute"."""


@dataclass(frozen=True)
class Source:
    """The checked form of `domain`, `target` and `precompile`."""

    path: Path
    entry: str
    target: str
    precompile: bool

    def build(self, personal: bool = False) -> "Built":
        """Make the zips, or find them in the cache; with a cipher where the domain has personal fields. Raises
        BundleError."""
        target = bundle.target(self.target, self.precompile)
        domain = bundle.domain(self.path, self.entry.split(":")[0])
        _check_syntax(domain.values(), target)
        layer = bundle.layer(target, bundle.WITH_CIPHER) if personal else bundle.layer(target)
        return Built(layer, bundle.function(bundle.runtime_sources() | domain, target, [layer]), target)


@dataclass(frozen=True)
class Built:
    """The zips of the layer and of all functions, and what they run on."""

    layer: Path
    code: Path
    target: bundle.Target


def source(arguments: Arguments) -> Source:
    """Read and check `domain`, `target` and `precompile`; their faults are raised by `arguments.check()`."""
    arguments.nested("domain", DomainSource)
    path = Path(arguments.text("domain.path", PATH, "the absolute path of a folder"))
    if path.parts and not (path.is_absolute() and path.exists()):
        mend = "make it from the program's own place, __file__"
        arguments.fault("domain.path", str(path), "the absolute path of a folder that exists, or of a file in it", mend)
    return Source(
        path=path.resolve().parent if path.is_file() else path,
        entry=arguments.text("domain.entry", ENTRY, '"module:attribute"'),
        target=arguments.choice("target", TARGETS, TARGETS[0]),
        precompile=arguments.flag("precompile", False),
    )


def _check_syntax(sources: Iterable[Path], target: bundle.Target) -> None:
    """Compile what is bundled: else a slip in it is first seen by whoever sends the first request."""
    for file in sorted(file for source in sources for file in _modules(source)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
            except (SyntaxError, ValueError) as error:
                raise bundle.BundleError(_told(file, error, target)) from None


def _modules(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix == ".py" else []
    inside = {file: file.relative_to(source).parts for file in source.rglob("*.py")}
    return [f for f, parts in inside.items() if not any(p in bundle.JUNK or p.startswith(".") for p in parts)]


def _told(file: Path, error: SyntaxError | ValueError, target: bundle.Target) -> str:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    told = f"{file}: {error}"
    if isinstance(error, SyntaxError):
        text = f"\n    {error.text.strip()}" if error.text else ""
        told = f"{file}, line {error.lineno}: {error.msg}{text}"
    if here == target.python_version:
        return told
    return (
        f"{told}\nThat is how Python {here} reads it; if it is right for {target.python_version}, deploy with that one."
    )
