"""A saga: steps, timeouts, compensations; and what is recorded, shown and done by hand when a step can't be done."""

import pytest
from foldstack import given
from foldstack.kernel.errors import InvalidValue, OperationRefused
from foldstack.kernel.keys import StreamId

from tests.store.faults import FaultyStore

from .travel import ACME, ATTEMPTS, TRACE, Travel
from .trips import HOUR, NOW, Begin, Booked, Trip, TripBegan


@pytest.fixture
def travel():
    return Travel()


def stuck(travel, *faults, step="book_seat"):
    """A trip one step of which has used up its attempts."""
    travel.begin()
    travel.agency.faults = list(faults) or ["refused", ""] + ["refused"] * (ATTEMPTS - 1)
    travel.drain()
    assert travel.row().status == "stuck"
    assert travel.row().step == step
    return travel


def test_it_runs_from_its_beginning_to_its_end(travel):
    travel.begin(deadline=NOW + HOUR)
    assert travel.row() is None or travel.row().status == "running"
    travel.drain()
    assert travel.types() == ["TripBegan", "Booked", "Booked", "TripBooked"]
    row = travel.row()
    assert (row.saga, row.id, row.status, row.phase, row.due) == ("trips", "t", "ended", "ended", None)
    assert travel.steps() == {"book_seat": "done", "book_room": "done", "time_is_over": "overtaken", "count": "done"}
    assert not travel.timer.waiting, "what is over has no timeout"


def test_a_timeout_that_was_set_before_it_ended_does_nothing(travel):
    travel.begin(deadline=NOW + HOUR)
    travel.agency.faults = ["refused"]
    travel.publish()
    travel.deliver(("acme#trip#t", 1))
    assert travel.steps()["time_is_over"] == "scheduled"
    travel.drain()
    assert travel.row().due is None
    assert travel.fire(NOW + HOUR) == 1
    assert travel.types()[-1] == "TripBooked"


def test_in_its_time_it_is_cancelled_and_what_was_done_is_undone(travel):
    travel.begin(deadline=NOW + HOUR)
    travel.agency.faults = ["", *["lost"] * 10]
    travel.publish()
    travel.deliver(("acme#trip#t", 1))
    assert travel.row().due == NOW + HOUR
    assert travel.fire(NOW + HOUR) == 1
    assert travel.row().status == "compensating"
    assert travel.row().due is None
    assert travel.steps()["book_room"] == "overtaken"
    travel.agency.faults = ["lost"]
    travel.drain()
    assert travel.types()[-1] == "TripCancelled"
    assert travel.row().status == "cancelled"
    assert travel.steps() == {
        "book_seat": "compensated",
        "book_room": "compensated",
        "time_is_over": "done",
        "return_seat": "done",
        "return_room": "done",
    }
    assert set(travel.agency.there.values()) == {"given back"}
    assert travel.agency.made == travel.agency.undone


def test_a_step_is_not_begun_any_more_when_its_compensation_was_set_off(travel):
    travel.begin(deadline=NOW + HOUR)
    travel.agency.faults = ["refused", "refused"]
    travel.publish()
    travel.deliver(("acme#trip#t", 1))
    travel.fire(NOW + HOUR)
    travel.drain()
    assert travel.agency.calls == ["book seat", "book room", "return seat", "return room"]
    assert travel.dead == []


def test_no_timeout_without_a_moment(travel):
    travel.begin()
    travel.drain()
    assert not travel.timer.waiting
    assert travel.steps()["time_is_over"] == "done"


def test_a_step_that_has_used_up_its_attempts_is_stuck_and_its_neighbour_is_done(travel):
    stuck(travel, "refused", "", *["refused"] * (ATTEMPTS - 2), "broken")
    assert travel.types() == ["TripBegan", "Booked", "trip.SagaStuck"]
    row = travel.row()
    assert (row.status, row.phase, row.step) == ("stuck", "running", "book_seat")
    assert row.error == "ValueError: book seat: what is this?"
    assert [(each.event, each.attempts) for each in row.stuck] == [("acme#trip#t@1", ATTEMPTS)]
    assert travel.told == [("book_seat", row.error)]
    assert travel.dead == [], "it is recorded, and so acknowledged"
    assert travel.steps()["book_room"] == "done"


