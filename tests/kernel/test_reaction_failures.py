"""Several reactions to one event: what fails is told, and keeps nobody else from being done."""

import pytest
from foldstack import OutcomePending

from .test_reactor import Count, Placed, Settle, Settled, World


@pytest.fixture
def world():
    return World()


def test_one_that_fails_does_not_keep_the_others_from_being_run(world):
    """Nor does one that hangs: each effect has its share of the time."""
    seconds = []

    @world.reactions.effect(on=Placed, of=world.order)
    def ask(event, outside, context):
        seconds.append(context.seconds)
        return Settle(order=context.stream_id, receipt="asked")

    @world.reactions.automation(on=Placed, of=world.order)
    def tell(event, context):
        return Count(tally="told", by=1)

    world.provider.silent = True
    with pytest.raises(OutcomePending, match="no answer"):
        world.drive(world.place())
    assert [round(world.contexts[0].seconds), *map(round, seconds)] == [5, 10]
    assert world.events()["acme#tally#told"] == [("Counted", {"by": 1})]


def test_of_several_failures_the_one_that_time_does_not_mend_is_raised(world):
    @world.reactions.automation(on=Placed, of=world.order)
    def broken(event, context):
        raise ValueError("for ever")

    world.provider.silent = True
    with pytest.raises(ValueError, match="for ever") as caught:
        world.drive(world.place())
    assert caught.value.__notes__ == ["beside it: OutcomePending: no answer"]


def test_what_follows_in_the_queue_tells_of_its_own_failures(world):
    """The commit that an effect made has a message, and attempts, of its own."""
    world.reactions.all[1] = world.reactions.all[1].__class__("count", Settled, world.order, broken, False)
    assert [each.reaction for each in world.drive(world.place())] == ["charge"]
    with pytest.raises(ValueError, match="for ever"):
        world.drive(world.commits("order", "o1")[1])
    with pytest.raises(ValueError, match="for ever"):
        world.drive(world.commits("order", "o1")[0], request=True)


def broken(event, context):
    raise ValueError("for ever")
