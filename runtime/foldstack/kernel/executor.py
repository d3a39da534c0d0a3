"""One command, from load to answer: `event-store` rules for loading, conflicts, doubt and idempotency."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .aggregate import Aggregate
from .attempt import Attempt, Committed, MakeResult
from .commit import CommandContext, Commit
from .decision import Rejection
from .errors import BrokenChain, DefinitionError
from .keys import StreamId, Tenant
from .messages import Command
from .snapshot import KnownCommand
from .store import CommitStore
from .stream import Stream

if TYPE_CHECKING:
    from .envelope import Envelope
    from .keyring import Keyring, Opener

__all__ = ["Committed", "Executor", "MakeResult"]

LOAD_LIMIT = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.2


class Executor:
    """Executes commands on one store. Keeps the streams of a warm sandbox in a bounded cache.

    `clock` and `sleep` are in seconds; `now` gives the time that commits carry. `keyring` is for domains with
    personal fields, and needed there.
    """

    def __init__(
        self,
        store: CommitStore,
        *,
        epoch: int = 1,
        cache: int = 256,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
        keyring: "Keyring | None" = None,
    ) -> None:
        self.store = store
        self.keyring = keyring
        self.epoch = epoch
        self.clock = clock
        self._sleep = sleep
        self._now = now
        self._rng = rng or random.Random()
        self._cache: OrderedDict[str, Stream] = OrderedDict()
        self._cache_size = cache

    def execute(
        self,
        aggregate: Aggregate,
        tenant: Tenant,
        command: Command,
        context: CommandContext,
        result: MakeResult | None = None,
    ) -> Committed | Rejection:
        """Decides and commits, at most once per command id.

        `result(events, state after)` makes the small JSON that is stored with the commit and answered again.
        Raises Contention, OutcomeUnknown, KeyReuse, PreconditionFailed, BrokenChain, InvalidValue.
        """
        rule = aggregate.rule(type(command))
        stream_id = StreamId.of(tenant, aggregate.category, getattr(command, rule.by))
        stream = self._warm(stream_id)  # back only after a definite answer
        if stream is None:
            new = rule.creates and not context.repeated
            keyring = self.keyring_of(aggregate)
            stream = Stream.new(stream_id, aggregate, keyring) if new else self.load(stream_id, aggregate)
        attempt = Attempt(self, stream, command, context, rule.strict, result)
        answer = attempt.run()
        self._keep(attempt.stream)
        return answer

    def load(self, id: StreamId, aggregate: Aggregate, consistent: bool = False) -> Stream:
        """The whole stream. An eventual read that shows a hole is repeated consistently."""
        try:
            return self._read(id, aggregate, consistent)
        except BrokenChain:
            return self._read(id, aggregate, consistent=True)

    def refresh(self, stream: Stream) -> Stream:
        """The stream with what is newer, read consistently: one request, unless very much is newer."""
        page = self.store.since(stream.id, stream.next, LOAD_LIMIT)
        if page.more:
            return self.load(stream.id, stream.aggregate, consistent=True)
        stream.extend(page.commits)
        return stream

    def current(self, id: StreamId, aggregate: Aggregate) -> Stream:
        """The stream as it is now, read consistently, for a look: not to be changed."""
        stream = self._warm(id)
        stream = self.refresh(stream) if stream else self.load(id, aggregate, consistent=True)
        self._keep(stream)
        return stream

    def find(self, id: StreamId, aggregate: Aggregate, command_id: str) -> Commit | None:
        """The commit of a command on this stream, whatever else happened since; None if there is none."""
        return self.find_in(self.current(id, aggregate), command_id)

    def find_in(self, stream: Stream, command_id: str) -> Commit | None:
        """The commit of a command on a stream that is `current`."""
        known = stream.known.get(command_id)
        if known is None and stream.over:
            row = self.store.find_id(stream.id, command_id)
            known = KnownCommand(row.request_hash, row.first) if row else None
        return self.commit_at(stream.id, known.first) if known else None

    def commit_of(self, id: StreamId, version: int) -> Commit | None:
        """The commit that holds the event of a version."""
        page = self.store.newest(id, 1, version + 1, consistent=True)
        return page.commits[0] if page.commits and page.commits[0].next > version else None

    def keyring_of(self, aggregate: Aggregate) -> "Keyring | None":
        """The keys of an aggregate with personal fields, None for any other. Raises DefinitionError where there are
        none: it would be kept in the clear."""
        if not aggregate.personal:
            return None
        if self.keyring is None:
            raise DefinitionError(
                f"{aggregate.category} has personal fields, and this executor no keys for them: give it a `keyring`"
            )
        return self.keyring

    def told(self, rejection: Rejection) -> str:
        """The detail of a rejection as it may be logged and kept. In a service with personal fields it may name
        somebody, and its code must do."""
        return rejection.detail if self.keyring is None else "[personal]"

    def reading(self, aggregate: Aggregate, commit: "Commit | Envelope") -> "Opener | None":
        """What reads the personal fields of a commit's events."""
        keyring = self.keyring_of(aggregate)
        if keyring is None:
            return None
        return keyring.opener(commit.stream.tenant, *(event.data for event in commit.stored or ()))

    def result_of(self, commit: Commit, aggregate: Aggregate) -> Any:
        """What a commit's caller was answered; of what was erased since, [erased]."""
        keyring = self.keyring_of(aggregate)
        if keyring is None:
            return commit.result
        return keyring.opener(commit.stream.tenant, commit.result).document(commit.result)

    def commit_at(self, id: StreamId, first: int) -> Commit | None:
        page = self.store.since(id, first, limit=1)
        return page.commits[0] if page.commits and page.commits[0].first == first else None

    def _read(self, id: StreamId, aggregate: Aggregate, consistent: bool) -> Stream:
        tail: list[Commit] = []
        keyring = self.keyring_of(aggregate)
        while True:
            scanned = len(tail)
            page = self.store.newest(id, LOAD_LIMIT, tail[-1].first if tail else None, consistent)
            tail += page.commits
            stream = Stream.from_tail(id, aggregate, tail, scanned, keyring)
            if stream is not None:
                return stream
            if not page.more:
                raise BrokenChain(f"{id.key}: the oldest commit that can be read begins at {tail[-1].first}")

    def _warm(self, id: StreamId) -> Stream | None:
        """The stream out of the cache, unless it shows somebody who may be erased by now."""
        stream = self._cache.pop(id.key, None)
        if stream is not None and stream.keyring is not None and stream.keyring.stale(stream.until):
            return None
        return stream

    def _keep(self, stream: Stream) -> None:
        if stream.next == 1:
            return
        self._cache[stream.id.key] = stream
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)

    def timestamp(self) -> str:
        return self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def pause(self, attempt: int) -> None:
        """Full jitter, growing with the number of attempts."""
        self._sleep(self._rng.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt, 8))))
