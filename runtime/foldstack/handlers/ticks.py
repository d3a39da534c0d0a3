"""Ticks of schedules, as they come from the queue of commands."""

import re
from datetime import UTC, datetime

from aws_lambda_powertools import Logger

from ..kernel.commit import CommandContext
from ..kernel.decision import Rejection
from ..kernel.errors import InvalidValue, Unavailable
from ..kernel.executor import Executor
from ..kernel.idempotency import command_id
from ..kernel.keys import Tenant
from ..kernel.schedule import Tick
from ..kernel.service import Service
from .command_document import InvalidCommand, TickDocument

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").fullmatch


class TicksFailed(Unavailable):
    """What is delivered again finds the others done."""


class Ticks:
    """Executes what a domain's schedules answer, tenant by tenant: each command once for the moment of its tick."""

    def __init__(self, service: Service, executor: Executor, log: Logger) -> None:
        self._service = service
        self._executor = executor
        self.log = log

    def take(self, asked: TickDocument, deadline: float, repeated: bool) -> None:
        """One tenant that fails does not stop the others; the whole message is then delivered again. Raises
        TicksFailed, InvalidCommand."""
        if asked.schedule not in self._service.schedules.all:
            known = ", ".join(sorted(self._service.schedules.all)) or "none"
            raise InvalidCommand([("schedule", f"{asked.schedule[:80]!r} is none of {self._service.name}; {known}")])
        at, tenants = _read(asked)
        failed: list[str] = []
        for tenant in tenants:
            try:
                self._tick(Tick(asked.schedule, tenant, at), deadline, repeated)
            except Exception:
                self.log.exception("a schedule failed", schedule=asked.schedule, tenant=tenant)
                failed.append(tenant)
        if failed:
            raise TicksFailed(f"{asked.schedule} of {asked.at} failed for {', '.join(failed)}; the others are done")

    def _tick(self, tick: Tick, deadline: float, repeated: bool) -> None:
        at = tick.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        key = command_id(tick.tenant, "schedule", tick.schedule, at)
        for n, command in enumerate(self._service.schedules.commands(tick)):
            outcome = self._executor.execute(
                self._service.aggregate_of(type(command)),
                tick.tenant,
                command,
                CommandContext(
                    command_id=key if n == 0 else f"{key}.{n}",
                    request_hash=tick.schedule,
                    keyed=True,
                    repeated=repeated,
                    deadline=deadline,
                    correlation=f"{tick.schedule}@{at}",
                    actor=f"schedule:{tick.schedule}",
                ),
            )
            if isinstance(outcome, Rejection):
                self.log.warning(
                    "a command of a schedule was rejected",
                    schedule=tick.schedule,
                    tenant=tick.tenant,
                    code=outcome.code,
                    detail=self._executor.told(outcome),
                )


def _read(asked: TickDocument) -> tuple[datetime, list[Tenant]]:
    try:
        if not _MOMENT(asked.at):
            raise ValueError("not a moment in UTC")
        at = datetime.fromisoformat(asked.at.replace("Z", "+00:00")).astimezone(UTC)
        return at, [Tenant(each, "tenants") for each in asked.tenants]
    except ValueError:
        raise InvalidCommand([("at", f"2026-01-31T03:00:00Z, as Scheduler writes it; got {asked.at[:40]!r}")]) from None
    except InvalidValue as error:
        raise InvalidCommand.of(error) from None
