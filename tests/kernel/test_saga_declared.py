"""What a service knows of its sagas: their commands, and their view."""

import pytest

from .travel import Travel
from .trips import TripBooked, TripCancelled, TripCancelling


@pytest.fixture
def travel():
    return Travel()


def test_no_queue_takes_a_sagas_own_commands(travel):
    types = travel.saga.types
    for each in (types.record_stuck, types.retry, types.skip, types.cancel):
        assert each.type_name.startswith("trip.")
        assert each.type_name not in travel.service.commands
        assert travel.service.aggregate_of(each) is travel.saga.of
    assert "GiveUp" in travel.service.commands


def test_its_view_is_one_of_the_services(travel):
    assert travel.service.projections == {"trips": travel.saga.projection}
    events = {"TripBegan", "TripCancelling", "trip.SagaStuck", "trip.SagaRetried", "trip.SagaStepSkipped"}
    assert events < travel.saga.projection.stored_types
    assert "trip.SagaRetried" in travel.service.reactions.stored_types()
    assert {TripBooked, TripCancelled, TripCancelling} < travel.saga.projection.types
