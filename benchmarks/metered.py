"""What a consumer asks of its store, counted on the way: figures that no machine changes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from foldstack.aws.sql.statements import Row, Sql, Statement

_LOOKS = (b"#control", b"view_control")
"""Every 2 seconds of the clock a projector looks which generations are fed: however many events it was given."""


@dataclass
class Meter:
    """`requests` go over the network; `sent` is the bytes of their bodies. Units are DynamoDB's, as it reports them."""

    requests: int = 0
    statements: int = 0
    transactions: int = 0
    sent: int = 0
    read_units: float = 0.0
    write_units: float = 0.0

    def watch(self, client: Any) -> None:
        """Counts what a client of botocore sends, and what it is told of units."""
        client.meta.events.register("before-call", self._begin)
        client.meta.events.register("after-call", self._end)

    def _begin(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        body: bytes = params["body"]
        context["benchmark_counts"] = counts = not any(look in body for look in _LOOKS)
        if not counts:
            return
        self.requests += 1
        self.sent += len(body)
        if model.name == "ExecuteStatement":
            self.statements += 1
            self.transactions += "transactionId" not in json.loads(body)
        elif model.name in ("BeginTransaction", "TransactWriteItems"):
            self.transactions += 1
        elif model.name == "BatchGetItem":  # which the emulator reports no units of: one for each row of up to 4 KB
            self.read_units += sum(len(each["Keys"]) for each in json.loads(body)["RequestItems"].values())

    def _end(self, model: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", []) if context["benchmark_counts"] else []
        for part in consumed if isinstance(consumed, list) else [consumed]:
            if model.name in ("GetItem", "Query"):
                self.read_units += part["CapacityUnits"]
            else:
                self.write_units += part["CapacityUnits"]


class MeteredSql:
    """The port of statements over psycopg, counted: a statement outside of a transaction is one of its own."""

    def __init__(self, inner: Sql, meter: Meter, inside: bool = False) -> None:
        self._inner = inner
        self._meter = meter
        self._inside = inside

    def run(self, statement: Statement, **values: Any) -> list[Row]:
        if b"view_control" not in statement.pyformat[0].encode():
            self._meter.statements += 1
            self._meter.requests += 1
            self._meter.transactions += not self._inside
        return self._inner.run(statement, **values)

    @contextmanager
    def transaction(self) -> Iterator[Sql]:
        self._meter.transactions += 1
        self._meter.requests += 2
        with self._inner.transaction() as sql:
            yield MeteredSql(sql, self._meter, inside=True)
