"""A hundred times the records: the cost of one stays as it is, and so does memory. `python -m benchmarks.lake_growth N`
writes N records and prints it as JSON; each size has a process of its own, so that none inherits the other's peak."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .measure import Table

SIZES = (10_000, 100_000, 1_000_000)
A_BATCH = 5_000


def growth(most: int = SIZES[-1]) -> Table:
    sizes = sorted({min(size, most) for size in SIZES})
    rows = [_in_a_process(size) for size in sizes]
    for row in rows:
        row["cost_by_first"] = row["us_a_record"] / rows[0]["us_a_record"]
        row["peak_by_first"] = row["peak_mb"] / rows[0]["peak_mb"]
    notes = (f"batches of {A_BATCH}; what is put is counted and dropped",)
    return Table("Lake: cost of a record, and memory, as the records become more", rows, notes)


def _in_a_process(records: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.lake_growth", str(records)]
    root = Path(__file__).resolve().parents[1]
    return json.loads(subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main(records: int) -> None:
    from foldstack.lake.writer import LakeWriter

    from shop import service

    from .lake_records import TABLES, batches

    stored: list[int] = []
    writer = LakeWriter(lambda key, content: stored.append(len(content)), service, TABLES, _refuse)
    for batch in batches(A_BATCH, A_BATCH):
        writer.write(batch)  # what is only done once is no cost of a record
    stored.clear()
    seconds = 0.0
    for batch in batches(records, A_BATCH):
        began = time.process_time()
        writer.write(batch)
        seconds += time.process_time() - began
    row = {
        "records": records,
        "us_a_record": seconds / records * 1e6,
        "peak_mb": _peak_mb(),
        "bytes_a_record": sum(stored) / records,
        "puts": len(stored),
    }
    print(json.dumps(row))


def _peak_mb() -> float:
    """Of this program alone: what getrusage says on Linux, a process has from who started it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def _refuse(kind: str, reason: str, **pointer: Any) -> None:
    raise AssertionError(reason)


if __name__ == "__main__":
    main(int(sys.argv[1]))
