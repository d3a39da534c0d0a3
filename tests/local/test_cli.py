"""The `foldstack` command as a person types it: processes, exit codes, and what is printed."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from local.running import FILE, Process, Running

pytestmark = pytest.mark.emulator
ROOT = Path(__file__).resolve().parents[2]
NOTES = Path(__file__).parent / "programs" / "notes"
COMMAND = [sys.executable, "-W", "ignore", "-m", "local.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def foldstack(*arguments: str, program: Path, status: int = 0, functions_log: bool = False) -> str:
    """Run a command to its end; answers what it printed: never a stack trace, unless from a function's log."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--program", str(program)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        env=ENVIRONMENT,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == status, output
    assert functions_log or "Traceback" not in output
    return output


def copy(into: Path) -> Path:
    return Path(shutil.copytree(NOTES, into / "notes", ignore=shutil.ignore_patterns(".foldstack")))


def processes(program: Path) -> list[Process]:
    content = json.loads((program / ".foldstack" / FILE).read_text())
    return [Process(**p) for p in (content["supervisor"], *content["children"])]


def post(program: Path, path: str) -> None:
    url = json.loads((program / ".foldstack" / "outputs.json").read_text())["apiUrl"]
    headers = {"x-tenant-id": "north", "content-type": "application/json"}
    with urlopen(Request(url + path, data=b'{"text": "x"}', headers=headers)) as answer:
        assert answer.status == 201


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A program for one test; whatever that leaves running is stopped."""
    program = copy(tmp_path)
    yield program
    if running := Running.read(program / ".foldstack"):
        running.supervisor.stop()
        running.clear(program / ".foldstack")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program that runs detached."""
    program = copy(tmp_path_factory.mktemp("cli"))
    assert re.search(r"(\d+) resources: \1 created", foldstack("local", "up", "--detach", program=program))
    yield program
    foldstack("local", "down", program=program)


def test_status_shows_functions_sources_and_urls(program: Path) -> None:
    shown = foldstack("local", "status", program=program)
    content = json.loads(foldstack("local", "status", "--json", program=program))
    assert content["outputs"] == json.loads((program / ".foldstack" / "outputs.json").read_text())
    assert {source["name"]: source["lag"] for source in content["sources"]} == dict.fromkeys(
        ("relay", "counter"), "caught up"
    )
    for text in (content["outputs"]["apiUrl"], content["endpoint"], *(f["name"] for f in content["functions"])):
        assert text in shown
    assert "hunter2" not in shown


def test_logs_of_one_function_and_of_all(program: Path) -> None:
    post(program, "/notes/logged")
    one = foldstack("local", "logs", "door", program=program)
    assert "START RequestId" in one
    assert '"message": "command cost"' in one
    every = foldstack("local", "logs", program=program)
    assert re.search(r"^notes-local-door-[0-9a-f]{6} \| START RequestId", every, re.MULTILINE)
    assert "no log of 'window'; there are notes-local-counter-" in foldstack(
        "local", "logs", "window", program=program, status=1
    )


def test_logs_can_be_followed(program: Path) -> None:
    following = subprocess.Popen(
        [*COMMAND, "local", "logs", "door", "-f", "--program", str(program)],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert following.stdout is not None
    try:
        post(program, "/notes/followed")
        assert any("REPORT RequestId" in line for line in following.stdout)
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=20)
        assert following.returncode == 0
    finally:
        following.kill()
        following.wait()


def test_up_again_deploys_to_the_one_that_runs(program: Path) -> None:
    before = processes(program)
    assert re.search(r"(\d+) resources: \1 unchanged", foldstack("local", "up", "--detach", program=program))
    assert processes(program) == before
    assert "runs here already (pid" in foldstack("local", "up", program=program, status=1)
    with_port = foldstack("local", "up", "--detach", "--port", "4700", program=program, status=1)
    assert "leave --port out" in with_port


@pytest.mark.parametrize("command", [("local", "up"), ("local", "up", "--detach"), ("demo",)])
def test_configuration_over_the_stacks_file_must_be_a_key_and_a_value(own: Path, command: tuple[str, ...]) -> None:
    told = foldstack(*command, "--config", "name", program=own, status=1)
    assert told.startswith("error: --config 'name' is not KEY=VALUE: write")
    assert len(told.splitlines()) == 1
    assert "unknown key notes:unheard" in foldstack(*command, "--config", "unheard=of", program=own, status=1)


def test_configuration_goes_over_the_stacks_file(own: Path) -> None:
    """Each deployment is given its own."""
    (own / "__main__.py").write_text(
        "import pulumi\nconfig = pulumi.Config()\npulumi.export('said', [config.get('title'), config.get('shelves')])\n"
    )
    with (own / "Pulumi.yaml").open("a") as file:
        file.write("  title:\n    type: string\n    default: file\n  shelves:\n    type: integer\n    default: 1\n")

    def said(*arguments: str) -> list[str]:
        foldstack("local", "up", "--detach", *arguments, program=own)
        return json.loads((own / ".foldstack" / "outputs.json").read_text())["said"]

    assert said("--config", "title=a=b", "--config", "shelves=3") == ["a=b", "3"]
    assert said() == ["file", "1"]
    assert said("--config", "notes:title=again") == ["again", "1"]
    foldstack("local", "down", program=own)


