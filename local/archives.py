"""Pulumi's assets and archives: their digest, and their files unpacked into a directory."""

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pulumi

_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".DS_Store")


class ArchiveError(Exception):
    """An archive is missing, or of a kind that cannot be read here."""


def digest(value: pulumi.Asset | pulumi.Archive) -> str:
    """SHA-256 of the contents and the names in it, whatever the path on this machine."""
    total = hashlib.sha256()
    if isinstance(value, pulumi.FileArchive) and (path := _existing(value.path)).is_file():
        total.update(path.read_bytes())
    elif isinstance(value, pulumi.FileArchive):
        for file in sorted(p for p in Path(value.path).rglob("*") if p.is_file() and _wanted(p)):
            total.update(str(file.relative_to(value.path)).encode() + b"\0" + _of_file(file))
    elif isinstance(value, pulumi.AssetArchive):
        for name, inner in sorted(value.assets.items()):
            total.update(name.encode() + b"\0" + digest(inner).encode())
    elif isinstance(value, pulumi.FileAsset):
        total.update(_existing(value.path).read_bytes())
    elif isinstance(value, pulumi.StringAsset):
        total.update(str(value.text).encode())
    else:
        raise ArchiveError(f"{type(value).__name__} is fetched over the network, and the laptop runs without")
    return total.hexdigest()


def unpack(value: pulumi.Asset | pulumi.Archive, into: Path) -> Path:
    """The files of an archive in `into`, which appears complete or not at all; one that exists is kept."""
    if not into.exists():
        partial = into.with_name(f".{into.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        _place(value, partial)
        partial.rename(into)
    return into


def _place(value: pulumi.Asset | pulumi.Archive, target: Path) -> None:
    place: dict[type, Callable[[], object]] = {
        pulumi.FileArchive: lambda: _place_files(_existing(getattr(value, "path", "")), target),
        pulumi.AssetArchive: lambda: _place_all(getattr(value, "assets", {}), target),
        pulumi.FileAsset: lambda: shutil.copyfile(_existing(getattr(value, "path", "")), target),
        pulumi.StringAsset: lambda: target.write_text(getattr(value, "text", "")),
    }
    place[type(value)]()


def _place_all(assets: dict[str, pulumi.Asset | pulumi.Archive], target: Path) -> None:
    target.mkdir(parents=True)
    for name, inner in assets.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        _place(inner, target / name)


def _place_files(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=_NOT_COPIED)
        return
    target.mkdir(parents=True)
    with zipfile.ZipFile(source) as archive:
        archive.extractall(target)


def _existing(path: str) -> Path:
    if not Path(path).exists():
        raise ArchiveError(f"archive {path} does not exist: build it before the program registers it")
    return Path(path)


def _of_file(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


def _wanted(path: Path) -> bool:
    return "__pycache__" not in path.parts and path.name != ".DS_Store"
