"""What it costs to load each function from its bundle, against a bare DynamoDB client loaded the same way.

An isolated interpreter of its own for every load, without the checkout, the environment's packages or a `__pycache__`
to write to: a bundle in Lambda is mounted read-only. `plain` is the bundle as it is by default, without byte code;
`compiled` is the one that a stack with `precompile` uploads. Time is processor time, from the first import on.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .measure import Table, take_turns
from .unpacked import Unpacked, supply, unpack

GOAL = 1.5
BARE = "boto3"
FUNCTIONS = ("http", "commands", "relay", "projector", "effects")
_CHILD = Path(__file__).with_name("bundle_import.py")
_VARIABLES = {
    "PATH": os.defpath,
    "AWS_LAMBDA_FUNCTION_NAME": "measured",  # as Lambda sets it: a handler may prepare for a cold start
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "FOLDSTACK_DOMAIN": "shop:service",
    "FOLDSTACK_SERVICE": "shop",
    "FOLDSTACK_COMMIT_TABLE": "commits",
    "FOLDSTACK_ID_TABLE": "ids",
    "FOLDSTACK_BODIES_BUCKET": "bodies",
    "FOLDSTACK_VIEW_TABLES": '{"products": "products", "purchases": "purchases"}',
    "FOLDSTACK_ROAD": "arn:aws:events:us-east-1:000000000000:event-bus/bus",
    "FOLDSTACK_PARKED_QUEUE": "http://127.0.0.1:9/parked",
    "FOLDSTACK_ANONYMOUS": "true",
    "PAYMENT_PROVIDER_URL": "http://127.0.0.1:9",
    "POWERTOOLS_SERVICE_NAME": "shop",
}
_FOR_TENANTS = {"FOLDSTACK_TENANT_ROLE": "arn:aws:iam::000000000000:role/tenants"}
_SERVING_TENANTS = tuple(f"foldstack.handlers.{name}" for name in ("http", "commands", "effects"))


def imports(rounds: int = 15, functions: tuple[str, ...] = FUNCTIONS) -> tuple[Table, Table]:
    """A row for each function; and where the time of the router's load goes."""
    with tempfile.TemporaryDirectory(prefix="foldstack-benchmark-") as folder:
        home = Path(folder)
        supplied = supply(home)
        plain = unpack(home / "plain", supplied, precompile=False)
        compiled = unpack(home / "compiled", supplied, precompile=True)
        sides: dict[str, Callable[[], float]] = {BARE: lambda: _load(BARE, compiled)["ms"]}
        for name in functions:
            sides[f"{name} plain"] = lambda name=name: _load(_module(name), plain)["ms"]
            sides[f"{name} compiled"] = lambda name=name: _load(_module(name), compiled)["ms"]
        taken = take_turns(sides, rounds)
        counts = {name: _load(_module(name), compiled)["modules"] for name in functions}
        bare = _load(BARE, compiled)["modules"]
        offenders = _offenders(compiled, min(rounds, 7))
    rows = [_row(name, taken, counts[name]) for name in functions]
    rows.append({"function": BARE, "modules": bare, "compiled_ms": _median(taken[BARE])})
    return (
        Table(
            f"Loading a function from its bundle; the goal is at most {GOAL}x a bare boto3 client",
            rows,
            notes=("milliseconds of processor time, medians; ratios are medians of the rounds' ratios",),
        ),
        offenders,
    )


def _row(name: str, taken: dict[str, list[float]], modules: float) -> dict[str, object]:
    row: dict[str, object] = {"function": name, "modules": modules}
    for kind in ("plain", "compiled"):
        values = taken[f"{name} {kind}"]
        ratio = statistics.median(ours / bare for ours, bare in zip(values, taken[BARE], strict=True))
        row |= {f"{kind}_ms": _median(values), f"{kind}_ratio": round(ratio, 2), f"{kind}_met": ratio <= GOAL}
    return row


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 1)


def _module(function: str) -> str:
    return f"foldstack.handlers.{function}"


def _load(module: str, unpacked: Unpacked) -> dict[str, float]:
    return json.loads(_run([], module, unpacked).stdout)


def _offenders(unpacked: Unpacked, runs: int) -> Table:
    """By `-X importtime`, the least of some runs for each module: the router's own time a package beyond what a
    bare client takes for it."""
    ours, bare = _self_times(_module("http"), unpacked, runs), _self_times(BARE, unpacked, runs)
    ours.pop(_module("http"))
    beyond = {name: time for name, time in ours.items() if name not in bare}
    time_of: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for name, time in beyond.items():
        package = name.partition(".")[0]
        time_of[package] += time
        modules[package] += 1
    rows = [
        {"package": package, "modules": modules[package], "ms": round(time / 1000, 1)}
        for package, time in time_of.most_common(12)
    ]
    return Table(
        "Where the router's load goes beyond what a bare client loads (compiled, -X importtime)",
        rows,
        notes=(
            "without the entry point's own module, which makes the DynamoDB client as the bare one does; a pass of the "
            "garbage collector counts where it happens",
        ),
    )


def _self_times(module: str, unpacked: Unpacked, runs: int) -> dict[str, int]:
    least: dict[str, int] = {}
    for _ in range(runs):
        for line in _run(["-X", "importtime"], module, unpacked).stderr.splitlines():
            time, _, name = line.removeprefix("import time:").partition("|")
            if time.strip().isdigit():
                name = name.rpartition("|")[2].strip()
                least[name] = min(int(time), least.get(name, int(time)))
    return least


def _run(options: list[str], module: str, unpacked: Unpacked) -> subprocess.CompletedProcess[str]:
    # -I ignores PYTHON* variables and the user's packages, -S the environment's, -B writes no byte code.
    command = [sys.executable, "-I", "-S", "-B", *options, str(_CHILD), module, *unpacked.path]
    variables = {**_VARIABLES, **(_FOR_TENANTS if module in _SERVING_TENANTS else {})}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"loading {module} from its bundle failed:\n{done.stderr}")
    return done
