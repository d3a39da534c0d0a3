"""Make .venv, and uv in .uv where there is none: `python3 bootstrap.py [run|develop]`. Standard library only.

`run` installs what the laptop cloud needs; `develop`, the default, what tests and checks need as well.
Nothing is done when .venv already holds what the lock says.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (asked before anything that an older Python cannot read)
    sys.exit(
        f"Foldstack needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}.\n"
        "Put a newer python3 first on PATH, or name one: make PYTHON=/path/to/python3.13 ..."
    )

import hashlib
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

PYTHON = sys._base_executable  # type: ignore[attr-defined]  # not the one of .venv, should that be active
ROOT = Path(__file__).resolve().parent
STAMP = ROOT / ".venv" / "foldstack.stamp"
OLDEST_UV = (0, 13)
GROUPS = {"run": ("local", "lambda"), "develop": ("local", "lambda", "test", "lint")}
MISLEADING = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "VIRTUAL_ENV", "UV_LOCKED")
TRUST = {"UV_SYSTEM_CERTS": "true"}  # the roots that git and pip trust; may be set otherwise
SETTINGS = {"UV_PYTHON_DOWNLOADS": "never", "UV_COMPILE_BYTECODE": "1", "UV_PROJECT_ENVIRONMENT": ".venv"}
ENVIRONMENT = {name: value for name, value in (TRUST | os.environ).items() if name not in MISLEADING} | SETTINGS


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "develop"
    if wanted not in GROUPS:
        sys.exit(f"bootstrap.py {wanted}: must be one of {', '.join(GROUPS)}")
    state = hash_of_inputs()
    if not installed(wanted, state):
        STAMP.unlink(missing_ok=True)
        uv = find_uv() or make_uv()
        groups = [option for group in GROUPS[wanted] for option in ("--group", group)]
        command = [uv, "sync", "--frozen", "--python", PYTHON, *groups]
        if subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=False).returncode:
            sys.exit(f"uv could not make .venv, see above. The command was: {' '.join(map(str, command))}")
        STAMP.write_text(f"{state} {wanted}")


def hash_of_inputs() -> str:
    """Of all that decides what .venv holds: the lock, the project's settings, this Python and this folder."""
    inputs = [(ROOT / name).read_bytes() for name in ("uv.lock", "pyproject.toml", "setup.py")]
    inputs += [part.encode() for part in (PYTHON, sys.version, str(ROOT))]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in inputs)).hexdigest()


def installed(wanted: str, state: str) -> bool:
    return STAMP.exists() and STAMP.read_text() in (f"{state} {wanted}", f"{state} develop")


def find_uv() -> str | None:
    """A uv new enough: the one this script made, or one on PATH."""
    for place in (str(ROOT / ".uv" / "bin" / "uv"), shutil.which("uv")):
        if place and Path(place).exists():
            asked = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
            if not asked.returncode and tuple(map(int, asked.stdout.split()[1].split(".")[:2])) >= OLDEST_UV:
                return place
    return None


def make_uv() -> str:
    """uv in .uv, as the lock pins it: through venv, or through pip where Python came without ensurepip."""
    print("No uv here: putting one into .uv", flush=True)
    folder, pins = ROOT / ".uv", ROOT / ".uv-pins.txt"
    install = ["-m", "pip", "install", "--require-hashes", "--requirement", str(pins)]
    ways = (
        [[PYTHON, "-m", "venv", str(folder)], [str(folder / "bin" / "python"), *install]],
        [[PYTHON, *install, "--target", str(folder)]],
    )
    printed = []
    pins.write_text(locked_uv())
    try:
        for way in ways:
            shutil.rmtree(folder, ignore_errors=True)
            if all(succeeds(command, printed) for command in way):
                return str(folder / "bin" / "uv")
    finally:
        pins.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(
        "\n".join(printed) + f"\n\nFoldstack needs uv, and {PYTHON} could not install it: see above.\n"
        "Besides a package index, any one of these is enough:\n"
        "  - Python's venv module (Debian, Ubuntu: apt install python3-venv)\n"
        "  - pip (Debian, Ubuntu: apt install python3-pip)\n"
        f"  - uv {'.'.join(map(str, OLDEST_UV))} or newer on PATH (https://docs.astral.sh/uv/)"
    )


def succeeds(command: list[str], printed: list[str]) -> bool:
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    printed.append(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}".strip())
    return done.returncode == 0


def locked_uv() -> str:
    """uv's own pin, as a line of a hashed requirements file."""
    with (ROOT / "uv.lock").open("rb") as lock:
        found = next(package for package in tomllib.load(lock)["package"] if package["name"] == "uv")
    hashes = " ".join(f"--hash={wheel['hash']}" for wheel in found["wheels"])
    return f"uv=={found['version']} {hashes}\n"


if __name__ == "__main__":
    main()
