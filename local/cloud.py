"""The laptop cloud: a Pulumi program deployed whole into this process and its children, on loopback only."""

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .databases import Databases
from .deployer import CheckingProvider, Deployer
from .event_sources import EventSource, Faults
from .function_host import FunctionSpec
from .graph import Secret, reveal
from .invocation import Crash, Invocation
from .parts import CloudError, Parts
from .private_files import HOME, write_private
from .program import deploy
from .progress import Progress, silent
from .resources import HANDLERS
from .source_set import SourceStatus
from .stack_files import read_stack_files
from .wiring import as_payload

__all__ = ["HOME", "CloudError", "LaptopCloud"]

_OWN_PACKAGE = __name__.rpartition(".")[0]


class LaptopCloud:
    """`program` is the directory of a Pulumi.yaml; `home`, its `.foldstack` by default, is private to this cloud.

    `port` is that of the AWS endpoint, HTTP APIs take the ports after it; without it all are free ones.
    Use it as a context manager, or end with `down()`.
    """

    def __init__(self, program: Path, stack: str = "local", home: Path | None = None, port: int | None = None) -> None:
        self.program = Path(program).resolve()
        self.stack = stack
        self.home = (home or self.program / HOME).resolve()
        self._port = port
        self._outputs: dict[str, Any] = {}
        self._secret_outputs: set[str] = set()
        self._running: Parts | None = None
        self._lock = threading.Lock()

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets revealed."""
        return self._outputs

    @property
    def shown_outputs(self) -> dict[str, Any]:
        """The outputs without those that hold a secret, as they are in outputs.json."""
        return {k: v for k, v in self._outputs.items() if k not in self._secret_outputs}

    @property
    def sources(self) -> list[EventSource]:
        """What reads streams and queues for the functions."""
        return self._parts.wiring.sources

    @property
    def functions(self) -> list[FunctionSpec]:
        return self._parts.wiring.functions

    @property
    def endpoint(self) -> str:
        """Where AWS's services answer."""
        return self._parts.emulator.url

    @property
    def logs(self) -> Path:
        """The folder of log files: NAME.log for each function and stand-in."""
        return self._parts.host.logs

    @property
    def child_pids(self) -> list[int]:
        """Processes that must end with this cloud."""
        parts = self._running
        if parts is None:
            return []
        children = [parts.emulator, *parts.stand_ins.values(), *parts.databases.servers]
        return [child.pid for child in children if child.pid]

    @property
    def processes(self) -> dict[str, bool]:
        """The emulator and the stand-ins, and whether each runs."""
        parts = self._parts
        stand_ins = {f"stand-in {s.module} for {s.key}": s.alive for s in parts.stand_ins.values()}
        return {"emulator": parts.emulator.alive, **stand_ins}

    def up(
        self,
        progress: Progress = silent,
        faults: Faults | None = None,
        *,
        replace_data: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Deploy the program, or deploy it anew and change only what changed; answers the outputs.

        `config` goes over the stack's files. With `faults`, failed messages are seen again as soon as they say.
        An error of the first deployment leaves nothing running, and data that was kept stays kept; after an
        error of a later one, what ran before runs on.
        """
        with self._lock:
            first = self._running is None
            try:
                return self._up(progress, faults, replace_data, config or {})
            except BaseException:
                if first:
                    self._stop(keep_data=self._running is not None and self._running.took_up_data)
                raise

    def source_status(self) -> list[SourceStatus]:
        """What each source reads for whom, and how far it is behind."""
        return self._parts.wiring.status()

    def invoke(self, name: str, payload: Any = None, *, crash: Crash | None = None) -> Invocation:
        """Call a function by its logical or physical name; a payload that is no bytes is sent as JSON. `crash` kills
        its sandbox before, amid or after the work."""
        name = self._parts.wiring.logical_names.get(name, name)
        return self._parts.host.invoke(name, as_payload(payload), crash=crash)

    def sandboxes(self, name: str) -> list[int]:
        """The processes that run a function, by its logical or physical name."""
        return self._parts.host.pids(self._parts.wiring.logical_names.get(name, name))

    def client(self, service: str) -> Any:
        """A boto3 client as the account's root."""
        return self._parts.emulator.client(service)

    @property
    def databases(self) -> Databases:
        """The PostgreSQL servers of the clusters that the program registers."""
        return self._parts.databases

    def wait_idle(self, timeout: float = 60.0) -> None:
        """Wait until no source has anything left to hand on; TimeoutError names those that have."""
        self._parts.wiring.wait_idle(timeout)

    def down(self, keep_data: bool = False) -> None:
        """Stop everything. Data is removed, or kept for the next `up`."""
        with self._lock:
            self._stop(keep_data)

    def __enter__(self) -> "LaptopCloud":
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def _parts(self) -> Parts:
        if self._running is None:
            raise CloudError("the cloud is not up: call up() first")
        return self._running

    def _up(
        self, progress: Progress, faults: Faults | None, replace_data: bool, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        files = read_stack_files(self.program, self.stack, config)
        if self._running is None:
            progress.stage("starting the emulator and the function host")
        parts = self._running = self._running or Parts(self.home, files, self._port)
        if not parts.emulator.alive:
            raise CloudError(
                "the emulator of this cloud has ended, and its data with it: `foldstack local down`, then `up` again"
            )
        files = read_stack_files(self.program, self.stack, {**parts.start_stand_ins(files, config), **config})
        progress.stage("reading the program")
        loaded = set(sys.modules)
        try:
            site = parts.site
            checking = CheckingProvider(
                site.project, site.stack, preview=True, account=site.account, region=site.region
            )
            preview = deploy(files, preview=True, provider=checking)
            progress.total(sum(1 for r in preview.resources if r.type in HANDLERS))
            progress.stage("provisioning")
            deployer = Deployer(
                site,
                parts.state,
                default_tags=files.default_tags,
                replace_data=replace_data,
                progress=progress.step,
            )
            try:
                deployment = deploy(files, provider=deployer)
                requests = deployer.finish(deployment.resources)
            finally:
                parts.state.save()
        finally:
            _forget_modules(set(sys.modules) - loaded, self.program)
        progress.stage("starting functions and event sources")
        parts.wiring.apply(requests, faults)
        self._keep_outputs(deployment.exports)
        return self._outputs

    def _keep_outputs(self, exports: dict[str, Any]) -> None:
        self._outputs = reveal(exports)
        self._secret_outputs = {k for k, v in exports.items() if _has_secret(v)}
        text = json.dumps(self.shown_outputs, indent=2, sort_keys=True, default=str)
        write_private(self.home / "outputs.json", text + "\n")
        write_private(self.home / "access.json", json.dumps(self._parts.emulator.access) + "\n")

    def _stop(self, keep_data: bool) -> None:
        parts, self._running = self._running, None
        if parts is not None:
            parts.stop(keep_data)
        self._outputs = {}


def _has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_secret(v) for v in value.values())
    if isinstance(value, list):
        return any(_has_secret(v) for v in value)
    return isinstance(value, Secret)


def _forget_modules(names: set[str], program: Path) -> None:
    """Drop the program's own modules, so that the next deployment reads them as they are then."""
    for name in names:
        file = getattr(sys.modules[name], "__file__", None)
        own = name == _OWN_PACKAGE or name.startswith(f"{_OWN_PACKAGE}.")
        if file and not own and Path(file).is_relative_to(program) and "site-packages" not in file:
            del sys.modules[name]
