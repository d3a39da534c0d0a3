"""Lambda packages made with uv: byte-stable zips, no Docker, no interpreter of the target needed.

One layer holds the third-party pins; a function's zip holds the runtime and the domain alone, so a preview
shows which code changed. Both are built once and kept by content (`build_cache`).
"""

import importlib.util
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import which

from . import stable_zip
from .build_cache import cached, key

RECIPE = "1"  # raise it when the same pins must give other bytes
ZIP_LIMIT = 50 * 1024**2  # Lambda's limit on a direct upload
UNZIPPED_LIMIT = 250 * 1024**2  # Lambda's limit on a function with its layers
REQUIREMENTS = Path(__file__).resolve().parent / "lambda_requirements.txt"
WITH_CIPHER = Path(__file__).resolve().parent / "lambda_requirements_personal.txt"

NOT_RUNTIME = frozenset({"components", "local", "policies"})
"""Packages of the foldstack distribution that never run in Lambda."""

LAPTOP_ONLY = frozenset({"stand_ins", "demo", "demo.py"})
"""What the top of a domain package holds for the laptop alone: stand-ins of others' servers, the demo."""

JUNK = frozenset({"__pycache__", "tests"})
INSTALLER_TRACES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


class BundleError(Exception):
    """A package could not be built; the message says which, why, and how to mend it."""


@dataclass(frozen=True)
class Target:
    """Where a bundle runs. `platform` is uv's name of it, None for this machine."""

    name: str
    runtime: str
    architecture: str
    platform: str | None
    python_version: str
    precompile: bool = False


def target(name: str, precompile: bool = False) -> Target:
    """The target `name`: `arm64-python3.13`, `x86_64-python3.13`, or `host`, this machine and its Python."""
    if name == "arm64-python3.13":
        return Target(name, "python3.13", "arm64", "aarch64-manylinux_2_28", "3.13", precompile)
    if name == "x86_64-python3.13":
        return Target(name, "python3.13", "x86_64", "x86_64-manylinux_2_28", "3.13", precompile)
    if name == "host":
        machine = MACHINES.get(platform.machine().lower())
        if machine is None:
            raise BundleError(f"target 'host': Lambda has no {platform.machine()!r}, only arm64 and x86_64")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return Target(name, f"python{version}", machine, None, version, precompile)
    raise BundleError(f"target {name!r}: must be 'arm64-python3.13', 'x86_64-python3.13' or 'host'")


def layer(
    target: Target,
    requirements: Path | None = None,
    *,
    kind: str = "layer",
    without: Callable[[PurePosixPath], bool] = lambda path: False,
) -> Path:
    """The zip of a Lambda layer: the pins of `requirements` (hashed; by default our own) under `python/`. `without`
    tells what is left out of them; `kind` names a choice of it."""
    pins = requirements or REQUIREMENTS
    recipe = f"{RECIPE} {target.platform or _host()} {target.python_version}"
    plain = cached(
        f"{kind}-{target.name}-{key(pins.read_bytes(), recipe.encode())}.zip",
        lambda staging: _build_layer(pins, target, staging, without),
    )
    return _precompiled(plain, target, "/opt") if target.precompile else plain


def function(sources: Mapping[str, Path], target: Target, layers: Sequence[Path] = ()) -> Path:
    """The zip of a Lambda function: `sources` (name in the zip -> folder or file).

    `layers` are the zips it will run with; they count against Lambda's limit.
    """
    what = f"function of {', '.join(sorted({name.split('/')[0] for name in sources}))}"
    files: dict[str, Path] = {}
    for name, source in sources.items():
        _check_root(name, source)
        try:
            files |= stable_zip.tree(source, name, _junk) if source.is_dir() else {name: source}
        except stable_zip.LinkedFolderError as fault:
            raise BundleError(f"{what}: {fault}") from None
    path = _function_zip(files, what)
    if target.precompile:
        path = _precompiled(path, target, "/var/task")
    total = sum(stable_zip.unzipped_size(each) for each in (path, *layers))
    if total > UNZIPPED_LIMIT:
        raise BundleError(
            f"{what}: {total} bytes with its layers, Lambda's limit is {UNZIPPED_LIMIT}: drop a dependency"
        )
    return path


def runtime_sources() -> dict[str, Path]:
    """What of `foldstack` runs in Lambda, from the checkout or from an installed wheel alike."""
    found = importlib.util.find_spec("foldstack")
    if found is None or not found.submodule_search_locations:
        raise BundleError("foldstack is not importable here: install it (`make install`, or `pip install foldstack`)")
    return _package(Path(found.submodule_search_locations[0]), "foldstack", NOT_RUNTIME)


def domain(root: Path, module: str) -> dict[str, Path]:
    """The domain package or module `module` in the folder `root`, without tests and what is LAPTOP_ONLY."""
    top = module.split(".")[0]
    if (root / top / "__init__.py").is_file():
        return _package(root / top, top, LAPTOP_ONLY)
    if (root / f"{top}.py").is_file():
        return {f"{top}.py": root / f"{top}.py"}
    raise BundleError(f"domain {module!r}: neither {root / top}/__init__.py nor {root / top}.py exists")


