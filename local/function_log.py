"""A function's log file: what its handler prints, between Lambda's START, END and REPORT lines."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

from .invocation import FunctionSpec, Invocation


class FunctionLog:
    """Appends to `path`, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """A file descriptor that appends, for a sandbox to inherit."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def start(self, request_id: str) -> None:
        self._write(f"START RequestId: {request_id} Version: $LATEST")

    def end(
        self,
        answer: Invocation,
        milliseconds: float,
        spec: FunctionSpec,
        memory_mb: int | None,
        init_ms: float | None,
    ) -> None:
        report = [
            f"REPORT RequestId: {answer.request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {math.ceil(milliseconds)} ms",
            f"Memory Size: {spec.memory} MB",
        ]
        if memory_mb is not None:
            report.append(f"Max Memory Used: {memory_mb} MB")
        if init_ms is not None:
            report.append(f"Init Duration: {init_ms:.2f} ms")
        if answer.status == "timeout":
            report.append("Status: timeout")
        elif not answer.ok:
            report.append(f"Status: error\tError Type: {(answer.error or {}).get('errorType', '')}")
        self._write(f"END RequestId: {answer.request_id}", "\t".join(report))

    def _write(self, *lines: str) -> None:
        with self.opened() as descriptor:
            os.write(descriptor, ("\n".join(lines) + "\n").encode())
