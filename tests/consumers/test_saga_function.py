"""The effects function and its sagas: the last attempts of a message, and a person's orders."""

import json
from typing import Any

import pytest
from foldstack.aws import clients, composition
from foldstack.kernel.commit import CommandContext
from foldstack.kernel.errors import DefinitionError, StoreTimeout
from foldstack.kernel.executor import Executor
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.store import MemoryCommitStore

from tests.kernel.trips import Agency, Begin

from . import travels
from .fakes import Watched
from .functions import Context, bus_message, failed, load

ACME = Tenant("acme")
ATTEMPTS = 4
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STREAM = "acme#trip#t"


class Sqs:
    def __init__(self) -> None:
        self.hidden: list[int] = []

    def change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.hidden += [entry["VisibilityTimeout"] for entry in Entries]
        return {}


class Trip:
    """One trip, its message, and the function that is given it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store: Any = MemoryCommitStore()
        self.sqs = Sqs()
        self.agency = travels.agency
        self.agency.__dict__.update(Agency().__dict__)
        monkeypatch.setattr(composition, "commit_store", lambda env: self.store)
        monkeypatch.setattr(clients, "client", lambda service, **options: {"sqs": self.sqs}[service])
        queue = {"url": "https://queue", "attempts": ATTEMPTS, "hidden_seconds": 360}
        environment = {"DOMAIN": "tests.consumers.travels:service", "SERVICE": "travel", "QUEUE": json.dumps(queue)}
        self.module = load(monkeypatch, "effects", environment)
        done = Executor(self.store).execute(
            travels.saga.of, ACME, Begin(trip="t"), CommandContext("begin", correlation="corr", traceparent=TRACE)
        )
        self.message = bus_message(done.commit, "travel")

    def deliver(self, receives: int, message: dict[str, Any] | None = None) -> bool:
        """Whether it is done."""
        message = message or self.message
        message["attributes"]["ApproximateReceiveCount"] = str(receives)
        message["receiptHandle"] = "r"
        return not failed(self.module.handler({"Records": [message]}, Context()))

    def order(self, kind: str, **order: Any) -> dict[str, Any]:
        about = {"order": kind, "stream": STREAM, "by": "ann", "reason": "why", "key": f"k-{kind}"}
        answer = self.module.handler({"saga": {**about, **order}}, Context())
        return json.loads(json.dumps(answer))

    def get_stuck(self) -> None:
        self.agency.faults = ["refused", ""] + ["refused"] * ATTEMPTS
        receives = 1
        while not self.deliver(receives):
            receives += 1
        assert receives == ATTEMPTS - 1
        self.agency.faults = []

    def types(self) -> list[str]:
        return [event.type for commit in self.commits() for event in commit.stored]

    def commits(self):
        return MemoryCommitStore.since(_inner(self.store), StreamId.parse(STREAM), 1).commits


def _inner(store):
    return getattr(store, "inner", store)


def steps(answer: dict[str, Any]) -> dict[str, str]:
    return {each["step"]: each["status"] for each in answer["steps"]}


@pytest.fixture
def trip(monkeypatch):
    return Trip(monkeypatch)


def test_the_last_attempt_but_one_records_that_it_is_stuck(trip, capsys):
    """And the very last would, had that one died."""
    trip.get_stuck()
    assert trip.types() == ["TripBegan", "Booked", "trip.SagaStuck"]
    assert (len(trip.sqs.hidden), trip.commits()[-1].stored[0].data["attempts"]) == (ATTEMPTS - 2, ATTEMPTS - 1)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"StuckSagas"' in line]
    assert [(each["StuckSagas"], each["service"]) for each in metrics] == [([1.0], "travel")]
    (about,) = metrics[0]["_aws"]["CloudWatchMetrics"]
    assert (about["Namespace"], about["Dimensions"]) == ("Foldstack", [["service"]])
    trip.agency.faults = ["refused"]
    assert trip.deliver(ATTEMPTS), "delivered again it stays acknowledged"
    assert trip.types()[-1] == "trip.SagaStuck"


def test_before_that_nothing_is_recorded(trip):
    trip.agency.faults = ["refused"] * 4
    for receives in (1, 2):
        assert not trip.deliver(receives)
    assert trip.types() == ["TripBegan"]


def test_what_cannot_be_recorded_goes_to_the_dead_letters(trip):
    def refuse(name):
        if name == "append":
            raise StoreTimeout("no answer")

    trip.agency.faults = ["refused"] * 2 * ATTEMPTS
    trip.store = Watched(trip.store, before=refuse)
    trip.module.executor.store = trip.store
    trip.module.executor.clock = iter(range(10_000)).__next__
    trip.module.executor._sleep = lambda seconds: None
    assert not trip.deliver(ATTEMPTS - 1)
    assert not trip.deliver(ATTEMPTS)
    assert trip.types() == ["TripBegan"]


def test_it_is_shown(trip):
    trip.get_stuck()
    shown = trip.order("show")
    assert (shown["saga"], shown["stream"], shown["status"]) == ("trips", STREAM, "stuck")
    assert shown["correlation"] == "corr"
    assert steps(shown) == {"book_seat": "stuck", "book_room": "done", "time_is_over": "done"}
    (seat, *_) = shown["steps"]
    assert "OutcomePending: book seat: no answer" in seat["error"]
    assert [each["what"] for each in seat["happened"]] == ["stuck"]


def test_tried_anew_it_is_done_at_once(trip):
    trip.get_stuck()
    shown = trip.order("retry", reason="they are back")
    assert (shown["status"], shown["problem"]) == ("ended", "")
    assert trip.types()[-3:] == ["trip.SagaRetried", "Booked", "TripBooked"]
    assert {(commit.correlation, commit.traceparent) for commit in trip.commits()} == {("corr", TRACE)}


def test_what_is_not_done_at_once_is_the_queues(trip):
    trip.get_stuck()
    trip.agency.faults = ["refused"]
    shown = trip.order("retry")
    assert shown["status"] == "running"
    assert "no answer" in shown["problem"]
    retried = next(commit for commit in trip.commits() if "trip.SagaRetried" in commit.types)
    assert trip.deliver(1, bus_message(retried, "travel"))
    assert trip.types()[-1] == "TripBooked"


def test_skipped_and_cancelled(trip):
    trip.get_stuck()
    assert steps(trip.order("skip"))["book_seat"] == "skipped"
    shown = trip.order("cancel")
    assert (shown["status"], steps(shown)["book_seat"], steps(shown)["book_room"]) == (
        "cancelled",
        "skipped",
        "compensated",
    )


def test_a_deployment_that_feeds_the_queue_too_little_is_stopped(trip):
    types = sorted(travels.service.reactions.stored_types())
    assert trip.module.handler({"check": types}, Context()) == {"checked": len(types)}
    with pytest.raises(DefinitionError, match=r"reactions to TripBegan, trip.SagaRetried.*`effect_types`"):
        trip.module.handler({"check": ["TripBooked", "TripCancelling", "Other"]}, Context())


def test_a_refusal_is_an_answer_and_no_fault_of_the_function(trip):
    trip.deliver(1)
    trip.deliver(1, bus_message(trip.commits()[1], "travel"))
    assert "the trip is booked (too-late)" in trip.order("cancel")["refused"]
    assert "no step that is stuck" in trip.order("retry")["refused"]
    assert "order: is one of show, retry, skip, cancel; got 'delete'" in trip.order("delete")["refused"]
    assert "stream" in trip.order("show", stream="acme#tally#all")["refused"]
    assert "there is no trip#x" in trip.order("show", stream="acme#trip#x")["refused"]
