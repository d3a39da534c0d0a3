"""Functions under AWS's runtime client: their answers, their limits, their isolation, their end."""

import http.client
import json
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.credentials import Credentials
from local.emulator import Emulator
from local.function_host import FunctionHost, FunctionSpec
from local.supplied import link_supplied

from .conftest import Function, allow, make_role, make_table

Make = Callable[..., Function]

ECHO = "def handler(event, context): return event"


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A killed process whose parent has not waited for it yet is gone as well.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


# ---- answers


def test_a_handler_gets_event_and_context_as_on_aws(function: Make) -> None:
    source = """
        import os
        def handler(event, context):
            return {
                "event": event, "arn": context.invoked_function_arn, "name": context.function_name,
                "memory": context.memory_limit_in_mb, "request": context.aws_request_id,
                "left": context.get_remaining_time_in_millis(), "trace": os.environ["_X_AMZN_TRACE_ID"],
            }
    """
    made = function(source, memory=512, timeout=7)
    done = made({"a": ["é", 1.5]}, trace="Root=1-abc")
    answer = json.loads(done.payload)
    left = answer.pop("left")
    assert 0 < left <= 7000
    assert answer == {
        "event": {"a": ["é", 1.5]},
        "arn": made.spec.arn,
        "name": made.spec.name,
        "memory": "512",
        "request": done.request_id,
        "trace": "Root=1-abc",
    }


def test_an_exception_is_told_as_aws_tells_it(function: Make) -> None:
    made = function(
        """
        class OutOfStock(Exception): pass
        def handler(event, context): raise OutOfStock("none left")
        """
    )
    done = made()
    assert done.status == "error"
    assert done.error is not None
    assert json.loads(done.payload) == done.error
    assert set(done.error) == {"errorMessage", "errorType", "requestId", "stackTrace"}
    assert (done.error["errorType"], done.error["errorMessage"]) == ("OutOfStock", "none left")
    assert done.error["requestId"] == done.request_id
    assert "in handler" in done.error["stackTrace"][-1]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import nowhere", "Runtime.ImportModuleError"),
        ("def other(): pass", "Runtime.HandlerNotFound"),
        ("1 +", "Runtime.UserCodeSyntaxError"),
        ("raise ValueError('at import')", "ValueError"),
    ],
)
def test_a_module_that_does_not_load_is_told_as_aws_tells_it(function: Make, source: str, kind: str) -> None:
    made = function(source)
    for done in (made(), made()):
        assert done.status == "error"
        assert done.error is not None
        assert done.error["errorType"] == kind


def test_a_sandbox_is_used_again_and_replaced_after_a_crash(function: Make) -> None:
    made = function(
        """
        import os
        def handler(event, context):
            if event == "die": os._exit(3)
            if event == "fail": raise ValueError(event)
            return os.getpid()
        """
    )
    first = made.answer()
    assert made("fail").status == "error"
    assert made.answer() == first
    died = made("die")
    assert died.error == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {died.request_id} Error: Runtime exited with error: exit status 3",
    }
    assert made.answer() != first


# ---- the deadline


def test_a_timed_out_handler_and_what_it_started_are_killed(function: Make, tmp_path: Path) -> None:
    made = function(
        """
        import os, subprocess, time
        def handler(event, context):
            child = subprocess.Popen(["sleep", "600"])
            with open(event, "w") as pids: pids.write(f"{os.getpid()} {child.pid}")
            time.sleep(600)
        """,
        timeout=1,
    )
    done = made(str(tmp_path / "pids"))
    assert done.status == "timeout"
    assert done.error == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {done.request_id} Error: Task timed out after 1.00 seconds",
    }
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(gone(pid) for pid in pids)
    assert not list((made.host.logs.parent / "sandboxes").iterdir()), "its scratch folder is left"


# ---- crashes on request


def test_a_crash_before_the_work_leaves_it_undone(function: Make, tmp_path: Path) -> None:
    made = function("def handler(event, context): open(event, 'w').close()")
    done = made(str(tmp_path / "mark"), crash="before")
    assert done.status == "error"
    assert done.error is not None
    assert done.error["errorType"] == "Runtime.ExitError"
    assert not (tmp_path / "mark").exists()


