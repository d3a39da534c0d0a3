"""How far a generation is behind, on whatever road: its rows against the store."""

import random
from decimal import Decimal

import pytest
from foldstack.aws import lag as lag_module
from foldstack.aws.lag import Lag, Late

from .domain import Created, Noted, Priced, articles
from .fakes import Clock
from .library import Library, deliver, projector, published, stream
from .test_sweep import MemoryHeads


def late(library: Library, views, clock: Clock, **more) -> list[Late]:
    heads = MemoryHeads(library.store)
    return Lag(articles, heads, views, 1, clock=clock, **{"sleep": clock.sleep, "patience": 3.0, **more}).late()


def lives(count: int) -> Library:
    library = Library()
    for n in range(count):
        library.commit(f"a{n:02}", Created(price=Decimal(n), shelf="x"))
    return library


def test_a_view_that_holds_everything_is_not_late(new_views):
    library, views, clock = Library().grow(random.Random(1), streams=9, commits=9), new_views(), Clock()
    deliver(projector(library.store, views), published(library.commits))
    assert (late(library, views, clock), clock.now) == ([], 0)


def test_what_does_not_come_is_late_after_a_while(new_views):
    library, views, clock = lives(30), new_views(), Clock()
    deliver(projector(library.store, views), published(library.commits[1:]))
    library.commit("a07", Priced(price=Decimal(7)))
    library.commit("a08", Noted(text="no row changes"))
    told = []
    assert late(library, views, clock, tell=told.append) == [Late(stream("a00"), 1, 2), Late(stream("a07"), 2, 3)]
    assert clock.now >= 3
    assert told[-1] == len(library.commits)


def test_what_is_under_way_arrives(new_views):
    """Commits keep coming, and each is late when it is looked at."""
    library, views, clock = lives(3), new_views(), Clock()
    road = list(library.commits)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        library.commit("a00", Priced(price=Decimal(1)))
        deliver(projector(library.store, views), published([road.pop()]))

    assert late(library, views, clock, sleep=sleep) == []
    assert 0 < clock.now < 3


def test_a_row_of_another_epoch_is_late(new_views):
    library, views, clock = lives(2), new_views(), Clock()
    deliver(projector(library.store, views), published(library.commits))
    assert len(Lag(articles, MemoryHeads(library.store), views, 2, clock=clock, sleep=clock.sleep).late()) == 2


@pytest.mark.parametrize("delivered", [0, 30])
def test_many_end_it_early_unless_they_arrive(new_views, monkeypatch, delivered):
    monkeypatch.setattr(lag_module, "MOST_TOGETHER", 10)
    library, views, clock, told = lives(30), new_views(), Clock(), []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        deliver(projector(library.store, views), published(library.commits[:delivered]))

    found = late(library, views, clock, sleep=sleep, tell=told.append)
    assert (len(found), told[-1]) == ((0, 30) if delivered else (14, 14))


def test_other_projections_and_their_events_do_not_matter(new_views):
    library, views, clock = lives(2), new_views(), Clock()
    deliver(projector(library.store, views), published(library.commits))
    library.commit("a00", Noted(text="for trails alone"))
    assert late(library, views, clock) == []
