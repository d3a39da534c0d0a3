"""A batch's streams go in together, on DynamoDB as in memory; `tests/sql/test_together.py` has PostgreSQL."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from foldstack.aws.batch_projector import BatchProjector
from foldstack.aws.projector import by_stream
from foldstack.aws.view_batches import DynamoViewBatches
from foldstack.kernel.errors import StoreThrottled, StoreTimeout

from .domain import POISONED, Created, Noted, Priced, articles
from .fakes import Crash, Death, MemoryViewStore, Parked, Watched
from .library import PROJECTIONS, Library, assert_equals_fold, published, stream

New = Callable[..., tuple[Any, Any]]


@pytest.fixture(params=["memory", pytest.param("emulator", marks=pytest.mark.emulator)])
def new(request: pytest.FixtureRequest) -> New:
    """Makes an empty store, and what its requests go through: a Watched of these."""

    def make(*watching: Any) -> tuple[Any, Any]:
        if request.param == "memory":
            watched = Watched(MemoryViewStore(), *watching)
            return watched, watched
        tables = request.getfixturevalue("tables")
        tables.empty()
        watched = Watched(tables.dynamodb, *watching)
        return DynamoViewBatches(watched, tables.of_views), watched

    return make


def projector_of(library: Library, views: Any, park: Any = None) -> BatchProjector:
    return BatchProjector(
        PROJECTIONS,
        library.store,
        views,
        Parked() if park is None else park,
        sleep=lambda seconds: None,
        rng=random.Random(0),
    )


def deliver(to: BatchProjector, envelopes: Any) -> set[str]:
    """As the handler does with a batch; which streams went by themselves."""
    groups = by_stream(envelopes)
    together = to.project_together(groups)
    alone = groups.keys() - together.keys()
    for key in alone:
        to.project(groups[key][0].stream, groups[key])
    return set(alone)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_the_road_does_it_ends_as_the_fold(new, seed):
    rng = random.Random(seed)
    library = Library().grow(rng, streams=6, commits=6)
    views, _ = new()
    delivered = published(library.commits, rng)
    delivered += rng.choices(delivered, k=20)
    rng.shuffle(delivered)
    while delivered:
        size = rng.choice([1, 5, 30])
        deliver(projector_of(library, views), delivered[:size])
        delivered = delivered[size:]
    assert_equals_fold(views, library.store)


@pytest.mark.emulator
def test_a_batch_of_many_streams_is_a_read_and_a_write_of_dynamodb(tables):
    library, client = Library(), Watched(tables.dynamodb)
    views = DynamoViewBatches(client, tables.of_views)
    for n in range(20):
        library.commit(f"a{n}", Noted(text="of trails alone"))
    assert deliver(projector_of(library, views), published(library.commits)) == set()
    assert client.calls == ["batch_get_item", "batch_execute_statement"]
    assert_equals_fold(views, library.store)


def test_poison_goes_by_itself(new):
    library, park, (views, _) = Library(), Parked(), new()
    for id in "abc":
        library.commit(id, Created(price=Decimal(1), shelf="x"))
    POISONED.add(("b", 1))
    assert deliver(projector_of(library, views, park), published(library.commits)) == {stream("b").key}
    assert [(p["projection"], p["stream"]) for p in park] == [("articles", stream("b").key)]
    assert views.read(articles, stream("b")).parked is not None
    assert views.read(articles, stream("c")).cursor == 2


def test_a_row_that_another_moved_goes_by_itself(new):
    library, (views, _) = Library(), new()
    for id in "abc":
        library.commit(id, Created(price=Decimal(1), shelf="x"))
    deliver(projector_of(library, views), published(library.commits))
    later = [library.commit(id, Priced(price=Decimal(2))) for id in "abc"]
    read_many = views.read_many

    def overtaken(projection: Any, streams: Any) -> Any:
        leads = read_many(projection, streams)
        if projection is articles:
            projector_of(library, views).project(stream("b"), published([later[1]]))
        return leads

    views.read_many = overtaken
    assert deliver(projector_of(library, views), published(later)) == {stream("b").key}
    assert_equals_fold(views, library.store)


@pytest.mark.parametrize("fault", [StoreTimeout("no answer"), StoreThrottled("not now"), RuntimeError("of ours")])
@pytest.mark.parametrize("after", [False, True])
def test_a_fault_leaves_each_stream_to_itself_and_is_told(new, fault, after, caplog):
    library, faults = Library().grow(random.Random(3), streams=4, commits=4), [fault]

    def trouble(name: str) -> None:
        if faults and name != "read":
            raise faults.pop()

    views, _ = new(*((lambda name: None, trouble) if after else (trouble,)))
    deliver(projector_of(library, views), published(library.commits))
    assert faults == []
    assert "its streams go one by one" in caplog.text
    assert_equals_fold(views, library.store)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_request_loses_and_repeats_nothing(new, when):
    library = Library().grow(random.Random(5), streams=3, commits=4)
    road = published(library.commits)
    random.Random(6).shuffle(road)
    undisturbed = Death()
    deliver(projector_of(library, new(undisturbed.before, undisturbed.after)[0]), road)
    assert undisturbed.ended >= 4
    for step in range(undisturbed.ended):
        death = Death(**{when: step})
        views, _ = new(death.before, death.after)
        with pytest.raises(Crash):
            deliver(projector_of(library, views), road)
        deliver(projector_of(library, views), road)
        assert_equals_fold(views, library.store)
