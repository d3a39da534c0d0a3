"""The layers of the lake's functions: pyarrow, without what writes no Parquet, cut in three.

Whole it has 150 MB, of which Flight, S3, ORC, headers and its tests are more than a third. A layer is uploaded in a
request of 50 MB at most, and is not compressed (`stable_zip`): libarrow, 42 MB and 49 MB on the two platforms, has one
of its own, the libraries around it another. Lambda unpacks all into /opt, where they find each other.
"""

from pathlib import Path, PurePosixPath

from . import bundle

REQUIREMENTS = Path(__file__).resolve().parent / "lambda_requirements_lake.txt"

CUT = "1"
"""Raise it when the same pins must be cut otherwise."""

_CORE = "libarrow"
_LIBRARIES = frozenset(
    {"libparquet", *(f"libarrow_{name}" for name in ("acero", "compute", "dataset", "python", "substrait"))}
)
"""What pyarrow's own module is linked to, Substrait too."""
_MODULES = frozenset({"lib", "_compute", "_parquet", "_fs"})
_FOLDERS = frozenset({"tests", "include", "includes", "src", "interchange"})
_SOURCES = frozenset({".pyx", ".pxd", ".pxi"})


def layers(target: bundle.Target) -> list[Path]:
    """Their zips, for the functions that import `foldstack.lake`, beside the layer that all have."""
    parts = {"libarrow": _not_core, "arrow-libraries": _not_library, "pyarrow": _not_python}
    return [
        bundle.layer(target, REQUIREMENTS, kind=f"layer-{part}{CUT}", without=without)
        for part, without in parts.items()
    ]


def _not_core(path: PurePosixPath) -> bool:
    return not _is_root(path) and _library(path) != _CORE


def _not_library(path: PurePosixPath) -> bool:
    return not _is_root(path) and _library(path) not in _LIBRARIES


def _not_python(path: PurePosixPath) -> bool:
    if ".so" in path.suffixes:
        return bool(_library(path)) or path.name.split(".")[0] not in _MODULES
    return path.suffix in _SOURCES or (len(path.parts) == 2 and path.name in _FOLDERS)


def _is_root(path: PurePosixPath) -> bool:
    """The folder that the libraries are in."""
    return path.parts == ("pyarrow",)


def _library(path: PurePosixPath) -> str:
    """`libarrow` of `libarrow.so.2600`; empty for what is none, and for its copies under other versions' names."""
    name, _, version = path.name.partition(".so.")
    return name if name.startswith(("libarrow", "libparquet")) and version.isdecimal() else ""
