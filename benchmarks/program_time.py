"""How long the program takes without an engine, and `local up` with everything, each against what it can't avoid.

The program's first run is one of a process that has loaded nothing, against the import of the SDK's modules it uses; a
further deploy is one in a process that has run it before, against the registration of as many bare resources of the
same inputs. `local up` is against the start of its emulator alone. Time is the clock's: they wait for one another.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pulumi

from local.cloud import LaptopCloud
from local.emulator import Emulator
from local.program import deploy

from .measure import Comparison, compare
from .unpacked import ROOT

_TIMED = "import json, sys, time; began = time.perf_counter(); {}; print(json.dumps(time.perf_counter() - began))"
_FIRST = f"from local.program import deploy; deploy({str(ROOT)!r}, stack='local')"
_SDK = (
    "import pulumi, pulumi_aws as aws; aws.apigatewayv2.Api, aws.cloudwatch.LogGroup, aws.dynamodb.Table, "
    "aws.iam.Role, aws.lambda_.Function, aws.s3.Bucket, aws.scheduler.Schedule, aws.sqs.Queue"
)


def first(rounds: int = 5) -> Comparison:
    return compare(
        "The program under mocks, first run of a process; bare: the import of Pulumi's SDK",
        {"foldstack": lambda: _in_process(_FIRST), "import of the SDK": lambda: _in_process(_SDK)},
        unit="ms",
        rounds=rounds,
        faster=False,
    )


def deploys(rounds: int = 9) -> Comparison:
    graph = deploy(ROOT, stack="local")
    resources = [each for each in graph.resources if each.custom]
    return compare(
        f"The program under mocks, each further deploy; bare: the registration of its {len(resources)} resources",
        {
            "foldstack": lambda: _milliseconds(lambda: deploy(ROOT, stack="local")),
            "bare resources": lambda: _milliseconds(lambda: deploy(_bare(resources), stack="local")),
        },
        unit="ms",
        rounds=rounds,
        faster=False,
    )


def local_up(rounds: int = 3) -> Comparison:
    def cloud() -> float:
        with (
            tempfile.TemporaryDirectory(prefix="foldstack-benchmark-") as home,
            LaptopCloud(ROOT, stack="local", home=Path(home)) as laptop,
        ):
            return _milliseconds(lambda: laptop.up(config={"lake": False}))

    def emulator() -> float:
        with tempfile.TemporaryDirectory(prefix="foldstack-benchmark-") as home:
            alone = Emulator(Path(home) / "emulator")
            try:
                return _milliseconds(lambda: alone.start())
            finally:
                alone.stop()

    return compare(
        "local up: emulator, program, every resource, functions and sources; bare: the emulator's start",
        {"foldstack": cloud, "emulator": emulator},
        unit="ms",
        rounds=rounds,
        faster=False,
        notes=("bundles are in the build cache, functions are not yet called",),
    )


def _bare(resources: list) -> Callable[[], None]:
    def program() -> None:
        for each in resources:
            pulumi.CustomResource(each.type, each.name, _plain(each.inputs))

    return program


def _plain(inputs: dict) -> dict:
    """Without secrets and archives, which are wrapped."""
    return {name: value for name, value in inputs.items() if isinstance(value, str | int | bool | list | dict)}


def _milliseconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def _in_process(code: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{code} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) * 1000
