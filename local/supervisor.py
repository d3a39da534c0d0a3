"""The process that holds a laptop cloud: in the foreground of `local up`, or on its own when detached.

As a module it is the detached one: it tells its starter of the deployment, a line of JSON for each event on
standard output, and lives on when that is closed.
"""

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from .cloud import LaptopCloud
from .control import ControlServer, Event, Tell
from .errors import explain
from .running import Process, Running, forget
from .source_set import SourceStatus


class Supervisor:
    """Runs a cloud until it is told to end."""

    def __init__(self, cloud: LaptopCloud) -> None:
        self.cloud = cloud
        self._end = threading.Event()
        self._keep_data = False
        self._url = ""

    def run(self, tell: Tell, request: Event, *, keep_data: bool = False) -> bool:
        """Deploy and stay until SIGTERM, SIGINT or POST /down; False when the first deployment failed.

        `request` is that of POST /deploy: `replace_data`, and `config` over the stack's file.
        `keep_data` is for an end by signal.
        """
        self._keep_data = keep_data
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            if not self._deploy(request, tell):
                return False
            self._serve_until_the_end(tell)
            return True
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _serve_until_the_end(self, tell: Tell) -> None:
        control = ControlServer(self.cloud.home, status=self.status, deploy=self._deploy_again, down=self._on_down)
        try:
            self._url = control.url
            self._write_running()
            tell({"event": "ready", "outputs": self.cloud.shown_outputs, "endpoint": self.cloud.endpoint})
            self._end.wait()
            tell({"event": "stage", "what": "stopping"})
        finally:
            control.stop()
            self.cloud.down(self._keep_data)
            forget(self.cloud.home)

    def status(self) -> Event:
        """Functions, sources and outputs, as `local status` shows them."""
        sources: list[SourceStatus] = self.cloud.source_status()
        return {
            "pid": os.getpid(),
            "stack": self.cloud.stack,
            "endpoint": self.cloud.endpoint,
            "processes": self.cloud.processes,
            "functions": [
                {"name": f.name, "handler": f.handler, "timeout": f.timeout, "memory": f.memory}
                for f in self.cloud.functions
            ],
            "sources": [vars(s) for s in sources],
            "outputs": self.cloud.shown_outputs,
        }

    def _deploy(self, request: Event, tell: Tell) -> bool:
        try:
            self.cloud.up(_Teller(tell), replace_data=request["replace_data"], config=request["config"])
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            tell({"event": "error", "message": explain(error, self.cloud.program)})
            return False
        return True

    def _deploy_again(self, request: Event, tell: Tell) -> None:
        deployed = self._deploy(request, tell)
        # A stand-in may be another process now, also where the deployment failed after that.
        self._write_running()
        if deployed:
            tell({"event": "ready", "outputs": self.cloud.shown_outputs, "endpoint": self.cloud.endpoint})

    def _write_running(self) -> None:
        children = [Process.of(pid) for pid in self.cloud.child_pids]
        Running(Process.of(os.getpid()), self._url, self.cloud.stack, children).write(self.cloud.home)

    def _on_down(self, request: Event) -> None:
        self._keep_data = request["keep_data"]
        self._end.set()

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._url:
            self._end.set()
        else:
            raise KeyboardInterrupt


class _Teller:
    """Progress as events."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._lock = tell, threading.Lock()

    def stage(self, what: str) -> None:
        self._send({"event": "stage", "what": what})

    def total(self, resources: int) -> None:
        self._send({"event": "total", "resources": resources})

    def step(self, verb: str, resource: str) -> None:
        self._send({"event": "step", "verb": verb, "resource": resource})

    def _send(self, event: Event) -> None:
        with self._lock:
            self._tell(event)


def main(arguments: list[str]) -> int:
    """Arguments: program, stack, home, port or "-", the request of the deployment as JSON."""
    program, stack, home, port, request = arguments
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    listening = True

    def tell(event: Event) -> None:
        nonlocal listening
        if listening:
            try:
                print(json.dumps(event), flush=True)
            except BrokenPipeError:
                listening = False
        if event["event"] in ("ready", "error"):
            listening = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    cloud = LaptopCloud(Path(program), stack, Path(home), None if port == "-" else int(port))
    try:
        return 0 if Supervisor(cloud).run(tell, json.loads(request)) else 1
    except KeyboardInterrupt:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
