"""What the commands say and mend when a part of a cloud was killed."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from local.running import FILE, Process, Running

from .test_cli import copy, foldstack, post, processes

pytestmark = pytest.mark.emulator
LEFT = ["lock", "supervisor.log"]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Path]:
    """A program that runs detached; whatever a test leaves of it is stopped."""
    program = copy(tmp_path)
    foldstack("local", "up", "--detach", program=program)
    yield program
    if running := Running.read(program / ".foldstack"):
        running.supervisor.stop()
        running.clear(program / ".foldstack")


def home(program: Path) -> list[str]:
    return sorted(f.name for f in (program / ".foldstack").iterdir())


def kill(process: Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(10)


def orphan(program: Path) -> Process:
    """Kill the supervisor; answers the stand-in, which nobody tells of that."""
    supervisor, _, stand_in = processes(program)
    kill(supervisor)
    assert stand_in.alive
    return stand_in


def test_status_and_up_after_a_supervisor_was_killed(up: Path) -> None:
    post(up, "/notes/lost")
    stand_in = orphan(up)
    told = foldstack("local", "status", program=up, status=1)
    assert "was killed, and its data is lost: `foldstack local up` starts another" in told
    told = foldstack("local", "up", "--detach", program=up)
    assert (
        len(re.findall(r"^the cloud that ran here \(pid \d+\) was killed: its data is lost", told, re.MULTILINE)) == 1
    )
    assert re.search(r"(\d+) resources: \1 created", told)
    assert not stand_in.alive
    assert "was killed" not in foldstack("local", "status", program=up)


def test_down_after_a_supervisor_was_killed_leaves_nothing(up: Path) -> None:
    stand_in = orphan(up)
    assert "was killed: its data is lost" in foldstack("local", "down", program=up)
    assert not stand_in.alive
    assert home(up) == LEFT
    assert foldstack("local", "down", program=up) == "no laptop cloud runs here\n"


def test_files_of_a_killed_cloud_stay_when_told(up: Path) -> None:
    stand_in = orphan(up)
    assert "was killed: its data is lost" in foldstack("local", "down", "--keep-data", program=up)
    assert not stand_in.alive
    assert {"emulator", "host", "state.json", "outputs.json"} <= set(home(up))
    assert FILE not in home(up)
    assert "what an earlier one left is removed" in foldstack("local", "down", program=up)
    assert home(up) == LEFT


def test_a_process_id_of_a_killed_cloud_that_is_another_process_by_now_is_not_stopped(up: Path) -> None:
    stand_in = orphan(up)
    file = up / ".foldstack" / FILE
    content = json.loads(file.read_text())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        try:
            file.write_text(json.dumps({**content, "children": [{"pid": bystander.pid, "started": "1"}]}))
            foldstack("local", "down", program=up)
            assert bystander.poll() is None
        finally:
            bystander.kill()
            stand_in.stop()


def test_a_home_that_another_cloud_has_is_not_removed(up: Path) -> None:
    (up / ".foldstack" / FILE).rename(up / "aside.json")
    try:
        assert "starts or ends here at this moment" in foldstack("local", "down", program=up, status=1)
        assert "state.json" in home(up)
    finally:
        (up / "aside.json").rename(up / ".foldstack" / FILE)


def test_a_dead_stand_in_is_shown_and_started_again(up: Path) -> None:
    supervisor, emulator, stand_in = processes(up)
    assert json.loads(foldstack("local", "status", "--json", program=up))["processes"] == {
        "emulator": True,
        "stand-in shelf for notes:shelfUrl": True,
    }
    kill(stand_in)
    told = foldstack("local", "status", program=up, status=1)
    assert "error: not running: stand-in shelf for notes:shelfUrl; `foldstack local up --detach` starts it" in told
    foldstack("local", "up", "--detach", program=up)
    assert processes(up)[:2] == [supervisor, emulator]
    assert processes(up)[2].alive
    outputs = json.loads(foldstack("local", "status", "--json", program=up))["outputs"]
    with urlopen(outputs["shelfUrl"]) as answer:
        assert answer.read() == b"shelf"


def test_a_stand_in_of_a_deployment_that_failed_is_known(up: Path) -> None:
    kill(processes(up)[2])
    with (up / "__main__.py").open("a") as program:
        program.write("\nraise ValueError('not today')\n")
    foldstack("local", "up", "--detach", program=up, status=1)
    assert processes(up)[2].alive


def test_a_dead_emulator_is_told_with_what_to_do(up: Path) -> None:
    kill(processes(up)[1])
    told = foldstack("local", "status", program=up, status=1)
    assert "error: not running: emulator; its data is lost: `foldstack local down`, then `up` again" in told
    told = foldstack("local", "up", "--detach", program=up, status=1)
    assert "error: the emulator of this cloud has ended, and its data with it: `foldstack local down`, then" in told
    assert len(told.strip().splitlines()) == 1
    assert "its data is lost: the emulator had ended" in foldstack("local", "down", "--keep-data", program=up, status=1)
    assert home(up) == LEFT
