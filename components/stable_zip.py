"""Zip archives whose bytes depend on nothing but the names and the contents of their files.

Sorted names, one date, one mode, no directory entries, and no compression: the output of deflate differs
between zlib, zlib-ng and their versions, so two machines would disagree on the hash of the same files.
"""

import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath


class LinkedFolderError(ValueError):
    """A folder meant for an archive is a symbolic link."""


DATE = (1980, 1, 1, 0, 0, 0)
MODE = (stat.S_IFREG | 0o644) << 16


def write(files: Mapping[str, Path], out: Path) -> int:
    """Write `files` (name in the archive -> file on disk) to `out`; the sum of their sizes in bytes."""
    size = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system = 3  # Unix, wherever the archive is made
            entry.external_attr = MODE
            content = files[name].read_bytes()
            archive.writestr(entry, content)
            size += len(content)
    return size


def unzipped_size(archive: Path) -> int:
    """Bytes that `archive` takes once it is unpacked."""
    with zipfile.ZipFile(archive) as opened:
        return sum(entry.file_size for entry in opened.infolist())


def tree(root: Path, prefix: str, skip: Callable[[PurePosixPath], bool]) -> dict[str, Path]:
    """The files under `root` by their name in an archive, `prefix` before each.

    `skip` gets every path below `root`, folders too; what it is true for is left out. A link to a folder is
    a LinkedFolderError: following it could leave the tree, skipping it would ship a package with a hole.
    """
    found: dict[str, Path] = {}
    for folder, subfolders, names in os.walk(root):
        here = PurePosixPath(Path(folder).relative_to(root).as_posix())
        subfolders[:] = [name for name in subfolders if not skip(here / name)]
        for each in (Path(folder), *(Path(folder) / name for name in subfolders)):
            if each.is_symlink():
                raise LinkedFolderError(f"{each} links to a folder: put a copy there, or leave it out")
        for name in names:
            if not skip(here / name):
                found[(PurePosixPath(prefix) / here / name).as_posix()] = Path(folder) / name
    return found