def test_an_error_of_a_deployment_is_told_and_the_cloud_runs_on(program: Path) -> None:
    file = program / "__main__.py"
    text = file.read_text()
    try:
        file.write_text(text + "\nraise ValueError('not today')\n")
        lines = len(text.splitlines()) + 2
        told = foldstack("local", "up", "--detach", program=program, status=1)
        assert f"error: ValueError: not today (at __main__.py:{lines})" in told
    finally:
        file.write_text(text)
    post(program, "/notes/still")


def test_down_leaves_nothing(own: Path) -> None:
    foldstack("local", "up", "--detach", program=own)
    running = processes(own)
    assert len(running) == 3
    assert all(process.alive for process in running)
    assert "its data is removed" in foldstack("local", "down", program=own)
    assert not any(process.alive for process in running)
    assert sorted(f.name for f in (own / ".foldstack").iterdir()) == ["lock", "supervisor.log"]
    assert "no laptop cloud runs here" in foldstack("local", "down", program=own)
    assert "`foldstack local up` starts one" in foldstack("local", "status", program=own, status=1)


def test_data_is_kept_when_told(own: Path) -> None:
    foldstack("local", "up", "--detach", program=own)
    assert "its data is kept" in foldstack("local", "down", "--keep-data", program=own)
    assert re.search(r"(\d+) resources: \1 unchanged", foldstack("local", "up", "--detach", program=own))
    foldstack("local", "down", program=own)


def test_a_process_id_that_is_another_process_by_now_is_not_stopped() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert Process.of(bystander.pid).alive
        earlier = Process(bystander.pid, "long ago")
        earlier.stop()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.communicate()
    assert not Process.of(bystander.pid).alive


def test_ctrl_c_in_the_foreground_stops_everything(own: Path) -> None:
    running = subprocess.Popen(
        [*COMMAND, "local", "up", "--program", str(own)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    )
    assert running.stdout is not None
    try:
        assert any("running until ctrl-C" in line for line in running.stdout)
        started = processes(own)
        assert "notes-local-door" in foldstack("local", "status", program=own)
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=60)
        assert running.returncode == 0, rest
        assert "Traceback" not in rest
        assert not any(process.alive for process in started)
        assert not (own / ".foldstack" / "state.json").exists()
    finally:
        running.kill()
        running.wait()


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    assert "run in a Pulumi project's directory" in foldstack("local", "up", "--detach", program=tmp_path, status=1)
    assert list(tmp_path.iterdir()) == []
    program = copy(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        told = foldstack("local", "up", "--port", port, program=program, status=1)
    assert f"error: port {port} is taken: choose another with --port" in told
    for wrong, allowed in (("99999", "65000"), ("-1", "0")):
        told = foldstack("local", "up", "--port", wrong, program=program, status=2)
        assert re.search(rf"Invalid value for '--port'.*\b{allowed}\b", told)
    (program / "Pulumi.local.yaml").write_text("config: {notes:password: {secure: AAAB}}")
    assert "notes:password is encrypted" in foldstack("local", "up", program=program, status=1)


def test_the_demo_shows_requests_answers_costs_and_urls(own: Path) -> None:
    shown = foldstack("demo", program=own)
    assert "POST /notes/one  north" in shown
    assert "201 " in shown
    assert re.search(r"POST /notes/\{id\} +│ 2 +│ 1\.00 +│ 0\.00 +│ 1\.00", shown)
    assert re.search(r"apiUrl +│ http://127.0.0.1:\d+", shown)
    assert list((own / ".foldstack").iterdir()) == []


def test_a_demo_that_is_kept_says_where_its_outputs_are(own: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "demo", "--keep", "--program", str(own)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    ) as running:
        assert running.stdout is not None
        try:
            shown = iter(running.stdout)
            file = next(line for line in shown if line.startswith("outputs in ")).removeprefix("outputs in ").strip()
            assert any("running until ctrl-C" in line for line in shown)
            assert json.loads(Path(file).read_text())["apiUrl"].startswith("http://127.0.0.1:")
        finally:
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=60)
    assert not Path(file).exists()


def test_a_demo_that_fails(own: Path) -> None:
    (own / "walk.py").write_text(
        "def run(call, settle):\n    assert call('t', 'GET', '/notes/1').status == 200, 'not there'\n"
    )
    assert "error: the demo failed: not there" in foldstack("demo", program=own, status=1)
    (own / "walk.py").write_text(
        "def run(call, settle):\n    assert call('t', 'POST', '/notes/1', {'no': 'text'}).status == 201, 'not made'\n"
    )
    shown = foldstack("demo", program=own, status=1, functions_log=True)
    assert re.search(r"notes-local-door-\w+ failed, at last so:\nSTART .*KeyError: 'text'", shown, re.DOTALL)
    (own / "Pulumi.local.yaml").write_text("config: {notes:shelfUrl: http://x, notes:password: p}")
    assert "Pulumi.local.yaml names no demo" in foldstack("demo", program=own, status=1)


def test_without_the_extra_one_error_says_what_to_install() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from local.cli import main; main()"
    # Without `site` only the standard library can be imported.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'foldstack[local]'" in done.stderr
    assert "Traceback" not in done.stderr