def test_a_crash_after_the_work_loses_only_its_answer(function: Make, tmp_path: Path) -> None:
    made = function(
        """
        import os
        def handler(event, context):
            with open(event, "a") as mark: mark.write(f"{os.getpid()} ")
        """
    )
    done = made(str(tmp_path / "mark"), crash="after")
    assert done.status == "error"
    assert made(str(tmp_path / "mark")).ok
    first, second = (tmp_path / "mark").read_text().split()
    assert first != second
    assert gone(int(first))


# ---- whose credentials


def test_a_handler_acts_under_its_functions_own_role(emulator: Emulator, function: Make) -> None:
    mine, other = make_table(emulator), make_table(emulator)
    arn = emulator.client("dynamodb").describe_table(TableName=mine)["Table"]["TableArn"]
    made = function(
        """
        import boto3
        def handler(table, context):
            boto3.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "a"}})
            return boto3.client("sts").get_caller_identity()["Arn"]
        """,
        allow(["dynamodb:PutItem"], [arn]),
        timeout=20,
    )
    name = made.spec.role_arn.rsplit("/", 1)[-1]
    assert made.answer(mine) == f"arn:aws:sts::{emulator.account}:assumed-role/{name}/{name}"
    denied = made(other)
    assert denied.error is not None
    assert "AccessDeniedException" in denied.error["errorMessage"]


def test_credentials_are_for_the_holder_of_a_living_sandboxs_token(function: Make) -> None:
    made = function(
        """
        import os
        def handler(event, context):
            if event == "die": os._exit(1)
            names = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
            return [os.environ[name] for name in names]
        """
    )
    url, token = made.answer()

    def ask(**headers: str) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection(url.split("/")[2])
        connection.request("GET", "/credentials", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body) if answer.status == 200 else {}

    status, held = ask(Authorization=token)
    assert status == 200
    assert set(held) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert datetime.fromisoformat(held["Expiration"]) > datetime.now(UTC)
    assert ask()[0] == 403
    assert ask(Authorization="guessed")[0] == 403
    assert ask(Authorization=token, Origin="http://evil.example")[0] == 403
    assert ask(Authorization=token, Host="evil.example")[0] == 403
    made("die")
    assert ask(Authorization=token)[0] == 403


def test_credentials_are_renewed_before_they_end(emulator: Emulator) -> None:
    now = datetime.now(UTC)
    held = Credentials(emulator, now=lambda: now)
    role = make_role(emulator)
    first = held.of(role)
    assert held.of(role) is first
    now = first.expires - timedelta(minutes=19)
    assert held.of(role).token != first.token


def test_a_role_that_does_not_exist_is_an_error(emulator: Emulator) -> None:
    with pytest.raises(ClientError, match=r"cannot be found|NoSuchEntity|AccessDenied"):
        Credentials(emulator).of(f"arn:aws:iam::{emulator.account}:role/nobody")


# ---- what is in a sandbox, and what is not