def test_without_a_saga_it_is_a_dead_letter_as_ever(travel):
    travel.service.reactions.all.append(travel.saga.steps["count"].__class__("odd", TripBegan, travel.saga.of, odd, 0))
    travel.begin()
    travel.drain()
    assert travel.dead == [("acme#trip#t", 1)]
    assert travel.types() == ["TripBegan", "Booked", "Booked", "TripBooked"], "the others are done all the same"


def odd(event, context):
    raise ValueError("always")


def test_what_cannot_be_recorded_is_a_dead_letter(travel):
    travel.begin()
    travel.agency.faults = ["refused"] * 2 * ATTEMPTS
    travel.publish()
    for _ in range(ATTEMPTS - 1):
        travel.deliver(("acme#trip#t", 1))
    travel.store = Refusing(travel.memory)
    travel.deliver(("acme#trip#t", 1))
    assert travel.dead == [("acme#trip#t", 1)]
    assert travel.types() == ["TripBegan"]


class Refusing(FaultyStore):
    def append(self, commit):
        raise ValueError("no")


def test_a_step_whose_command_is_rejected_is_stuck_at_once():
    travel = Travel(limit=0)
    travel.begin()
    travel.drain()
    row = travel.row()
    assert (row.status, row.phase, row.step) == ("stuck", "ended", "count")
    assert row.error == "rejected: full: no more trips"
    travel.order("retry")
    travel.drain()
    assert travel.types().count("trip.SagaStuck") == 2
    travel.order("skip")
    assert travel.row().status == "ended"
    assert travel.steps()["count"] == "skipped"


def test_recorded_once_however_often_it_is_delivered(travel):
    stuck(travel)
    for _ in range(3):
        travel.messages["acme#trip#t", 1] = ATTEMPTS
        travel.agency.faults = ["refused"]
        travel.deliver(("acme#trip#t", 1))
    assert travel.types().count("trip.SagaStuck") == 1
    assert len(travel.told) == 1


def test_an_outcome_that_arrives_in_the_last_moment_wins(travel):
    """Recorded by another process between the last attempt and the record: nothing is stuck."""
    travel.begin()
    book, late = travel.agency.book, []

    def slow(kind, trip):
        answer = book(kind, trip)
        if kind == "seat" and not late:
            late.append(True)
            other = travel.reactor()
            other.drive(travel.commits()[0], travel.executor.clock() + 60)
            raise ValueError("and this one died")
        return answer

    travel.agency.book = slow
    travel.publish()
    travel.messages["acme#trip#t", 1] = ATTEMPTS
    travel.deliver(("acme#trip#t", 1))
    travel.drain()
    assert travel.types() == ["TripBegan", "Booked", "Booked", "TripBooked"]
    assert travel.told == []


# By hand


def test_tried_anew_it_goes_on_in_its_own_trace(travel):
    stuck(travel)
    travel.order("retry", reason="they are back")
    assert travel.row().status == "running"
    travel.drain()
    assert travel.types()[2:] == ["trip.SagaStuck", "trip.SagaRetried", "Booked", "TripBooked"]
    assert travel.row().status == "ended"
    assert travel.agency.made == {("seat", "t"): 1, ("room", "t"): 1}
    for commit in (*travel.commits(), *travel.memory.since(StreamId(ACME, "tally", "all"), 1).commits):
        assert (commit.correlation, commit.traceparent) == ("corr-t", TRACE), commit
    assert travel.commits()[-1].causation == "acme#trip#t@1", "the outcome of the step's own event"
    about = next(each for _, each in travel.operations().show(travel.stream()).steps if each.step == "book_seat")
    assert [(each.what, each.by, each.why) for each in about.happened] == [
        ("stuck", "", f"OutcomePending: book seat: no answer (attempts: {ATTEMPTS})"),
        ("retried", "ann", "they are back"),
    ]


