"""What a handler may do with its request, and what clients are told of errors."""

from datetime import UTC, datetime, timedelta

import pytest
from foldstack import CommandRequest, DefinitionError, OutcomePending, Reactions, Rejection, Service, Tenant
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.errors import (
    BrokenChain,
    Contention,
    InvalidValue,
    KeyReuse,
    OutcomeUnknown,
    PreconditionFailed,
    ReactionLoop,
    StoreTimeout,
    ViewBehind,
)
from foldstack.kernel.executor import Executor
from foldstack.kernel.problem import CONTENT_TYPE, from_error, from_rejection
from foldstack.kernel.reactor import Reactor
from foldstack.kernel.store import MemoryCommitStore

from tests.store.domain import (
    CloseShelf,
    OpenShelf,
    PostNote,
    ReturnUnits,
    Shelf,
    ShelfOpened,
    TakeUnit,
    shelf,
)
from tests.store.support import Clock


class Door:
    """Makes requests to one service, as the HTTP handler does."""

    def __init__(self, reactions=None) -> None:
        self.service = Service("test", aggregates=[shelf], reactions=reactions, world=lambda settings: None)
        self.clock = Clock()
        self.executor = Executor(MemoryCommitStore(), clock=self.clock, sleep=self.clock.sleep)

    def request(self, key: str, tenant: str = "acme", **context) -> CommandRequest:
        return CommandRequest(
            tenant=Tenant(tenant),
            path={},
            body=None,
            now=datetime(2026, 1, 1, tzinfo=UTC),
            url="https://example.test",
            context=CommandContext(key, keyed=True, **context),
            service=self.service,
            executor=self.executor,
            reactor=Reactor(self.service, self.executor, now=lambda: datetime(2026, 1, 1, tzinfo=UTC)),
            inline=timedelta(seconds=5),
        )


@pytest.fixture
def door():
    return Door()


def test_new_ids_are_those_of_the_request(door):
    ids = {door.request("k").new_id(), door.request("k").new_id("a"), door.request("l").new_id()}
    assert len(ids) == 3
    assert door.request("k").new_id("a") in ids
    assert door.request("k", "other").new_id("a") not in ids


def test_tips_and_version_come_of_what_was_done(door):
    request = door.request("k")
    assert (request.tips, request.version) == ({}, None)
    request.execute(OpenShelf(shelf="a", units=1))
    request.execute(ReturnUnits(shelf="b", units=1))
    assert request.tips == {("shelf", "a"): 2, ("shelf", "b"): 3}
    assert request.version == 2
    again = door.request("l")
    assert isinstance(again.execute(OpenShelf(shelf="a", units=1)), Rejection)
    assert (again.tips, again.version) == ({}, None)
    assert again.state(shelf, "b").left == 1
    assert again.state(shelf, "nowhere") == Shelf()
    assert again.tips == {("shelf", "b"): 3}


def test_a_second_commit_on_one_stream_is_refused_not_taken_for_a_retry(door):
    request = door.request("k")
    request.execute(OpenShelf(shelf="a", units=1))
    with pytest.raises(DefinitionError, match="has committed on"):
        request.execute(TakeUnit(shelf="a", by="me"))
    request = door.request("l")
    assert isinstance(request.execute(OpenShelf(shelf="a", units=1)), Rejection)
    request.execute(TakeUnit(shelf="a", by="me"))
    assert request.version == 2, "a rejection leaves the key for another try"


def reacting(function):
    reactions = Reactions()
    reactions.automation(on=ShelfOpened, of=shelf)(function)
    return Door(reactions)


def test_settle_follows_the_reactions_and_notes_their_tips():
    def follow(event, context):
        return PostNote(shelf=f"{context.stream_id}-log", text="opened") if event.units < 9 else None

    request = reacting(follow).request("k")
    assert request.settle(request.execute(OpenShelf(shelf="a", units=1)))
    assert request.tips == {("shelf", "a"): 2, ("shelf", "a-log"): 2}


@pytest.mark.parametrize(
    "error", [OutcomePending("not yet"), Contention("busy"), OutcomeUnknown("who knows"), ReactionLoop("again")]
)
def test_what_is_still_open_is_left_to_the_queue(error):
    def follow(event, context):
        raise error

    request = reacting(follow).request("k")
    assert not request.settle(request.execute(OpenShelf(shelf="a", units=1)))


def test_settle_keeps_within_the_requests_own_time():
    given = []

    def follow(event, context):
        given.append(context.seconds)

    for deadline, seconds in ((None, 5), (1100.0, 5), (1003.0, 2)):
        request = reacting(follow).request("k", deadline=deadline)
        request.settle(request.execute(OpenShelf(shelf="a", units=1)))
        assert given.pop() == seconds
    request = reacting(follow).request("k", deadline=1000.5)
    assert not request.settle(request.execute(OpenShelf(shelf="a", units=1)))
    assert given == []


def test_settle_without_a_commit_has_nothing_to_do(door):
    door.request("a").execute(CloseShelf(shelf="a"))
    request = door.request("b")
    assert request.settle(request.execute(CloseShelf(shelf="a")))


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (InvalidValue("name", "too long"), 400, "invalid-value", None),
        (KeyReuse("again"), 422, "key-reused", None),
        (PreconditionFailed(3, 4), 412, "precondition-failed", None),
        (Contention("busy"), 503, "unavailable", "1"),
        (BrokenChain("broken"), 503, "unavailable", "1"),
        (StoreTimeout("lost"), 503, "unavailable", "1"),
        (ViewBehind("behind"), 503, "unavailable", "1"),
        (OutcomeUnknown("who knows"), 503, "outcome-unknown", "1"),
    ],
)
def test_the_problem_of_an_error(error, status, code, retry):
    answer = from_error(error)
    assert answer is not None
    assert (answer.status, answer.body["status"], answer.body["code"]) == (status, status, code)
    assert answer.body["type"] == f"urn:foldstack:problem:{code}"
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert answer.headers.get("retry-after") == retry


def test_problems_name_the_field():
    assert from_error(InvalidValue("name", "too long")).body["errors"] == [{"field": "name", "reason": "too long"}]
    assert from_error(PreconditionFailed(3, 4)).body["version"] == 4
    assert from_error(KeyReuse("again")).body["errors"][0]["field"] == "idempotency-key"


def test_a_fault_is_no_problem_document():
    assert from_error(ZeroDivisionError()) is None
    assert from_error(DefinitionError("wrong")) is None


@pytest.mark.parametrize(
    ("kind", "status"), [("not-found", 404), ("conflict", 409), ("invalid", 422), ("forbidden", 403)]
)
def test_the_problem_of_a_rejection(kind, status):
    answer = from_rejection(Rejection("no-way", "because", kind=kind, facts={"left": 3}))
    assert answer.status == status
    assert (answer.body["code"], answer.body["detail"], answer.body["left"]) == ("no-way", "because", 3)
    with pytest.raises(DefinitionError, match="status"):
        Rejection("no-way", "because", facts={"status": 200})