def test_nothing_of_the_host_environment_is_in_a_sandbox(
    function: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id=USERS\naws_secret_access_key=x\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "users")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "USERS")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    made = function(
        """
        import os, boto3
        def handler(event, context):
            return {"environment": dict(os.environ), "key": boto3.Session().get_credentials().access_key}
        """,
        environment={"OWN": "1", "MINISTACK_LAMBDA_PROXY_URL": "http://127.0.0.1:1/"},
        timeout=20,
    )
    answer = made.answer()
    assert answer["key"].startswith("ASIA")
    environment = answer["environment"]
    assert environment["OWN"] == "1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == made.spec.name
    assert environment["LAMBDA_TASK_ROOT"] == str(made.spec.task_dir)
    expected = {
        "OWN",
        "PATH",
        "LANG",
        "TZ",
        "HOME",
        "TMPDIR",
        "LC_CTYPE",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
    assert {name for name in environment if not name.startswith("AWS_")} <= expected
    assert not {"AWS_PROFILE", "AWS_ACCESS_KEY_ID"} & set(environment)
    assert environment["HOME"] != str(tmp_path)


def test_only_what_lambda_supplies_can_be_imported(function: Make, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    for name, where in (("in_layer", "layer"), ("in_both", "layer"), ("boto3", "")):
        if where:
            (layer / "python").mkdir(parents=True, exist_ok=True)
            (layer / "python" / f"{name}.py").write_text(f"WHERE = {where!r}")
    made = function(
        """
        import importlib
        def handler(names, context):
            found = {}
            for name in names:
                try: module = importlib.import_module(name)
                except ImportError: found[name] = None
                else: found[name] = getattr(module, "WHERE", "supplied")
            return found
        """,
        layer_dirs=[layer],
        timeout=20,
    )
    (made.spec.task_dir / "in_both.py").write_text("WHERE = 'task'")
    environment = ["ministack", "typer", "rich", "pulumi", "pytest", "pydantic", "h11", "local", "foldstack", "yaml"]
    for name in environment:
        if name != "foldstack":
            importlib_finds(name)
    supplied = ["boto3", "botocore", "awslambdaric", "urllib3", "dateutil", "simplejson"]
    answer = made.answer([*environment, *supplied, "in_layer", "in_both"])
    assert {name: answer[name] for name in environment} == dict.fromkeys(environment)
    assert {name: answer[name] for name in supplied} == dict.fromkeys(supplied, "supplied")
    assert (answer["in_layer"], answer["in_both"]) == ("layer", "task")


def importlib_finds(name: str) -> None:
    """The test would prove nothing of a module that this environment does not have either."""
    import importlib.util

    assert importlib.util.find_spec(name) is not None, name


def test_what_is_supplied_is_a_closed_list(tmp_path: Path) -> None:
    folder = link_supplied(tmp_path / "supplied")
    names = {path.name.split("-")[0].split(".")[0] for path in folder.iterdir()}
    assert names == {
        "awslambdaric",
        "boto3",
        "botocore",
        "dateutil",
        "jmespath",
        "python_dateutil",
        "runtime_client",
        "s3transfer",
        "simplejson",
        "six",
        "snapshot_restore_py",
        "urllib3",
    }


def test_byte_code_is_kept_for_the_next_sandbox(function: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    made = function(ECHO)
    assert made.answer(1) == 1
    assert list((made.spec.task_dir / "__pycache__").glob("app.*.pyc"))


def test_an_environment_that_aws_refuses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sets AWS_REGION, which AWS Lambda reserves"):
        FunctionSpec("f", "arn", "app.handler", tmp_path, [], {"AWS_REGION": "eu-west-1"}, "role")


# ---- limits


def test_six_megabytes_each_way(function: Make) -> None:
    made = function("def handler(event, context): return 'x' * event if isinstance(event, int) else len(event)")
    limit = 6 * 1024 * 1024
    assert made.answer("x" * (limit - 2)) == limit - 2
    refused = made("x" * (limit - 1))
    assert refused.status == "too-large"
    assert refused.error is not None
    assert refused.error["errorType"] == "RequestEntityTooLargeException"
    assert len(made.answer(limit)) == limit
    too_much = made(limit + 100)
    assert too_much.status == "error"
    assert too_much.error is not None
    assert too_much.error["errorType"] == "Function.ResponseSizeTooLarge"
    assert made.answer(1) == "x"


BLOCKING = """
    import os
    def handler(event, context):
        with open(event["begun"], "w") as begun: begun.write(str(os.getpid()))
        with open(event["go"]) as go: go.read()
        return os.getpid()
"""


class Gate:
    """A handler of BLOCKING says that it has begun, and waits to be let go."""

    def __init__(self, folder: Path, name: str) -> None:
        self.event = {"begun": str(folder / f"{name}-begun"), "go": str(folder / f"{name}-go")}
        for path in self.event.values():
            os.mkfifo(path)

    def begun(self) -> int:
        return int(Path(self.event["begun"]).read_text())

    def go(self) -> None:
        Path(self.event["go"]).write_text("")


def test_reserved_concurrency_throttles(function: Make, tmp_path: Path) -> None:
    made = function(BLOCKING, reserved=1, timeout=60)
    gate = Gate(tmp_path, "one")
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(made, gate.event)
        gate.begun()
        throttled = made(gate.event)
        assert throttled.status == "throttled"
        assert throttled.error == {"errorType": "TooManyRequestsException", "errorMessage": "Rate Exceeded."}
        gate.go()
        assert running.result().ok
    assert function(ECHO, reserved=0)().status == "throttled"


def test_calls_beyond_the_sandboxes_wait_for_one(
    emulator: Emulator, credentials: Credentials, tmp_path: Path, function: Make
) -> None:
    spec = function(BLOCKING, timeout=60).spec
    gates = [Gate(tmp_path, str(i)) for i in range(5)]
    with (
        FunctionHost(tmp_path / "two", endpoint_url=emulator.url, credentials=credentials.of, max_sandboxes=2) as host,
        ThreadPoolExecutor(5) as threads,
    ):
        host.register(spec)
        calls = [threads.submit(host.invoke, spec.name, json.dumps(gate.event).encode()) for gate in gates]
        opened = [threading.Thread(target=lambda g=gate: (g.begun(), g.go())) for gate in gates]
        for thread in opened:
            thread.start()
        answers = [call.result() for call in calls]
        for thread in opened:
            thread.join()
        assert all(answer.ok for answer in answers)
        assert len({answer.payload for answer in answers}) <= 2


# ---- registration and the end


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


# ---- logs


def test_each_function_has_a_private_log_with_lambdas_lines(function: Make) -> None:
    made = function(
        """
        import logging
        def handler(event, context):
            print("printed")
            logging.getLogger().warning("logged")
            if event: raise ValueError("bad event")
        """
    )
    done = made()
    path = made.host.logs / f"{made.spec.name}.log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    lines = made.log.splitlines()
    assert lines[0] == f"START RequestId: {done.request_id} Version: $LATEST"
    assert lines[1] == "printed"
    assert lines[2].startswith("[WARNING]")
    assert lines[2].endswith(f"{done.request_id}\tlogged")
    assert lines[3] == f"END RequestId: {done.request_id}"
    report = dict(part.split(": ", 1) for part in lines[4].split("\t"))
    assert report["REPORT RequestId"] == done.request_id
    assert {"Duration", "Billed Duration", "Memory Size", "Init Duration"} <= set(report)
    made("bad")
    assert "[ERROR] ValueError: bad event\nTraceback (most recent call last):\n" in made.log
    second = made.log.splitlines()[-1]
    assert "Init Duration" not in second
    assert "Error Type: ValueError" in second


# ---- the emulator's way in


def test_the_emulators_invoke_reaches_the_same_sandboxes(emulator: Emulator, function: Make) -> None:
    made = function("import os\ndef handler(event, context): return [event, os.getpid()]")
    _, pid = made.answer()
    lambdas = emulator.client("lambda")
    lambdas.create_function(
        FunctionName=made.spec.name,
        Runtime="python3.13",
        Role=made.spec.role_arn,
        Handler=made.spec.handler,
        Code={"ZipFile": EMPTY_ZIP},
        Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": f"{made.host.url}/fn/{made.spec.name}"}},
    )
    answer = lambdas.invoke(FunctionName=made.spec.name, Payload=b'{"a": 1}')
    assert json.loads(answer["Payload"].read()) == [{"a": 1}, pid]


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


@pytest.mark.parametrize(
    ("path", "status"), [("/fn/unknown", 404), ("/other", 404), ("/fn/", 404), ("/credentials", 403)]
)
def test_other_paths_of_the_host_are_closed(host: FunctionHost, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(host.url.rpartition(":")[2]))
    connection.request("POST", path, b"{}")
    assert connection.getresponse().status == status
    connection.close()


def test_an_error_of_the_function_is_an_error_on_the_way_in(function: Make) -> None:
    made = function("def handler(event, context): raise KeyError(event)")
    connection = http.client.HTTPConnection("127.0.0.1", int(made.host.url.rpartition(":")[2]))
    connection.request("POST", f"/fn/{made.spec.name}", b'"x"')
    answer = connection.getresponse()
    body: dict[str, Any] = json.loads(answer.read())
    connection.close()
    assert (answer.status, body["errorType"]) == (502, "KeyError")
