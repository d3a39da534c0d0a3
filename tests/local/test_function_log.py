"""What a function's log holds, and who may read it."""

import re
import stat
from concurrent.futures import ThreadPoolExecutor

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


def test_lines_of_two_sandboxes_do_not_run_together(function: Make) -> None:
    made = function(
        """
        import os, sys
        def handler(event, context):
            for n in range(3000):
                print("printed", n, "by", os.getpid())
            return os.getpid()
        """
    )
    with ThreadPoolExecutor(2) as both:
        pids = [done.payload.decode() for done in both.map(lambda _: made(), range(2))]
    printed = [line for line in made.log.splitlines() if "printed" in line]
    assert len(set(pids)) == 2
    assert len(printed) == 6000
    assert all(re.fullmatch(rf"printed \d+ by ({'|'.join(pids)})", line) for line in printed)


def test_what_is_flushed_is_written_whole_line_or_not(function: Make) -> None:
    made = function(
        """
        def handler(event, context):
            print("no end", end="", flush=True)
        """
    )
    made()
    assert "no endEND RequestId" in made.log
