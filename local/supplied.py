"""What Lambda supplies beside a bundle: boto3, AWS's runtime client, what they need, and nothing else."""

import re
import shutil
from importlib import metadata
from pathlib import Path

ROOTS = ("boto3", "awslambdaric")

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def link_supplied(folder: Path) -> Path:
    """Fill `folder` with links to exactly these distributions of this environment; no index is asked."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for distribution in _closure(ROOTS):
        for name in _top_level(distribution):
            (folder / name).symlink_to(Path(str(distribution.locate_file(name))).resolve())
    return folder


def _closure(roots: tuple[str, ...]) -> list[metadata.Distribution]:
    found: dict[str, metadata.Distribution] = {}
    waiting = list(roots)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found[name] = metadata.distribution(name)
            waiting.extend(_needed(found[name]))
    return [found[name] for name in sorted(found)]


def _needed(distribution: metadata.Distribution) -> list[str]:
    names = []
    for requirement in distribution.requires or []:
        text, _, marker = requirement.partition(";")
        match = _NAME.match(text.strip())
        if match and "extra" not in marker and (not marker or _installed(match.group())):
            names.append(match.group())
    return names


def _installed(name: str) -> bool:
    """Whether a requirement with a marker (a platform, a version of Python) applies here."""
    return next(iter(metadata.distributions(name=name)), None) is not None


def _top_level(distribution: metadata.Distribution) -> list[str]:
    if distribution.files is None:
        raise RuntimeError(
            f"{distribution.name} {distribution.version} has no list of its files (RECORD): install it with uv or pip"
        )
    tops = {file.parts[0] for file in distribution.files}
    return sorted(tops - {"..", "__pycache__"})
