"""Run a Pulumi program without the Pulumi engine and return its whole resource graph."""

import asyncio
import contextvars
import json
import logging
import os
import runpy
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, settings
from pulumi.runtime.stack import run_in_stack

from .graph import Registered
from .graph_provider import GraphProvider
from .monitor import Monitor, Provider
from .stack_files import StackFiles, read_stack_files

THREADS = 6


@dataclass(frozen=True)
class Deployment:
    """What one run of a program registered, in order of registration."""

    resources: list[Registered]
    exports: dict[str, Any]
    invokes: list[str]

    def of(self, type_: str, name: str | None = None) -> list[Registered]:
        """All resources of a type token, or those of one name."""
        return [r for r in self.resources if r.type == type_ and name in (None, r.name)]

    def one(self, type_: str, name: str | None = None) -> Registered:
        """The only such resource; LookupError names what there is instead."""
        found = self.of(type_, name)
        if len(found) != 1:
            there = sorted(str(r) for r in self.of(type_)) or sorted({r.type for r in self.resources})
            raise LookupError(f"{len(found)} resources {type_} {name or ''}, not 1; there are {', '.join(there)}")
        return found[0]

    def children(self, parent: Registered) -> list[Registered]:
        """The resources whose parent is this one."""
        return [r for r in self.resources if r.parent == parent.urn]


def deploy(
    program: Callable[[], Any] | Path | str | StackFiles,
    *,
    stack: str = "test",
    project: str = "project",
    config: Mapping[str, Any] | None = None,
    preview: bool = False,
    provider: Provider | None = None,
) -> Deployment:
    """Run `program`, a function or the directory of a Pulumi.yaml, and return its graph.

    A directory is read with its stack files (StackFiles are those, read); `config` goes over them, keys
    without a namespace being the project's. With no `provider` nothing is created: outputs are made up, or
    unknown when `preview`. Whatever the program raises comes out as it is. Runs leave nothing behind.
    """
    if callable(program):
        values = {k if ":" in k else f"{project}:{k}": _text(v) for k, v in (config or {}).items()}
        files = StackFiles(Path.cwd(), Path.cwd(), project, stack, values)
        run: Callable[[], Any] = program
    else:
        files = program if isinstance(program, StackFiles) else read_stack_files(Path(program), stack, overrides=config)
        run = lambda: runpy.run_path(str(files.main / "__main__.py"), run_name="__main__")  # noqa: E731
    provider = provider or GraphProvider(files.project, files.stack, preview=preview)
    monitor = Monitor(provider, preview=preview)
    with _program_directory(None if callable(program) else files.main):
        contextvars.copy_context().run(_run_isolated, run, files, monitor, preview)
    return Deployment(list(monitor.graph.values()), monitor.exports, monitor.invokes)


def _run_isolated(run: Callable[[], Any], files: StackFiles, monitor: Monitor, preview: bool) -> None:
    """Everything the SDK keeps is a context variable or tied to the loop: both are this run's own."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="register"))
    asyncio.set_event_loop(loop)
    try:
        pulumi.runtime.set_all_config(dict(files.config), sorted(files.secret_keys))
        settings.SETTINGS.lock = threading.Lock()  # type: ignore[assignment]
        settings.SETTINGS.outputs = set()  # type: ignore[assignment]
        settings.SETTINGS.package_refs = {}  # type: ignore[assignment]
        settings.SETTINGS.root_directory = str(files.directory)  # type: ignore[assignment]
        settings.set_root_resource(None)  # type: ignore[arg-type]
        mocks.set_mocks(
            monitor.mocks,
            project=files.project,
            stack=files.stack,
            preview=preview,
            logger=logging.getLogger("foldstack.program"),
            monitor=monitor,
            organization="organization",
        )
        loop.run_until_complete(asyncio.sleep(0))
        settings.set_root_resource(None)  # type: ignore[arg-type]
        loop.run_until_complete(run_in_stack(lambda: run() and None))
    except Exception as error:
        if monitor.first_error is not None and error is not monitor.first_error:
            raise monitor.first_error from None
        raise
    finally:
        _close(loop)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Wait for registrations in flight, so that what they created is known, and drop the rest."""
    loop.set_exception_handler(lambda *_: None)
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)


@contextmanager
def _program_directory(main: Path | None) -> Iterator[None]:
    """Run as the engine runs a program: in its directory, which is first on the import path."""
    if main is None:
        yield
        return
    here, path = Path.cwd(), list(sys.path)
    os.chdir(main)
    sys.path.insert(0, str(main))
    try:
        yield
    finally:
        sys.path[:] = path
        os.chdir(here)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
