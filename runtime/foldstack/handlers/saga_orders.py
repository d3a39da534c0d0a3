"""A person's orders to sagas, as the effects function takes them when it is invoked directly."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from ..kernel.errors import InvalidValue, OperationRefused, described
from ..kernel.executor import Executor
from ..kernel.keys import StreamId
from ..kernel.reactor import Reactor
from ..kernel.saga_operations import Order, SagaOperations
from ..kernel.saga_steps import SagaReport
from ..kernel.service import Service

ORDERS = ("show", "retry", "skip", "cancel")
_MOST_SECONDS = 20.0


class SagaOrders:
    """`{"order": "show", "stream"}`, or `{"order": "retry" | "skip" | "cancel", "stream", "by", "reason", "key",
    "step"?}`. Answered with the saga as it is then, or `{"refused": why}`: a refusal is no fault of the function."""

    def __init__(self, service: Service, executor: Executor, reactor: Reactor, log: Logger) -> None:
        self._operations = SagaOperations(service, executor)
        self._executor = executor
        self._reactor = reactor
        self._log = log

    def take(self, order: Mapping[str, Any], until: float) -> dict[str, Any]:
        """`until` is on the executor's clock: so long it may drive what it has set off; the queue goes on after it."""
        try:
            kind = order.get("order")
            if kind not in ORDERS:
                raise InvalidValue("order", f"is one of {', '.join(ORDERS)}; got {kind!r}")
            stream = StreamId.parse(str(order.get("stream")))
            if kind == "show":
                return _shown(self._operations.show(stream))
            texts = {name: str(order.get(name) or "") for name in ("by", "reason", "key", "step")}
            commit = getattr(self._operations, kind)(Order(stream, **texts))
            problem = ""
            try:
                self._reactor.drive(commit, min(until, self._executor.clock() + _MOST_SECONDS))
            except Exception as error:  # noqa: BLE001 - told; the commit's own message is on its way to the queue
                problem = described(error)
                self._log.warning("not done yet: the queue goes on", order=kind, stream=stream.key, error=problem)
            return {**_shown(self._operations.show(stream)), "problem": problem}
        except (OperationRefused, InvalidValue) as error:
            return {"refused": str(error)}


def _shown(report: SagaReport) -> dict[str, Any]:
    row = report.progress
    return {
        "saga": report.saga.name,
        "stream": report.stream.key,
        "version": report.version,
        "correlation": report.begun.correlation,
        "status": row.status if row else "not begun",
        "began_at": _text(row.began_at) if row else "",
        "changed_at": _text(row.changed_at) if row else "",
        "due": _text(row.due) if row and row.due else "",
        "steps": [asdict(step) for _, step in report.steps],
    }


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