def test_a_retry_has_attempts_of_its_own_and_may_get_stuck_again(travel):
    stuck(travel)
    travel.order("retry")
    travel.agency.faults = ["refused"] * ATTEMPTS
    travel.drain()
    assert travel.types().count("trip.SagaStuck") == 2
    assert travel.row().status == "stuck"
    assert travel.dead == []


def test_skipped_it_counts_as_done(travel):
    stuck(travel)
    travel.order("skip", reason="booked by telephone")
    row = travel.row()
    assert (row.status, row.stuck) == ("running", ())
    assert travel.steps()["book_seat"] == "skipped"
    travel.agency.calls.clear()
    travel.messages["acme#trip#t", 1] = 1
    travel.drain()
    assert travel.agency.calls == [], "delivered again it is found"


def test_an_outcome_that_comes_after_it_was_skipped_has_no_effect(travel):
    stuck(travel)
    book = travel.agency.book

    def slow(kind, trip):
        travel.agency.book = book
        travel.order("skip")
        return book(kind, trip)

    travel.agency.book = slow
    travel.messages["acme#trip#t", 1] = 0
    travel.deliver(("acme#trip#t", 1))
    assert travel.types()[-1] == "trip.SagaStepSkipped"


def test_an_automation_of_a_saga_is_skipped_too():
    travel = Travel(limit=0)
    travel.begin()
    travel.drain()
    travel.order("skip")
    travel.limit = 1
    booked = next(commit for commit in travel.commits() if "TripBooked" in commit.types)
    travel.messages[booked.stream.key, booked.first] = 0
    travel.drain()
    assert "acme#tally#all" not in travel.memory.streams()


def test_cancelled_by_hand_it_is_undone(travel):
    stuck(travel)
    travel.order("cancel", reason="the customer called")
    assert travel.row().status == "compensating", "what is being undone is not stuck"
    travel.drain()
    assert travel.row().status == "cancelled"
    cancelling = next(commit for commit in travel.commits() if "TripCancelling" in commit.types)
    assert (cancelling.actor, cancelling.correlation, cancelling.traceparent) == ("operator:ann", "corr-t", TRACE)
    assert [key for key, state in travel.agency.there.items() if state == "booked"] == []


def test_what_is_not_possible_is_refused_with_the_reason(travel):
    travel.begin()
    travel.drain()
    for kind in ("retry", "skip"):
        with pytest.raises(OperationRefused, match="no step that is stuck: book_seat is done, book_room is done"):
            travel.order(kind)
        with pytest.raises(OperationRefused, match="no step book_room"):
            travel.order(kind, step="book_room")
    with pytest.raises(OperationRefused, match=r"the trip is booked \(too-late\)"):
        travel.order("cancel")
    with pytest.raises(InvalidValue, match=r"step: is one of book_seat, .*; got 'fly'"):
        travel.order("skip", step="fly")
    with pytest.raises(InvalidValue, match="there is no trip#other of tenant acme"):
        travel.order("retry", trip="other")
    with pytest.raises(InvalidValue, match="reason: say it"):
        travel.order("cancel", reason="")
    with pytest.raises(InvalidValue, match="tally is no saga's; there are sagas of trip"):
        travel.operations().show(StreamId(ACME, "tally", "all"))


def test_of_several_that_are_stuck_one_is_chosen(travel):
    stuck(travel, *["refused"] * 2 * ATTEMPTS)
    assert {each.step for each in travel.row().stuck} == {"book_seat", "book_room"}
    with pytest.raises(OperationRefused, match="several steps of trip#t are stuck, say which"):
        travel.order("retry")
    travel.order("retry", step="book_room")
    travel.drain()
    assert [each.step for each in travel.row().stuck] == ["book_seat"]


