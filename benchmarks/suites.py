"""What is asked in which suite, counts before seconds. The keys of the JSON document are the names here.

Each question loads what it needs when it is asked: Pulumi's SDK alone takes longer than some of the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .report import Results


@dataclass(frozen=True)
class Scale:
    """None leaves each question its own number."""

    rounds: int | None = None
    size: int | None = None

    def options(self, size: str | None = None) -> dict[str, Any]:
        given = {"rounds": self.rounds, size: self.size}
        return {name: value for name, value in given.items() if name is not None and value is not None}


Measure = Callable[[Scale], Results]


def _capacity(scale: Scale) -> Results:
    from . import capacity

    return {"capacity": capacity.units(**({"busy": scale.size} if scale.size else {}))}


def _handler(scale: Scale) -> Results:
    from . import handler_cpu

    return {f"handler_{name}": each for name, each in handler_cpu.compared(**scale.options("commands")).items()}


def _throughput(scale: Scale) -> Results:
    from . import throughput

    options = scale.options("commands")
    return {"throughput_cold": throughput.cold(**options), "throughput_warm": throughput.warm(**options)}


def _imports(scale: Scale) -> Results:
    from . import import_time

    loads, offenders = import_time.imports(**scale.options())
    return {"imports": loads, "import_offenders": offenders}


def _program(scale: Scale) -> Results:
    from . import program_time

    return {
        "program_first": program_time.first(**scale.options()),
        "program_deploy": program_time.deploys(**scale.options()),
    }


def _local_up(scale: Scale) -> Results:
    from . import program_time

    return {"local_up": program_time.local_up(**scale.options())}


def _rebuild(scale: Scale) -> Results:
    from . import rebuild

    size = {"events": scale.size} if scale.size else {}
    return {
        "rebuild_speed": rebuild.speed(**scale.options("events")),
        "rebuild_processor": rebuild.processor(**scale.options("events")),
        "rebuild_under_load": rebuild.under_load(**size),
    }


def _rebuild_memory(scale: Scale) -> Results:
    from . import rebuild

    return {"rebuild_memory": rebuild.memory(**({"most": scale.size} if scale.size else {}))}


def _tenancy(scale: Scale) -> Results:
    from . import tenancy

    return {f"tenancy_{name}": each for name, each in tenancy.costs(**scale.options("commands")).items()}


def _consumers(store: str) -> Measure:
    def measure(scale: Scale) -> Results:
        from . import consumers

        return dict(consumers.compared(store, **scale.options("events")))

    return measure


def _lake(scale: Scale) -> Results:
    from . import lake

    return {**lake.writing(**scale.options("records")), "lake_compression": lake.compression(**_records(scale))}


def _lake_queries(scale: Scale) -> Results:
    from . import lake

    return {"lake_queries": lake.queries(**scale.options("records"))}


def _lake_growth(scale: Scale) -> Results:
    from . import lake_growth

    return {"lake_growth": lake_growth.growth(**({"most": scale.size} if scale.size else {}))}


def _records(scale: Scale) -> dict[str, int]:
    return {"records": scale.size} if scale.size else {}


def _latency(road: str) -> Measure:
    def measure(scale: Scale) -> Results:
        from . import latency

        return dict(latency.measured(road, **({"commands": scale.size} if scale.size else {})))

    return measure


SUITES: dict[str, dict[str, Measure]] = {
    "commands": {"capacity": _capacity, "throughput": _throughput, "handler": _handler},
    "rebuild": {"rebuild": _rebuild, "memory": _rebuild_memory},
    "tenancy": {"tenancy": _tenancy},
    "consumers": {store: _consumers(store) for store in ("dynamodb", "data_api", "psycopg")},
    "lake": {"writing": _lake, "queries": _lake_queries, "growth": _lake_growth},
    "latency": {road: _latency(road) for road in ("eventbridge", "sns", "sns-fifo", "kinesis")},
    "coldstart": {"imports": _imports, "program": _program, "local_up": _local_up},
}
