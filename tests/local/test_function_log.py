"""What a function's log holds, and who may read it."""

import stat

from .handlers import Make


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
