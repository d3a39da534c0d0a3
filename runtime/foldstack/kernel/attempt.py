"""One command's life on one stream: replay, decision, put, conflict, confirmation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from . import codec
from .commit import CommandContext, Commit, type_names
from .decision import Rejection
from .errors import (
    BrokenChain,
    Contention,
    KeyReuse,
    OutcomeUnknown,
    PreconditionFailed,
    StoreThrottled,
    StoreTimeout,
    SubjectErased,
)
from .keys import StreamId
from .messages import Command, Event, State
from .snapshot import KnownCommand
from .store import IdRow
from .stream import Stream

if TYPE_CHECKING:
    from .executor import Executor
    from .keyring import Sealer

LEAST_BUDGET = 3.0
KEYED = "~"
"""Begins a request hash that was made with keys: no other does."""

R = TypeVar("R")
MakeResult = Callable[[Sequence[Event], State], Any]


@dataclass(frozen=True, slots=True)
class Committed:
    """A command took effect: now, or earlier under the same id (`replayed`), or it had nothing to do (`first` is None).

    `next` is the stream's tip that the answer is about; `result` what `execute` was asked to keep, as plain JSON;
    `state` the stream's state then or later, None where an earlier answer is given without a look at the stream.
    """

    stream: StreamId
    first: int | None
    next: int
    result: Any
    replayed: bool
    state: State | None = None
    commit: Commit | None = None


class Attempt:
    """Made by `Executor.execute` for one command; `stream` is where it ended, after a definite answer."""

    def __init__(
        self,
        executor: "Executor",
        stream: Stream,
        command: Command,
        context: CommandContext,
        strict: bool,
        result: MakeResult | None,
    ) -> None:
        self.executor = executor
        self.stream = stream
        self.command = command
        self.context = context
        self.strict = strict
        self.make_result = result
        self.conflicts = 0
        self.row_read_for: Stream | None = None
        self.personal = executor.keyring_of(stream.aggregate)
        start = executor.clock()
        left = (context.deadline - start) if context.deadline is not None else 0.0
        self.decide_until = start + max(LEAST_BUDGET, left / 2)
        self.put_until = max(self.decide_until, context.deadline or 0.0)

    def run(self) -> Committed | Rejection:
        confirmed = False
        while True:
            replay = self._replay()
            if replay is not None:
                return replay
            try:
                answer = self._decide()
            except SubjectErased as error:
                if confirmed:
                    return Rejection("subject-erased", str(error))
                self.stream = self.executor.load(self.stream.id, self.stream.aggregate, consistent=True)
                confirmed = True
                continue
            if isinstance(answer, Commit):
                winner = self._put(answer)
                if winner is None:
                    return self._committed(answer)
                if isinstance(winner, IdRow):
                    return self._verified(winner.stream, KnownCommand(winner.request_hash, winner.first))
                if winner.command_id == self.context.command_id:
                    return self._own(winner)
                confirmed = self._lost(winner)
            elif confirmed:
                return self._settled(answer)
            else:
                self.stream = self.executor.refresh(self.stream)
                confirmed = True

    def _replay(self) -> Committed | None:
        """The earlier answer, where this command id is known. Its row is read only where the ring has dropped
        ids, after the load and after every other load: what is folded commit by commit is seen in `known` first."""
        known = self.stream.known.get(self.context.command_id)
        if known is not None:
            return self._verified(self.stream.id, known)
        if self.context.keyed and self.stream.over and self.row_read_for is not self.stream:
            self.row_read_for = self.stream
            row = self.executor.store.find_id(self.stream.id, self.context.command_id)
            if row is not None:
                return self._verified(row.stream, KnownCommand(row.request_hash, row.first))
        return None

    def _verified(self, id: StreamId, known: KnownCommand) -> Committed:
        self._check_request(known.request_hash)
        commit = self.executor.commit_at(id, known.first)
        if commit is None or commit.command_id != self.context.command_id:
            raise BrokenChain(f"{id.key}: no commit of command {self.context.command_id} at {known.first}")
        state = self.stream.state if id == self.stream.id and self.stream.next >= commit.next else None
        return Committed(id, commit.first, commit.next, self._result(commit), True, state, commit)

    def _own(self, commit: Commit) -> Committed:
        """This command's own commit was in its way: an earlier try of the same put, or a duplicate of the request."""
        try:
            if self.context.keyed:
                self._check_request(commit.request_hash)
            self.stream.extend([commit])
            result = self._result(commit)
        except (StoreTimeout, StoreThrottled, Contention) as error:
            raise OutcomeUnknown("the command took effect, and the keys to its answer can't be read now") from error
        return Committed(self.stream.id, commit.first, commit.next, result, True, self.stream.state, commit)

    def _check_request(self, request_hash: str) -> None:
        if request_hash.startswith(KEYED):
            mine = self._request_hash(make=False)
            same = request_hash == mine or KEYED in (request_hash, mine)  # of who is erased nobody can tell any more
        else:
            same = request_hash == self.context.request_hash
        if not same:
            raise KeyReuse("this key was used for another request; use a new key for a new request")

    def _decide(self) -> Commit | Rejection | PreconditionFailed | None:
        stream, context = self.stream, self.context
        if context.expected is not None and context.expected != stream.version:
            return PreconditionFailed(context.expected, stream.version)
        decision = stream.aggregate.decide(self.command, stream.state)
        if isinstance(decision, Rejection):
            return decision
        if not decision:
            return None
        self.state_after = stream.aggregate.fold(decision, stream.state)
        result = self.make_result(decision, self.state_after) if self.make_result else None
        self.has_result = result is not None
        self.sealer = writing = self._writing(decision, result) if self.personal is not None else None
        request_hash = self._request_hash() if context.keyed else ""
        snapshot = None
        if stream.snapshot_due():
            new = {context.command_id: KnownCommand(request_hash, stream.next)} if context.keyed else {}
            snapshot = stream.snapshot_after(self.state_after, new, writing)
            if evicted := stream.evicted_by(new):
                rows = [IdRow(id, k.request_hash, stream.id, k.first) for id, k in evicted.items()]
                self._insist(lambda: self.executor.store.keep_ids(rows), effect=False)
        self.prev_after = dict(stream.prev)
        for n, event in enumerate(decision, stream.next + 1):
            self.prev_after[event.type_name] = n
        return Commit(
            stream=stream.id,
            first=stream.next,
            next=stream.next + len(decision),
            body=codec.encode(decision, result, writing),
            types=type_names(decision),
            prev=stream.prev,
            command_id=context.command_id,
            request_hash=request_hash,
            time=self.executor.timestamp(),
            epoch=self.executor.epoch,
            correlation=context.correlation,
            causation=context.causation,
            actor=context.actor,
            traceparent=context.traceparent,
            depth=context.depth,
            snapshot=snapshot,
        )

    def _writing(self, decision: Sequence[Event], result: Any) -> "Sealer":
        """What encrypts this commit. Raises SubjectErased where its events tell something new of who is erased."""
        from .personal_check import check_result

        assert self.personal is not None
        stream = self.stream
        known = [self.state_after] if stream.snapshot_due() else []
        if result is not None:
            check_result(stream.aggregate, result)
            known.append(result)
        keyring = self.personal
        return self._insist(lambda: keyring.sealer(stream.id.tenant, decision, known), effect=False)

    def _request_hash(self, *, make: bool = True) -> str:
        """As it is kept. In a service with personal fields a request may tell of somebody: the hash is then made with
        the keys of those whom the command is about, and says nothing when they are erased."""
        keyring = self.executor.keyring
        if keyring is None:
            return self.context.request_hash
        tenant, plain = self.stream.id.tenant, self.context.request_hash
        keyed = self._insist(lambda: keyring.mac(tenant, self.command, plain, make=make), effect=False)
        return f"{KEYED}{keyed or ''}"

    def _result(self, commit: Commit) -> Any:
        return commit.result if self.personal is None else self.executor.result_of(commit, self.stream.aggregate)

    def _put(self, commit: Commit) -> Commit | IdRow | None:
        append = self.executor.store.append_strict if self.strict else self.executor.store.append
        return self._insist(lambda: append(commit), effect=True)

    def _insist(self, request: Callable[[], R], *, effect: bool) -> R:
        """The identical request, until its answer is definite: a read-back would prove nothing. Once an `effect`
        is in doubt, until the deadline; what was only refused gives up with the decision."""
        tries, doubt = 0, False
        while True:
            try:
                return request()
            except (StoreTimeout, StoreThrottled) as error:
                tries += 1
                doubt = doubt or (effect and isinstance(error, StoreTimeout))
                if self.executor.clock() >= (self.put_until if doubt else self.decide_until):
                    if doubt:
                        raise OutcomeUnknown("the store did not say whether the command took effect") from error
                    raise Contention("the store is refusing writes to this stream; try again") from error
                self.executor.pause(tries)

    def _committed(self, commit: Commit) -> Committed:
        self.stream.advance(commit, self.state_after, self.prev_after)
        result = commit.result if self.has_result else None  # as a retry will be answered it: read back from the body
        if self.sealer is not None:  # with the keys at hand: what took effect is not to fail any more
            self.stream.until = min(self.stream.until, self.sealer.until)
            result = self.sealer.opener.document(result)
        return Committed(self.stream.id, commit.first, commit.next, result, False, self.stream.state, commit)

    def _lost(self, winner: Commit) -> bool:
        """Takes in what won. Answers whether the stream has been read consistently since."""
        self.stream.extend([winner])
        self.conflicts += 1
        if self.executor.clock() >= self.decide_until:
            raise Contention("other commands on this stream kept winning; nothing was done, try again")
        if self.conflicts == 1:
            return False
        self.executor.pause(self.conflicts)
        self.stream = self.executor.refresh(self.stream)
        return True

    def _settled(self, answer: Rejection | PreconditionFailed | None) -> Committed | Rejection:
        if isinstance(answer, PreconditionFailed):
            raise answer
        if isinstance(answer, Rejection):
            return answer
        result = self.make_result((), self.stream.state) if self.make_result else None
        return Committed(self.stream.id, None, self.stream.next, result, False, self.stream.state)
