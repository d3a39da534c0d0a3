"""What a `Later` is handed to: a timer keeps a command until its time has come, and has it executed."""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .commit import CommandContext
from .keys import Tenant
from .messages import Command


class Timer(Protocol):
    """Two implementations: in memory (here), EventBridge Scheduler (`foldstack.aws.timer`)."""

    def set(self, at: datetime, tenant: Tenant, command: Command, context: CommandContext) -> None:
        """Has the command executed with this context (but its deadline) at `at` or later, at least once. What is set
        for its command id already stays as it is. Raises Unavailable where it can't be set now: try again."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a MemoryTimer keeps."""

    at: datetime
    tenant: Tenant
    command: Command
    context: CommandContext


class MemoryTimer:
    """A timer for tests: `waiting` by command id. Nothing fires by itself; `take` what is due, and execute it."""

    def __init__(self) -> None:
        self.waiting: dict[str, Waiting] = {}
        self._lock = threading.Lock()

    def set(self, at: datetime, tenant: Tenant, command: Command, context: CommandContext) -> None:
        with self._lock:
            self.waiting.setdefault(context.command_id, Waiting(at, tenant, command, context))

    def take(self, now: datetime) -> list[Waiting]:
        """Those whose time has come, the earliest first; they wait no longer."""
        with self._lock:
            due = sorted((each for each in self.waiting.values() if each.at <= now), key=lambda each: each.at)
            for each in due:
                del self.waiting[each.context.command_id]
        return due
