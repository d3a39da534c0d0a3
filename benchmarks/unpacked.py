"""The bundles of this machine, unpacked as Lambda mounts them, with boto3 supplied beside and nothing else."""

import compileall
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from components import bundle
from local.supplied import link_supplied

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Unpacked:
    """Folders of the import path: the function's, the layer's, and what Lambda supplies."""

    task: Path
    layer: Path
    supplied: Path

    @property
    def path(self) -> list[str]:
        return [str(self.task), str(self.layer / "python"), str(self.supplied)]


def unpack(folder: Path, supplied: Path, *, precompile: bool) -> Unpacked:
    """The shop's function and layer, made by the recipe of every deployment."""
    target = bundle.target("host", precompile)
    layer = bundle.layer(target)
    sources = bundle.runtime_sources() | bundle.domain(ROOT, "shop")
    function = bundle.function(sources, target, [layer])
    for archive, name in ((function, "task"), (layer, "layer")):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder / name)
    return Unpacked(folder / "task", folder / "layer", supplied)


def supply(folder: Path) -> Path:
    """boto3 and what it needs, compiled: it is part of the runtime's image, whatever a bundle holds."""
    links = link_supplied(folder / "links")
    supplied = folder / "supplied"
    shutil.copytree(links, supplied, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(str(supplied), quiet=1)
    return supplied
