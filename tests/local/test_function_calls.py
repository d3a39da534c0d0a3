"""What a call of a function answers, however it ends."""

import json
from pathlib import Path

import pytest

from .handlers import Make, gone


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


def test_a_crash_amid_the_work_leaves_a_part_of_it(function: Make, tmp_path: Path) -> None:
    made = function(
        """
        import time
        def handler(event, context):
            open(event, "w").close()
            time.sleep(60)
            open(event + "-done", "w").close()
        """
    )
    assert made.spec.timeout > 1
    for n in range(20):  # it may strike before the first part is done
        done = made(str(tmp_path / f"mark{n}"), crash="amid")
        assert done.status == "error"
        assert done.error is not None
        assert done.error["errorType"] == "Runtime.ExitError"
        if (tmp_path / f"mark{n}").exists():
            break
    assert (tmp_path / f"mark{n}").exists()
    assert not list(tmp_path.glob("*-done"))
