"""What a demo left: events in the store, views, and what each command cost by the functions' own logs."""

import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer
from rich.console import Console
from rich.markup import escape

from .display import show_table

_LAST = 12
_ROWS = 3
_COST = "command cost"


def show_events(console: Console, dynamodb: Any, table: str) -> None:
    """How many events of each type there are, and the last commits."""
    commits = list(_items(dynamodb, table))
    types = Counter(name for commit in commits for name in commit["t"])
    streams = {commit["p"] for commit in commits}
    title = f"events in {table}: {sum(types.values())} in {len(commits)} commits of {len(streams)} streams"
    show_table(console, title, ("event", "how many"), [(n, str(c)) for n, c in types.most_common()])
    last = sorted(commits, key=lambda commit: commit["d"])[-_LAST:]
    rows = [(commit["d"], commit["p"], str(commit["s"]), ", ".join(commit["t"])) for commit in last]
    show_table(console, "the last commits", ("time", "stream", "version", "events"), rows)


def show_views(console: Console, dynamodb: Any, views: Mapping[str, str]) -> None:
    """Some rows of each view."""
    for view, table in views.items():
        items = list(_items(dynamodb, table))
        rows = [(json.dumps(item, ensure_ascii=False, default=_plain),) for item in items[:_ROWS]]
        show_table(console, f"view {view} in {table}: {len(items)} items", ("some of them",), rows, cut=True)


def show_costs(console: Console, logs: Path) -> None:
    """Requests, capacity units as DynamoDB reports them, and time, by route."""
    by_route: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for cost in costs(logs):
        by_route[cost["route"]].append(cost)
    rows = []
    for route, all_costs in sorted(by_route.items()):
        means = [
            f"{statistics.fmean(c[key] for c in all_costs):.{places}f}"
            for key, places in (("requests", 2), ("read_units", 2), ("write_units", 2))
        ]
        median = statistics.median(c["milliseconds"] for c in all_costs)
        rows.append((route, str(len(all_costs)), *means, f"{median:.1f}"))
    columns = ("route", "calls", "requests", "read units", "write units", "median ms")
    show_table(console, "what a command costs in DynamoDB (means over the calls)", columns, rows)


def show_failures(console: Console, logs: Path) -> None:
    """The last failed call of each function, as its log has it."""
    for file in sorted(logs.glob("*.log")):
        failed = [call for call in _calls(file) if re.search(r"Status: (error|timeout)|\bERROR\b", call)]
        if failed:
            console.print(f"\n[bold]{escape(file.stem)}[/bold] failed, at last so:")
            console.print(escape(failed[-1].rstrip()), soft_wrap=True)


def costs(logs: Path) -> Iterator[dict[str, Any]]:
    """The cost lines in the logs of all functions."""
    for file in sorted(logs.glob("*.log")):
        for line in file.read_text(errors="replace").splitlines():
            if _COST in line and line.startswith("{"):
                content = json.loads(line)
                if content.get("message") == _COST:
                    yield content


def _calls(file: Path) -> list[str]:
    """A log cut into its calls; what other calls wrote meanwhile may be among it."""
    return re.split(r"^(?=START RequestId)", file.read_text(errors="replace"), flags=re.MULTILINE)


def _items(dynamodb: Any, table: str) -> Iterable[dict[str, Any]]:
    read = TypeDeserializer().deserialize
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            yield {key: read(value) for key, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return f"{len(value.value)} bytes" if isinstance(value, Binary) else str(value)
