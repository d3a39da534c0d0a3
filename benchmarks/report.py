"""Results for people (tables) and for programs (one JSON document)."""

import json
import os
import platform
import sys
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from .measure import Comparison, Table

Result = Comparison | Table
Results = dict[str, Result]


def as_json(results: Results) -> str:
    """`{"machine": {...}, "<name>": <result>, ...}`."""
    return json.dumps({"machine": machine(), **{name: result.to_dict() for name, result in results.items()}}, indent=2)


def show(results: Results) -> None:
    console = Console()
    console.print("[dim]" + ", ".join(f"{name} {value}" for name, value in machine().items()) + "[/dim]")
    for result in results.values():
        console.print()
        console.print(_comparison(result) if isinstance(result, Comparison) else _rows(result))
        for note in result.notes:
            console.print(f"  [dim]{note}[/dim]", highlight=False)


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "executable": os.path.basename(sys.executable),
    }


def _comparison(result: Comparison) -> RichTable:
    table = RichTable(title=result.question, title_justify="left", caption=_verdict(result), caption_justify="left")
    table.add_column("")
    for heading in (f"median {result.unit}", "quartiles", "ours stands at"):
        table.add_column(heading, justify="right")
    for side, median in result.medians.items():
        low, high = result.spread[side]
        ratio = f"{result.ratios[side]:.2f}x" if side in result.ratios else ""
        table.add_row(side, _number(median), f"{_number(low)} to {_number(high)}", ratio)
    return table


def _verdict(result: Comparison) -> str:
    reached = f"{result.ratios[result.judged_by]:.2f}x against {result.judged_by}"
    if result.goal is None:
        return reached
    sign = "at least" if result.goal.at_least else "at most"
    word = "met" if result.goal.met(result.ratios[result.judged_by]) else "missed"
    return f"{reached}; goal {sign} {result.goal.ratio}x: {word}"


def _rows(result: Table) -> RichTable:
    table = RichTable(title=result.question, title_justify="left")
    columns = list(dict.fromkeys(column for row in result.rows for column in row))
    for column in columns:
        table.add_column(column.replace("_", " "), justify="left" if column == columns[0] else "right")
    for row in result.rows:
        table.add_row(*(_cell(row.get(column, "")) for column in columns))
    return table


def _cell(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "met" if value else "missed"
    return value if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    if float(value).is_integer():
        return str(int(value))
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
