"""Where a domain's Python is, and the two zips made of it before any resource is registered."""

import re
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
    """The absolute path of the folder that the domain is imported from."""
    entry: str
    """Where its Service object is, "module:attribute"."""


@dataclass(frozen=True)
class Source:
    """The checked form of `domain`, `target` and `precompile`."""

    path: Path
    entry: str
    target: str
    precompile: bool

    def build(self) -> "Built":
        """Make the zips, or find them in the cache. Raises BundleError."""
        target = bundle.target(self.target, self.precompile)
        layer = bundle.layer(target)
        sources = bundle.runtime_sources() | bundle.domain(self.path, self.entry.split(":")[0])
        return Built(layer, bundle.function(sources, target, [layer]), target)


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
    if path.parts and not (path.is_absolute() and path.is_dir()):
        mend = "make it from the program's own place, str(Path(__file__).resolve().parent)"
        arguments.fault("domain.path", str(path), "the absolute path of a folder that exists", mend)
    return Source(
        path=path,
        entry=arguments.text("domain.entry", ENTRY, '"module:attribute"'),
        target=arguments.choice("target", TARGETS, TARGETS[0]),
        precompile=arguments.flag("precompile", False),
    )
