"""What a route's handler is given: the request as understood, and what it may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from .aggregate import Aggregate
from .commit import CommandContext
from .decision import Rejection
from .errors import DefinitionError, ReactionLoop, Unavailable
from .executor import Committed, Executor, MakeResult
from .idempotency import command_id
from .keys import StreamId, Tenant
from .messages import Command, State
from .projection import Number, Projection
from .reaction import OutcomePending
from .reactor import Reactor
from .service import Service

B = TypeVar("B")
S = TypeVar("S", bound=State)
R = TypeVar("R", bound=State)


class Views(Protocol):
    """Rows of the caller's tenant, never older than the caller's consistency token."""

    def get(self, projection: Projection[R], id: str) -> R | None:
        """The row of one stream; None where there is none, or it is deleted."""
        ...

    def page(self, projection: Projection[R], limit: int, after: str | None) -> "ViewPage[R]":
        """Up to `limit` rows in the order of their ids. `after` is `next` of the page before, else InvalidValue."""
        ...

    def find(
        self,
        projection: Projection[R],
        where: Mapping[str, Any],
        order: str | None,
        limit: int,
        after: str | None,
    ) -> "ViewPage[R]":
        """Up to `limit` rows whose fields equal `where`, by `order`: a field, `-field` downwards, None by id.

        Fields are `indexed` ones of the projection. PostgreSQL answers all of this. DynamoDB has its rows by id
        alone: another order is InvalidValue, and a page may be short, or empty, where `next` says that there is more.
        """
        ...

    def total(self, projection: Projection, key: str) -> Mapping[str, Number]:
        """What the streams' contributions to `key` add up to; a field whose sum is 0 is left out."""
        ...

    def totals(self, projection: Projection) -> Mapping[str, Mapping[str, Number]]:
        """All sums by key, as the view has them now, whatever the token says."""
        ...


@dataclass(frozen=True, slots=True)
class ViewPage(Generic[R]):
    """`next` is None on the last page."""

    rows: Sequence[R]
    next: str | None


@dataclass(frozen=True)
class QueryRequest:
    """`path` holds path parameters, `query` the model of the query string."""

    tenant: Tenant
    path: dict[str, str]
    query: Any
    now: datetime
    views: Views
    url: str = ""


@dataclass
class CommandRequest(Generic[B]):
    """`body` is of the route's model; `url` the address of the API without a path.

    `now` is the time to put into commands: in UTC, cut to milliseconds. `tips` and `version` are what came of
    it: the streams' tips for the consistency token, and the version of the last stream executed on, reactions included.
    """

    tenant: Tenant
    path: dict[str, str]
    body: B
    now: datetime
    url: str
    context: CommandContext
    service: Service
    executor: Executor
    reactor: Reactor
    inline: timedelta
    environment: Mapping[str, str] = field(default_factory=dict)
    tips: dict[tuple[str, str], int] = field(default_factory=dict)
    _last: tuple[str, str] | None = field(default=None, init=False)
    _committed: set[tuple[str, str]] = field(default_factory=set, init=False)

    def new_id(self, *parts: str) -> str:
        """An id that a retry of the same request gets again, of no use to other tenants: 22 characters."""
        return command_id("id", self.tenant, self.context.command_id, *parts)

    def execute(self, command: Command, result: MakeResult | None = None) -> Committed | Rejection:
        """Decides and commits; `result(events, state)` is plain JSON, kept and answered to retries as it was.

        A request commits once on a stream: its key stands for one commit there. Raises DefinitionError for a
        second one, which would be taken for a retry of the first.
        """
        aggregate = self.service.aggregate_of(type(command))
        stream = aggregate.category, getattr(command, aggregate.rule(type(command)).by)
        if stream in self._committed:
            raise DefinitionError(f"{type(command).__name__}: this request has committed on {stream} before")
        outcome = self.executor.execute(aggregate, self.tenant, command, self.context, result)
        self._note(outcome)
        if isinstance(outcome, Committed):
            self._last = stream
            if outcome.commit is not None:
                self._committed.add(stream)
        return outcome

    @property
    def version(self) -> int | None:
        return self.tips[self._last] - 1 if self._last in self.tips else None

    def settle(self, committed: Committed) -> bool:
        """Runs the reactions to a commit for some seconds. False where an outcome is still open: the delayed
        queue goes on, and nothing runs after the answer. It is the queue, too, that reports a loop."""
        if committed.commit is None:
            return True
        until = self.executor.clock() + self.inline.total_seconds()
        if self.context.deadline is not None:
            until = min(until, self.context.deadline - 1)
        try:
            reacted = self.reactor.drive(committed.commit, until, request=True, fresh=not committed.replayed)
        except (OutcomePending, Unavailable, ReactionLoop):
            return False
        for each in reacted:
            self._note(each.outcome)
        return True

    def state(self, aggregate: Aggregate[S], id: str) -> S:
        """The state of a stream now, read consistently."""
        stream = self.executor.current(StreamId.of(self.tenant, aggregate.category, id), aggregate)
        if stream.next > 1:
            self.tips[aggregate.category, id] = stream.next
        return stream.state

    def _note(self, outcome: Committed | Rejection) -> None:
        if isinstance(outcome, Committed) and outcome.next > 1:
            at = (outcome.stream.category, outcome.stream.id)
            self.tips[at] = max(outcome.next, self.tips.get(at, 0))