def _package(folder: Path, name: str, without: frozenset[str]) -> dict[str, Path]:
    return {
        f"{name}/{child.name}": child
        for child in sorted(folder.iterdir())
        if child.name not in without and not _junk(PurePosixPath(child.name))
    }


def _junk(path: PurePosixPath) -> bool:
    return path.name in JUNK or path.name.startswith(".") or path.suffix == ".pyc"


def _not_installed(path: PurePosixPath) -> bool:
    """Whether uv put `path` there for the machine it ran on: scripts, its lock, its own records."""
    if len(path.parts) == 1:
        return path.name in {"bin", ".lock"}
    in_records = path.parts[-2].endswith(".dist-info") and path.name in INSTALLER_TRACES
    return in_records or path.name == "__pycache__" or path.suffix == ".pyc"


def _check_root(name: str, source: Path) -> None:
    top = name.split("/")[0].removesuffix(".py")
    if top in sys.stdlib_module_names:
        raise BundleError(f"{source}: {top!r} at a bundle's root would hide Python's own {top!r}: rename it")
    if not source.exists():
        raise BundleError(f"{source}: there is no such file or folder to put in a bundle as {name!r}")


def _build_layer(pins: Path, target: Target, staging: Path, without: Callable[[PurePosixPath], bool]) -> Path:
    root = staging / "python"
    _install(pins, target, root)
    files = stable_zip.tree(root, "python", lambda path: _not_installed(path) or without(path))
    return _pack(files, staging / "layer.zip", f"layer of {pins}")


def _function_zip(files: Mapping[str, Path], what: str) -> Path:
    with tempfile.TemporaryDirectory() as staging:
        fresh = _pack(files, Path(staging) / "function.zip", what)
        content = fresh.read_bytes()
    name = f"function-{key(content)}.zip"

    def build(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return cached(name, build)


def _pack(files: Mapping[str, Path], out: Path, what: str) -> Path:
    if not files:
        raise BundleError(f"{what}: nothing to put in it")
    size = stable_zip.write(files, out)
    for measured, limit, kind in (
        (out.stat().st_size, ZIP_LIMIT, "zipped"),
        (size, UNZIPPED_LIMIT, "unzipped"),
    ):
        if measured > limit:
            raise BundleError(f"{what}: {measured} bytes {kind}, Lambda's limit is {limit}: drop a dependency")
    return out


def _install(pins: Path, target: Target, into: Path) -> None:
    command = [_uv(), "pip", "install", "--requirement", str(pins.resolve()), "--target", str(into)]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile-bytecode"]
    command += ["--link-mode", "copy", "--python", sys.executable]
    if target.platform:
        command += ["--python-platform", target.platform, "--python-version", target.python_version]
    _run(
        command,
        f"layer for {target.name} of {pins}",
        "check that each pin has a hash and a wheel for this target",
    )


def _precompiled(plain: Path, target: Target, root: str) -> Path:
    """`plain` with the byte code of its modules beside them, as if it were unpacked at `root`."""
    python = _interpreter(target)
    version = _run([python, "-c", "import sys; print(sys.version)"], f"precompile with {python}", "reinstall it")

    def build(staging: Path) -> Path:
        modules = staging / "modules"
        with zipfile.ZipFile(plain) as archive:
            archive.extractall(modules)
        command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        command += ["-s", str(modules), "-p", root, str(modules)]
        _run(command, f"byte code of {plain}", "mend the module it names, or build without precompile")
        return _pack(stable_zip.tree(modules, "", lambda path: False), staging / "made.zip", f"byte code of {plain}")

    kind = plain.name.split("-")[0]
    return cached(f"{kind}-precompiled-{key(plain.read_bytes(), version.encode())}.zip", build)


def _interpreter(target: Target) -> str:
    if sys.version_info[:2] == tuple(int(part) for part in target.python_version.split(".")):
        return sys.executable
    what = f"precompile for {target.name} needs a Python {target.python_version} on this machine"
    command = [_uv(), "python", "find", "--no-python-downloads", "--no-project", target.python_version]
    return _run(
        command,
        what,
        f"install it so that `python{target.python_version}` starts, or set precompile to false",
    ).strip()


def _host() -> str:
    """What decides which wheels fit this machine."""
    return " ".join((sysconfig.get_platform(), str(sysconfig.get_config_var("EXT_SUFFIX")), *platform.libc_ver()))


def _uv() -> str:
    try:
        from uv import find_uv_bin
    except ModuleNotFoundError:
        found = which("uv")
        if found is None:
            raise BundleError("bundles need uv: `pip install 'foldstack[deploy]'` brings it") from None
        return found
    return find_uv_bin()


def _run(command: list[str], what: str, mend: str) -> str:
    traces = {"UV_NO_INSTALLER_METADATA": "1", "UV_PYTHON_DOWNLOADS": "never", "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | traces, check=False)
    if done.returncode:
        printed = (done.stderr + done.stdout).strip()
        raise BundleError(
            f"{what}: {' '.join(command[:3])} failed ({done.returncode}).\n{printed}\nTo mend it: {mend}."
        )
    return done.stdout
