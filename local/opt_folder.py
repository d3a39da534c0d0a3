"""A function's layers as it finds them: Lambda unpacks all of them into /opt, where they are one folder."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path


def opt_folder(layers: Sequence[Path], home: Path) -> Path:
    """A folder in `home` with the files of the folders `layers`, where two have one the later one's. Parts of a package
    may lie in several layers, and must lie beside each other."""
    if len(layers) == 1:
        return layers[0]
    folder = home / f"opt-{hashlib.sha256('|'.join(map(str, layers)).encode()).hexdigest()[:24]}"
    if not folder.exists():
        staging = Path(tempfile.mkdtemp(dir=home, prefix="opt-making-"))
        for layer in layers:
            shutil.copytree(layer, staging, copy_function=_link, dirs_exist_ok=True)
        os.replace(staging, folder)
    return folder


def _link(source: str, target: str) -> None:
    """Layers are large, and nobody writes to what is unpacked."""
    if os.path.exists(target):
        os.unlink(target)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
