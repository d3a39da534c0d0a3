"""The cache under parallel processes, failing builds and the passing of time."""

import os
import subprocess
import sys
import time

import pytest

from components.build_cache import KEPT_SECONDS, cached, key
from tests.package.support import ROOT

RACER = """
import importlib, sys, types
from pathlib import Path

stub = sys.modules["components"] = types.ModuleType("components")
stub.__path__ = [sys.argv[1]]
cached = importlib.import_module("components.build_cache").cached

def build(staging):
    with open(sys.argv[2], "a") as log:
        log.write("built\\n")
    (staging / "made").write_bytes(b"x" * 2**22)
    return staging / "made"

print("ready", flush=True)
sys.stdin.readline()
print(len(cached("raced.zip", build).read_bytes()), flush=True)
"""


def made(content: bytes):
    def build(staging):
        (staging / "made").write_bytes(content)
        return staging / "made"

    return build


def test_racing_processes_build_once_and_all_see_the_whole_file(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", RACER, str(ROOT / "components"), str(log)]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 4
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert [racer.communicate()[0] for racer in racers] == [f"{2**22}\n"] * 4
    assert log.read_text() == "built\n"


def test_a_failed_build_leaves_nothing(tmp_path):
    def broken(staging):
        (staging / "made").write_bytes(b"half")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        cached("broken.zip", broken)
    assert cached("broken.zip", made(b"whole")).read_bytes() == b"whole"
    assert not list((tmp_path / "cache").rglob("building-*"))


def test_only_what_nobody_asks_for_is_dropped():
    unused, used = cached("unused.zip", made(b"1")), cached("used.zip", made(b"2"))
    long_ago = time.time() - KEPT_SECONDS - 60
    for path in (unused, used):
        os.utime(path, (long_ago, long_ago))
    cached("used.zip", made(b"never called"))
    cached("another.zip", made(b"3"))
    assert not unused.exists()
    assert used.read_bytes() == b"2"


def test_the_cache_is_private():
    assert cached("a.zip", made(b"1")).parent.stat().st_mode & 0o077 == 0


def test_keys_tell_where_a_part_ends():
    assert key(b"ab", b"c") != key(b"a", b"bc")
    assert key(b"ab", b"c") == key(b"ab", b"c")
