"""The processes and servers of one laptop cloud, started together and stopped together."""

import json
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from .credentials import Credentials
from .databases import Databases
from .emulator import Emulator
from .function_host import FunctionHost
from .gateway import Gateway
from .home_data import KEPT, lock, remove_data
from .invocation import Invocation
from .private_files import private_directory, write_private
from .resources import Site
from .stack_files import StackFiles
from .stand_ins import StandIn
from .state import State
from .wiring import Wiring

_SECRET_TYPES = ("aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion")


class CloudError(Exception):
    """The laptop cloud cannot do what it is asked; the message says what to do."""


class Parts:
    """Emulator, function host, gateway and stand-ins of the cloud in `home`, which no other cloud may use.

    Data of an earlier cloud is taken up when it was stopped with `keep_data`, and removed otherwise.
    """

    def __init__(self, home: Path, files: StackFiles, port: int | None = None) -> None:
        self.home = private_directory(home)
        self._lock_file = self._take_lock()
        self._started: list[Any] = []
        self._gateway_lock = threading.Lock()
        self._urls: dict[str, str] = {}
        self.stand_ins: dict[str, StandIn] = {}
        try:
            self._start(files, port)
        except BaseException:
            self._stop_started()
            self._lock_file.close()
            raise

    def _start(self, files: StackFiles, port: int | None) -> None:
        kept = self._take_up_kept()
        self.took_up_data = bool(kept)
        self._ports = kept.get("gateway_ports", {})
        self._next_port = port + 1 if port else None
        if port:
            _refuse_busy(port)
        self.emulator = Emulator(self.home / "emulator", port=port or 0, persist=True)
        self.emulator.region = files.region
        self._started.append(self.emulator.start())
        self.databases = Databases(self.home / "databases", self.emulator.databases)
        credentials = Credentials(self.emulator)
        self.host = FunctionHost(
            self.home / "host", endpoint_url=self.emulator.url, credentials=credentials.of, region=files.region
        )
        self._started.append(self.host.start())
        self.gateway = Gateway(account=self.emulator.account)
        self.state = State.load(self.home, self.emulator.url)
        self.site = Site(
            client=self.emulator.client,
            home=self.home,
            project=files.project,
            stack=files.stack,
            region=files.region,
            account=self.emulator.account,
            function_url=lambda name: f"{self.host.url}/fn/{name}",
            gateway_url=self._open_gateway,
            endpoint=self.emulator.url,
            databases=self.databases,
        )
        self.wiring = Wiring(self.site, self.host, credentials, kept.get("checkpoints", {}))

    def start_stand_ins(self, files: StackFiles, given: Mapping[str, Any]) -> dict[str, str]:
        """Start those stand-ins that do not run yet; answers their URLs by configuration key."""
        wanted = {k: m for k, m in files.stand_ins.items() if k not in given}
        for key in [k for k, s in self.stand_ins.items() if wanted.get(k) != s.module or not s.alive]:
            self.stand_ins.pop(key).stop()
        for key, module in wanted.items():
            if key not in self.stand_ins:
                stand_in = StandIn(key, module, program=files.main, logs=self.host.logs)
                self.stand_ins[key] = stand_in.start()
        return {key: stand_in.url for key, stand_in in self.stand_ins.items()}

    def stop(self, keep_data: bool) -> None:
        """Stop everything, what takes requests first. Data stays when the next cloud is to take it up.

        An emulator that has ended before has none to keep.
        """
        keep_data = keep_data and self.emulator.alive
        try:
            if self._urls:
                self.gateway.close()
            self.wiring.stop()
            for stand_in in self.stand_ins.values():
                stand_in.stop()
            self.databases.stop(keep_data)
            self._stop_started()
            (self.home / "access.json").unlink(missing_ok=True)
            if keep_data:
                self._keep()
            else:
                remove_data(self.home)
        finally:
            self._lock_file.close()

    def _stop_started(self) -> None:
        for part in reversed(self._started):
            part.stop()
        self._started.clear()

    def _open_gateway(self, api: str) -> str:
        with self._gateway_lock:
            if api not in self._urls:
                self._urls[api] = self.gateway.open(api, lambda event: self._serve(api, event), self._port_of(api))
            return self._urls[api]

    def _serve(self, api: str, event: bytes) -> Invocation:
        return self.wiring.serve(api, event)

    def _port_of(self, api: str) -> int:
        if self._next_port is not None:
            port, self._next_port = self._next_port, self._next_port + 1
            _refuse_busy(port)
            return port
        before = self._ports.get(api, 0)
        return before if before and not _busy(before) else 0

    def _take_lock(self) -> IO[str]:
        held = lock(self.home)
        if held is None:
            raise CloudError(
                f"a laptop cloud runs in {self.home} already: `foldstack local status` shows it, "
                "`foldstack local up --detach` deploys to it anew, `foldstack local down` stops it"
            )
        return held

    def _take_up_kept(self) -> dict[str, Any]:
        marker = self.home / KEPT
        if not marker.is_file():
            remove_data(self.home)
            return {}
        kept = json.loads(marker.read_text())
        # Should this cloud be killed, what it leaves is not to be trusted.
        marker.unlink()
        return kept

    def _keep(self) -> None:
        ports = {api: int(url.rsplit(":", 1)[1]) for api, url in self._urls.items()}
        # Neither values of secrets nor sessions stay on the disk: the next deployment makes them again.
        for service in ("secretsmanager", "sts"):
            (self.home / "emulator" / "state" / f"{service}.json").unlink(missing_ok=True)
        for urn in [u for u, r in self.state.records.items() if r.type in _SECRET_TYPES]:
            del self.state.records[urn]
        self.state.save()
        kept = {"gateway_ports": ports, "checkpoints": self.wiring.checkpoints()}
        write_private(self.home / KEPT, json.dumps(kept))


def _refuse_busy(port: int) -> None:
    if _busy(port):
        raise CloudError(f"port {port} is taken: choose another with --port, or leave it out to get free ones")


def _busy(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False
