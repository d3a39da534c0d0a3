"""Each suite runs as its users run it, at its smallest. Nothing is asserted of time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPARED = {"question", "unit", "rounds", "medians", "quartiles", "ours", "ratios", "peer", "ratio", "notes"}

MEASURED = {
    "function",
    "modules",
    *(f"{kind}_{what}" for kind in ("plain", "compiled") for what in ("ms", "ratio", "met")),
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def documents(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--json", "--rounds", "1")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.emulator
def test_commands():
    found = documents("commands", "--size", "2")
    assert list(found) == [
        "machine",
        "capacity",
        "throughput_cold",
        "throughput_warm",
        "handler_cold",
        "handler_warm",
    ]
    for name in ("throughput_cold", "handler_cold", "throughput_warm"):
        assert found[name].keys() == COMPARED | {"goal", "met"}
        assert found[name]["medians"].keys() == {"foldstack", *found[name]["ratios"]}
    assert found["handler_warm"].keys() == COMPARED
    assert {"eventsourcing, pydantic", "eventsourcing, default"} <= found["throughput_cold"]["ratios"].keys()
    appends = {
        row["command"]: (row["reads"], row["read_units"], row["writes"], row["write_units"])
        for row in found["capacity"]["rows"]
    }
    assert appends["create"] == appends["warm"] == (0, 0, 1, 1)
    assert appends["cold"] == (1, 0.5, 1, 1)
    assert appends["refused, warm"] == (1, 1, 0, 0)
    assert appends["refused, cold"] == (2, 1.5, 0, 0)
    assert appends["purchase, cold: 4 commits"][2:] == (4, 4)
    for row in found["capacity"]["rows"]:
        assert row["by_size"] == row["write_units"]
        assert row["whole_dollars"] >= row["append_dollars"]
    assert all(row["road_write_units"] for row in found["capacity"]["rows"] if row["writes"])


@pytest.mark.emulator
@pytest.mark.long
def test_rebuild():
    found = documents("rebuild", "--size", "4000")
    assert list(found) == ["machine", "rebuild_speed", "rebuild_processor", "rebuild_under_load", "rebuild_memory"]
    assert found["rebuild_speed"].keys() == COMPARED | {"goal", "met"}
    (loaded,) = found["rebuild_under_load"]["rows"]
    assert (loaded["rows"], loaded["differing"]) == (200, 0)
    assert [row["events"] for row in found["rebuild_memory"]["rows"]] == [1000, 2000, 4000]


@pytest.mark.emulator
def test_tenancy():
    found = documents("tenancy", "--size", "2")
    measured = [f"tenancy_{state}_{what}" for state in ("warm", "cold") for what in ("processor", "elapsed")]
    assert list(found) == ["machine", "tenancy_requests", *measured]
    for name in measured:
        assert found[name].keys() == COMPARED
        assert found[name]["medians"].keys() == {"a session a tenant", "the function's own role"}
    requests = [tuple(row[each] for each in ("sts", "reads", "writes")) for row in found["tenancy_requests"]["rows"]]
    assert requests == [(0, 0, 1), (0, 0, 1), (1, 1, 1), (0, 1, 1)]


@pytest.mark.emulator
@pytest.mark.parametrize("store", ["dynamodb", "data_api", "psycopg"])
def test_consumers(store: str):
    found = documents("consumers", "--only", store, "--size", "20")
    assert list(found) == ["machine", f"consumers_{store}", f"consumers_{store}_counts"]
    rates = found[f"consumers_{store}"]["rows"]
    assert {row["road"] for row in rates} == {"eventbridge", "sns", "kinesis"}
    assert all(row["ours_per_s"] and row["plain_per_s"] and row["ratio"] and row["ours_cpu_us"] for row in rates)
    counts = {
        (row["batch"], row["of_one_stream"], row["side"]): row
        for row in found[f"consumers_{store}_counts"]["rows"]
        if row["road"] == "eventbridge"
    }
    assert {key: row["requests"] for key, row in counts.items()} == {
        **{(batch, together, "plain"): 1 for batch, together in ((1, 1), (10, 1), (10, 10))},
        (1, 1, "ours"): 2,
        (10, 1, "ours"): 0.2,
        (10, 10, "ours"): 0.2,
    }
    if store == "dynamodb":
        assert (counts[10, 1, "ours"]["read_units"], counts[10, 1, "ours"]["write_units"]) == (1, 1)
        assert (counts[10, 10, "ours"]["read_units"], counts[10, 10, "ours"]["write_units"]) == (0.1, 0.1)
    else:
        assert counts[10, 1, "ours"]["transactions"] == 0.2
        assert counts[10, 10, "ours"]["wal_bytes"] < counts[10, 10, "plain"]["wal_bytes"]


@pytest.mark.emulator
@pytest.mark.parametrize(
    "road", ["eventbridge", *(pytest.param(road, marks=pytest.mark.long) for road in ("sns", "sns-fifo", "kinesis"))]
)
def test_latency(road: str):
    name = f"latency_{road.replace('-', '_')}"
    found = documents("latency", "--only", road, "--size", "2")
    assert list(found) == ["machine", name, f"{name}_parts"]
    assert [row["views"] for row in found[name]["rows"]] == ["dynamodb", "postgres"]
    for row in found[name]["rows"]:
        assert 0 < row["bare_p50"] <= row["bare_p99"]
        assert 0 < row["seen_p50"] <= row["seen_p99"]
        assert row["with_token_p50"] > 0
        assert row["gets"] >= 1
        assert row["relay_calls"] > 0
        assert row["projector_calls"] > 0
    stations = [row["part"] for row in found[f"{name}_parts"]["rows"] if row["views"] == "postgres"]
    assert stations == [
        "answer to relay",
        "relay",
        "road",
        "projector to client",
        "of it the projector",
        "of it the GET",
    ]


def test_imports():
    found = documents("coldstart", "--only", "imports")
    assert list(found) == ["machine", "imports", "import_offenders"]
    rows = {row["function"]: row for row in found["imports"]["rows"]}
    assert list(rows) == ["http", "commands", "relay", "projector", "effects", "boto3"]
    for name, row in rows.items():
        if name != "boto3":
            assert {
                "plain_ms",
                "plain_ratio",
                "plain_met",
                "compiled_ms",
                "compiled_ratio",
                "compiled_met",
            } < row.keys()
            assert row["modules"] > rows["boto3"]["modules"]
    packages = {row["package"] for row in found["import_offenders"]["rows"]}
    assert {"foldstack", "pydantic"} <= packages
    assert not {"botocore", "boto3"} & packages, "what a bare client loads as well is no offence"


def test_program():
    found = documents("coldstart", "--only", "program")
    assert list(found) == ["machine", "program_first", "program_deploy"]
    assert all(found[name].keys() == COMPARED for name in ("program_first", "program_deploy"))


@pytest.mark.emulator
@pytest.mark.long
def test_local_up():
    found = documents("coldstart", "--only", "local_up")
    assert list(found) == ["machine", "local_up"]
    assert found["local_up"].keys() == COMPARED


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["commands", "--only", "imports"], "commands has no imports; it has capacity, throughput, handler"),
        (["commands", "--rounds", "0"], "a whole number from 1 on, not '0'"),
        (["startup"], "invalid choice: 'startup'"),
    ],
)
def test_what_cannot_be_asked_is_told(arguments: list[str], told: str):
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_lake():
    found = documents("lake", "--size", "300")
    names = ["lake_peer", "lake_limit", "lake_size", "lake_compression", "lake_queries", "lake_growth"]
    assert list(found) == ["machine", *names]
    for name in ("lake_peer", "lake_limit", "lake_queries"):
        assert found[name].keys() == COMPARED | {"goal", "met"}
    sizes = {row["side"]: row for row in found["lake_size"]["rows"]}
    assert sizes["a file a record"]["puts_a_thousand"] == 1000
    assert sizes["foldstack, both tables"]["puts_a_thousand"] == pytest.approx(2 / 300 * 1000)
    assert sizes["foldstack, both tables"]["bytes_a_record"] * 10 < sizes["a file a record"]["bytes_a_record"]
    assert [row["codec"] for row in found["lake_compression"]["rows"]] == ["snappy", "zstd 1", "zstd 3", "zstd 9"]
    assert [row["records"] for row in found["lake_growth"]["rows"]] == [300]