def test_a_step_that_is_only_pending_is_tried_anew_when_it_is_named(travel):
    """Its message was lost: it could not be recorded as stuck."""
    travel.begin()
    travel.order("retry", step="book_room")
    travel._seen.add(("acme#trip#t", 1))
    travel.drain()
    assert travel.types() == ["TripBegan", "trip.SagaRetried", "Booked"]


class Late(FaultyStore):
    """Another process is done with the trip's first steps right before the first commit of a type."""

    def __init__(self, travel, type_name):
        super().__init__(travel.memory)
        self.travel, self.type_name, self.done = travel, type_name, False

    def append(self, commit):
        if self.type_name in commit.types and not self.done:
            self.done = True
            travel, store = self.travel, self.travel.store
            travel.store, travel.agency.faults = travel.memory, []
            mine, executor = travel.reactor(), travel.executor
            mine.drive(travel.commits()[0], executor.clock() + 60)
            travel.store = store
        return super().append(commit)


@pytest.mark.parametrize("kind", ["skip", "retry"])
def test_what_happens_meanwhile_is_looked_at_first(travel, kind):
    stuck(travel)
    name = {"skip": "trip.SagaStepSkipped", "retry": "trip.SagaRetried"}[kind]
    travel.store = Late(travel, name)
    with pytest.raises(OperationRefused, match=r"book_seat .*is done"):
        travel.order(kind)
    assert name not in travel.types()


def test_a_step_that_is_done_meanwhile_is_not_recorded_as_stuck(travel):
    travel.begin()
    travel.store = Late(travel, "trip.SagaStuck")
    travel.agency.faults = ["refused", "refused"]
    travel.publish()
    travel.messages["acme#trip#t", 1] = ATTEMPTS
    travel.deliver(("acme#trip#t", 1))
    assert travel.store.done
    assert travel.types() == ["TripBegan", "Booked", "Booked", "TripBooked"]


def test_stuck_no_longer_when_somebody_else_is_done_with_it(travel):
    """A client asks again with its key: its request drives the step itself."""
    stuck(travel)
    travel.reactor().drive(travel.commits()[0], travel.executor.clock() + 60, request=True)
    assert travel.row().status == "ended"
    assert travel.steps()["book_seat"] == "done"


def test_a_lost_answer_of_the_store_does_not_record_it_twice(travel):
    travel.begin()
    travel.agency.faults = ["refused"] * 2 * ATTEMPTS
    store = FaultyStore(travel.memory)
    travel.store = store
    travel.publish()
    travel.messages["acme#trip#t", 1] = ATTEMPTS - 1
    store.faults.extend(["stored", "dropped"])
    travel.deliver(("acme#trip#t", 1))
    assert travel.types().count("trip.SagaStuck") == 2, "one for each step"


def test_state_snapshots_and_the_domains_own_tests_do_not_see_it(travel):
    stuck(travel)
    types, aggregate = travel.saga.types, travel.saga.of
    about = {"step": "book_seat", "event": "acme#trip#t@1"}
    interlude = [
        types.stuck(**about, error="e", attempts=3),
        types.retried(**about, by="ann", reason="r"),
        types.skipped(**about, by="ann", reason="r"),
    ]
    events = [TripBegan(trip="t"), *interlude, Booked(kind="seat")]
    given(aggregate, *events).when(Begin(trip="t")).then()
    assert aggregate.fold(events) == Trip(status="pending", booked=("seat",))
    for _ in range(12):  # past the commit that carries a snapshot
        travel.order("retry", step="book_seat")
        travel.agency.faults = ["refused"] * ATTEMPTS
        travel.drain()
    assert any(commit.snapshot for commit in travel.commits())
    travel.reactor()
    assert travel.executor.load(travel.stream(), aggregate).state == Trip(status="pending", booked=("room",))
    travel.order("retry")
    travel.drain()
    assert travel.row().status == "ended"
