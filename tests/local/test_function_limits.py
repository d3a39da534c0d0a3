"""How much a call may carry, and how many may run at once."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.credentials import Credentials
from local.emulator import Emulator
from local.function_host import FunctionHost

from .handlers import BLOCKING, ECHO, Gate, Make


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
