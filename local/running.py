"""Who runs the cloud of a home directory: a private file with process ids, checked against pid reuse."""

import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .private_files import write_private

FILE = "running.json"


@dataclass(frozen=True)
class Process:
    """A process by its id and the moment it started: an id alone may be another's by now."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        return cls(pid, _started(pid) or "")

    @property
    def alive(self) -> bool:
        return bool(self.started) and _started(self.pid) == self.started

    def stop(self, seconds: float = 20.0) -> None:
        """Ask it to end, wait, then kill it."""
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
            if not self.alive:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self.wait(patience)

    def wait(self, seconds: float) -> bool:
        """Whether it ended in time."""
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


@dataclass(frozen=True)
class Running:
    """The supervisor of a cloud, its control endpoint on loopback, and the processes that end with it."""

    supervisor: Process
    url: str
    stack: str
    children: list[Process] = field(default_factory=list)

    def write(self, home: Path) -> None:
        write_private(home / FILE, json.dumps(asdict(self)))

    @property
    def killed(self) -> bool:
        """Whether it ended without its own doing: what ends with it may run on."""
        return not self.supervisor.alive

    def clear(self, home: Path) -> None:
        """End what a killed one left behind, and forget it."""
        for child in self.children:
            child.stop(2.0)
        forget(home)

    @classmethod
    def read(cls, home: Path) -> "Running | None":
        """Whoever runs the cloud in `home`, or was killed there; None when it ended as it should."""
        try:
            content = json.loads((home / FILE).read_text())
        except FileNotFoundError:
            return None
        return cls(
            Process(**content["supervisor"]),
            content["url"],
            content["stack"],
            [Process(**child) for child in content["children"]],
        )


def forget(home: Path) -> None:
    """Nobody runs the cloud any more."""
    (home / FILE).unlink(missing_ok=True)


def control_token(home: Path) -> str:
    """What a caller of the control endpoint must show: only the home's owner can read the key it comes from."""
    return hmac.new((home / "key").read_bytes(), b"control", hashlib.sha256).hexdigest()


def _started(pid: int) -> str | None:
    """When a process started; None when it is gone, or dead and only waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    return None if fields[0] in ("Z", "X") else fields[19]


def _started_by_ps(pid: int) -> str | None:
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not shown or shown.startswith("Z") else shown.split(maxsplit=1)[1]
