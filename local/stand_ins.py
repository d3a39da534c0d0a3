"""Stand-ins: small servers on loopback in the place of other companies' services."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from .private_files import private_log

_READY_SECONDS = 20.0
_STOP_SECONDS = 5.0


class StandInError(Exception):
    """A stand-in did not start; the message holds the end of its log."""


class StandIn:
    """`python -m MODULE --port N` as a child process, with the program's directory on its import path."""

    def __init__(self, key: str, module: str, *, program: Path, logs: Path) -> None:
        self.key, self.module = key, module
        self.url = ""
        self._program = program
        self._log = logs / f"stand-in-{key.replace(':', '-')}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> "StandIn":
        """Start on a free port and wait until it accepts connections."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with private_log(self._log) as log:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", self.module, "--port", str(port)],
                cwd=self._program,
                env={**os.environ, "PYTHONPATH": str(self._program)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while not _accepts(port):
            if not self.alive or time.monotonic() > deadline:
                self.stop()
                raise StandInError(f"stand-in {self.module} for {self.key} did not start:\n{self._last_words()}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-8:])


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
