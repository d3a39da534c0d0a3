"""Customers' commands, as one sandbox sends them, and everything that is at rest afterwards."""

import os
import uuid
from typing import Any

from foldstack.aws.cipher import AesGcm
from foldstack.kernel.aggregate import Aggregate
from foldstack.kernel.codec import inflate
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.decision import Rejection
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.idempotency import request_hash
from foldstack.kernel.keyring import LIFE, Keyring, Keys, MemoryKeys
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.messages import Command
from foldstack.kernel.store import CommitStore, MemoryCommitStore

from .domain import Customer, Register, customer, profile

TENANT = Tenant("acme")


class WallClock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


def memory_keys() -> MemoryKeys:
    return MemoryKeys(lambda: os.urandom(32))


class Sandbox:
    """One function's warm process: an executor with its cache and keys."""

    def __init__(
        self, store: CommitStore | None = None, keys: Keys | None = None, clock: WallClock | None = None
    ) -> None:
        self.store = store or MemoryCommitStore()
        self.keys = keys or memory_keys()
        self.clock = clock or WallClock()
        self.keyring = Keyring(self.keys, AesGcm, clock=self.clock)
        self.executor = Executor(self.store, keyring=self.keyring, sleep=lambda seconds: None)

    def another(self) -> "Sandbox":
        """On the same store and keys, cold."""
        return Sandbox(self.store, self.keys, self.clock)

    def do(
        self,
        command: Command,
        key: str | None = None,
        *,
        body: Any = None,
        aggregate: Aggregate = customer,
        result: Any = profile,
        **context: Any,
    ) -> Committed | Rejection:
        """`key` makes the command id, as an idempotency key does; `body` is what the client sent, else the command."""
        sent = command.model_dump(mode="json") if body is None else body
        return self.executor.execute(
            aggregate,
            TENANT,
            command,
            CommandContext(
                command_id=key or uuid.uuid4().hex,
                request_hash=request_hash("POST", type(command).type_name, {}, sent) if key else "",
                keyed=key is not None,
                **context,
            ),
            result if aggregate is customer else None,
        )

    def done(self, command: Command, key: str | None = None, **context: Any) -> Committed:
        outcome = self.do(command, key, **context)
        assert isinstance(outcome, Committed), outcome
        return outcome

    def state(self, id: str) -> Customer:
        return self.executor.load(StreamId.of(TENANT, "customer", id), customer, consistent=True).state

    def at_rest(self) -> bytes:
        """All that is stored, in one string of bytes; what is compressed, unpacked."""
        assert isinstance(self.store, MemoryCommitStore)
        parts: list[bytes] = []
        for stream, commits in self.store.streams().items():
            for commit in commits:
                parts += [stream.encode(), repr(commit).encode(), inflate(commit.body)]
                parts += [inflate(commit.snapshot)] if commit.snapshot else []
        parts.append(repr([*self.store._kept.values(), *self.store._strict.values()]).encode())
        return b"\n".join(parts)


def somebody(id: str = "c1", name: str = "Ada Lovelace", email: str = "ada@example.org", **fields: Any) -> Register:
    return Register(customer_id=id, name=name, email=email, **fields)


def erased(sandbox: Sandbox, subject: str = "c1") -> None:
    """And long enough ago for every sandbox to have noticed."""
    sandbox.keys.erase(TENANT, subject)
    sandbox.clock.pass_by(LIFE)
