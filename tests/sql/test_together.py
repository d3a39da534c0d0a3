"""A batch's streams go in together: one read and one write a projection, and what does not fit goes by itself."""

import random
from decimal import Decimal

import pytest
from foldstack.aws.batch_projector import BatchProjector
from foldstack.aws.projector import by_stream
from foldstack.aws.sql import view_store
from foldstack.kernel.errors import StoreThrottled, StoreTimeout

from tests.consumers.domain import POISONED, Created, Deleted, Priced, articles, trails
from tests.consumers.fakes import Crash, Death, Parked, Watched
from tests.consumers.library import PROJECTIONS, Library, assert_equals_fold, published, stream

from .support import Database


def projector_of(library: Library, views, park=None) -> BatchProjector:
    return BatchProjector(
        PROJECTIONS,
        library.store,
        views,
        Parked() if park is None else park,
        sleep=lambda seconds: None,
        rng=random.Random(0),
    )


def deliver(to: BatchProjector, envelopes) -> set[str]:
    """As the handler does with a batch; which streams went by themselves."""
    groups = by_stream(envelopes)
    together = to.project_together(groups)
    alone = groups.keys() - together.keys()
    for key in alone:
        to.project(groups[key][0].stream, groups[key])
    return set(alone)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_road_does_it_ends_as_the_fold(database: Database, seed):
    rng = random.Random(seed)
    library = Library().grow(rng, streams=6, commits=6)
    sql = Watched(database.projector)
    views = database.store(PROJECTIONS, sql)
    delivered = published(library.commits, rng)
    delivered += rng.choices(delivered, k=20)
    rng.shuffle(delivered)
    while delivered:
        size = rng.choice([1, 5, 30])
        deliver(projector_of(library, views), delivered[:size])
        delivered = delivered[size:]
    assert_equals_fold(views, library.store)


def test_a_batch_of_many_streams_is_a_read_and_a_write_for_each_projection(database: Database):
    library = Library()
    for n in range(50):
        library.commit(f"a{n}", Created(price=Decimal(n), shelf="xyz"[n % 3]))
    sql = Watched(database.projector)
    views = database.store(PROJECTIONS, sql)
    assert deliver(projector_of(library, views), published(library.commits)) == set()
    assert sql.calls == ["run"] * 4
    assert_equals_fold(views, library.store)


def test_deletions_are_in_the_same_transaction(database: Database):
    library = Library()
    for n in range(6):
        library.commit(f"a{n}", Created(price=Decimal(n), shelf="x"))
    sql = Watched(database.projector)
    views = database.store(PROJECTIONS, sql)
    deliver(projector_of(library, views), published(library.commits))
    sql.calls.clear()
    gone = [library.commit(f"a{n}", Deleted()) for n in (1, 4)]
    assert deliver(projector_of(library, views), published(gone)) == set()
    assert sorted(sql.calls) == ["run", "run", "run", "transaction"]
    assert_equals_fold(views, library.store)
    assert views.read(articles, stream("a1")).row is None, "its cursor stays"


def test_a_row_that_another_moved_goes_by_itself_and_the_others_together(database: Database):
    library = Library()
    for id in "abc":
        library.commit(id, Created(price=Decimal(1), shelf="x"))
    views = database.store(PROJECTIONS)
    deliver(projector_of(library, views), published(library.commits))
    later = [library.commit(id, Priced(price=Decimal(2))) for id in "abc"]
    mine = projector_of(library, views)
    read_many = views.read_many

    def overtaken(projection, streams):
        leads = read_many(projection, streams)
        if projection is articles:
            projector_of(library, database_store).project(stream("b"), published([later[1]]))
        return leads

    database_store = view_store.SqlViewStore(database.projector, str(views.tables(articles).rows.schema), PROJECTIONS)
    views.read_many = overtaken
    assert deliver(mine, published(later)) == {stream("b").key}
    assert_equals_fold(views, library.store)


def test_poison_goes_by_itself(database: Database):
    library, park = Library(), Parked()
    for id in "abc":
        library.commit(id, Created(price=Decimal(1), shelf="x"))
    POISONED.add(("b", 1))
    views = database.store(PROJECTIONS)
    assert deliver(projector_of(library, views, park), published(library.commits)) == {stream("b").key}
    assert [(p["projection"], p["stream"]) for p in park] == [("articles", stream("b").key)]
    assert views.read(articles, stream("b")).parked is not None
    assert views.read(trails, stream("b")).parked is None
    assert views.read(articles, stream("c")).cursor == 2


@pytest.mark.parametrize("fault", [StoreTimeout("no answer"), StoreThrottled("not now"), RuntimeError("of ours")])
@pytest.mark.parametrize("after", [False, True])
def test_a_fault_leaves_each_stream_to_itself(database: Database, fault, after):
    library = Library().grow(random.Random(3), streams=4, commits=4)
    faults = [fault]

    def trouble(name: str) -> None:
        if faults:
            raise faults.pop()

    sql = Watched(database.projector, **{"after" if after else "before": trouble})
    views = database.store(PROJECTIONS, sql)
    deliver(projector_of(library, views), published(library.commits))
    assert faults == []
    assert_equals_fold(views, library.store)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_statement_loses_and_repeats_nothing(database: Database, when):
    library = Library().grow(random.Random(5), streams=5, commits=5)
    road = published(library.commits)
    random.Random(6).shuffle(road)
    undisturbed = Death()
    sql = Watched(database.projector, undisturbed.before, undisturbed.after)
    deliver(projector_of(library, database.store(PROJECTIONS, sql)), road)
    assert undisturbed.ended >= 4
    for step in range(undisturbed.ended):
        death = Death(**{when: step})
        views = database.store(PROJECTIONS, Watched(database.projector, death.before, death.after))
        with pytest.raises(Crash):
            deliver(projector_of(library, views), road)
        deliver(projector_of(library, views), road)
        assert_equals_fold(views, library.store)


def test_a_statement_takes_as_much_as_it_can_hold(database: Database, monkeypatch):
    monkeypatch.setattr(view_store, "MOST_PARAMETER_BYTES", 2000)
    library = Library()
    for n in range(60):
        library.commit(f"a{n}", Created(price=Decimal(n), shelf="x" * 30))
    sql = Watched(database.projector)
    views = database.store(PROJECTIONS, sql)
    assert deliver(projector_of(library, views), published(library.commits)) == set()
    assert 4 < len(sql.calls) < 20
    assert_equals_fold(views, library.store)
