"""A saga's view through the real projector, in both stores: whatever is repeated, late or lost, it is the fold."""

import random

import pytest
from foldstack.aws.projector import Projector, by_stream
from foldstack.aws.view_rows import model_of
from foldstack.kernel.envelope import Envelope

from tests.kernel.travel import ACME, Travel
from tests.kernel.trips import HOUR, NOW

from .fakes import MemoryViewStore, Parked


@pytest.fixture(params=["memory", "postgres"])
def new_views(request):
    if request.param == "memory":
        return lambda travel: MemoryViewStore()
    database = request.getfixturevalue("database")
    return lambda travel: database.store([travel.saga.projection])


def history() -> Travel:
    """A saga that gets stuck, is done with by somebody else, gets stuck again, is tried anew, skipped and cancelled."""
    travel = Travel(limit=0)
    travel.begin("a", deadline=NOW + HOUR)
    travel.agency.faults = ["refused"] * 5
    travel.drain()
    travel.reactor().drive(travel.commits("a")[0], travel.executor.clock() + 60, request=True)
    travel.begin("b", deadline=NOW + HOUR)
    travel.agency.faults = ["refused"] * 6
    travel.drain()
    travel.agency.faults = ["refused"]
    travel.order("retry", "b", step="book_room")
    travel.order("skip", "b", step="book_seat")
    travel.drain()
    travel.order("cancel", "b")
    travel.drain()
    travel.order("retry", "a", step="count")
    travel.drain()
    return travel


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_fold_however_it_is_delivered(new_views, seed):
    travel, rng = history(), random.Random(seed)
    projection = travel.saga.projection
    commits = [commit for trip in "ab" for commit in travel.commits(trip)]
    envelopes = [Envelope.parse(Envelope.of(each).to_dict("travel")) for each in commits * 2]
    rng.shuffle(envelopes)
    views = new_views(travel)
    projector = Projector([projection], travel.memory, views, Parked(), sleep=lambda seconds: None, rng=rng)
    for start in range(0, len(envelopes), 4):
        for group in by_stream(envelopes[start : start + 4]).values():
            projector.project(group[0].stream, group)
    rows = {id: model_of(projection, lead.row) for id, lead in views.rows(projection, ACME, None, 10)}
    assert rows == {trip: travel.row(trip) for trip in "ab"}
    assert (rows["a"].status, rows["a"].step, rows["b"].status) == ("stuck", "count", "cancelled")
    assert [each.step for each in rows["a"].stuck] == ["count"]


def test_one_by_one_as_it_happens(new_views):
    """Each envelope tells whose outcome it is: nothing else says that a step is no longer stuck."""
    travel = history()
    projection = travel.saga.projection
    views = new_views(travel)
    projector = Projector([projection], travel.memory, views, Parked(), sleep=lambda seconds: None)
    row = None
    for commit in travel.commits("a"):
        row = projection.apply(row, commit.stored, "a", commit.time, commit.causation, commit.reaction)
        projector.project(commit.stream, [Envelope.parse(Envelope.of(commit).to_dict("travel"))])
        assert model_of(projection, views.read(projection, commit.stream).row) == row
