"""Functions come, are replaced and end, and their sandboxes with them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.function_host import FunctionHost, FunctionSpec

from .handlers import BLOCKING, ECHO, Gate, Make, gone


def test_a_new_version_takes_over_and_an_old_one_is_gone(function: Make) -> None:
    old = function("import os\ndef handler(event, context): return ['old', os.getpid()]", name="versioned")
    label, pid = old.answer()
    assert label == "old"
    new = function("def handler(event, context): return 'new'", name="versioned")
    assert new.answer() == "new"
    assert gone(pid)
    new.host.remove("versioned")
    with pytest.raises(LookupError, match="no function is called 'versioned'; registered are none"):
        new()


def test_stopping_the_host_ends_every_sandbox(function: Make, tmp_path: Path) -> None:
    idle = function("import os\ndef handler(event, context): return os.getpid()")
    busy = function(BLOCKING, timeout=60)
    idle_pid = idle.answer()
    gate = Gate(tmp_path, "busy")
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(busy, gate.event)
        busy_pid = gate.begun()
        busy.host.stop()
        done = running.result()
    assert done.error is not None
    assert "signal: killed" in done.error["errorMessage"]
    assert gone(idle_pid)
    assert gone(busy_pid)
    assert not (busy.host.logs.parent / "sandboxes").exists()


def test_code_that_is_not_there_is_told_at_once(host: FunctionHost, tmp_path: Path) -> None:
    spec = FunctionSpec("f", "arn", "app.handler", tmp_path / "missing", [], {}, "role")
    with pytest.raises(FileNotFoundError, match=r"its code folder .*missing does not exist"):
        host.register(spec)


def test_a_sandbox_that_cannot_start_leaves_the_function_usable(function: Make) -> None:
    made = function(ECHO)
    away = made.spec.task_dir.rename(made.spec.task_dir.with_name("away"))
    with pytest.raises(FileNotFoundError):
        made(1)
    away.rename(made.spec.task_dir)
    assert made.answer(1) == 1
