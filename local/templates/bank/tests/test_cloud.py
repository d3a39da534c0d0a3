"""The whole of it, on a cloud of its own on this machine."""

from pathlib import Path

import pytest
from foldstack.local.cloud import LaptopCloud
from foldstack.local.demo_calls import Calls
from foldstack.local.operations.connection import Connection
from rich.console import Console

from bank import demo

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with LaptopCloud(ROOT, "local", tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.up()
        yield cloud


def test_the_demo(cloud):
    calls = Calls(cloud.outputs["apiUrl"], Console(quiet=True), Connection(ROOT, None, cloud.home).tokens)
    try:
        demo.run(calls.call, cloud.wait_idle)
    finally:
        calls.close()
