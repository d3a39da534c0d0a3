"""The steps of a rebuild: what each needs, leaves, refuses, and survives."""

import random
import threading
from decimal import Decimal

import pytest
from foldstack.aws.commit_scan import CommitTableScan
from foldstack.aws.compare import compare
from foldstack.aws.generations import FEEDERS_LOOK, SETTLED, Generations
from foldstack.aws.projector import Projector
from foldstack.aws.rebuild import NotReady, Rebuild, Stopped
from foldstack.aws.sweep import CommitTableHeads
from foldstack.kernel.errors import OperationRefused, StoreThrottled
from foldstack.kernel.projection import Projection

from .domain import POISONED, ArticleRow, Created, Moved, Noted, Priced, article, articles, trails
from .fakes import Clock, Crash, Death, MemoryViewStore, Parked, Watched
from .library import TENANTS, Library, deliver, projector, published, stream
from .rebuilding import MemoryScan, assert_generation_equals_fold, half_built, rebuild_of
from .test_sweep import MemoryHeads

A = stream("a")


@pytest.mark.parametrize(("settled", "whole"), [(SETTLED, True), (0.0, False)])
def test_it_scans_only_when_every_projector_has_looked(settled, whole):
    """An event that comes after its page was read, to a projector that looked just before the rebuild began."""
    library, views, clock = small(), MemoryViewStore(), Clock()
    looks = Generations(lambda: views, FEEDERS_LOOK, clock=clock)
    feeding = Projector([articles], library.store, views, Parked(), generations=looks)
    deliver(feeding, published(library.commits))

    class Scan(MemoryScan):
        def page(self, *where):
            found = super().page(*where)
            clock.sleep(FEEDERS_LOOK / 2)
            deliver(feeding, published([library.commit("a", Priced(price=Decimal(7)))]))
            return found

    rebuild_of(
        articles, library.store, views, Scan(library.store, 99), clock=clock, sleep=clock.sleep, settled=settled
    ).build()
    green = views.read(articles.in_generation(2), A)
    assert (green.cursor == views.read(articles, A).cursor) is whole


def small(ids: str = "abc") -> Library:
    library = Library()
    for id in ids:
        library.commit(id, Created(price=Decimal(1), shelf="x"))
    return library


def test_a_rebuild_from_begin_to_end(new_views):
    library, views = small(), new_views()
    deliver(projector(library.store, views), published(library.commits))
    mine = rebuild_of(articles, library.store, views)
    assert mine.build().stage == "built"
    assert views.read(articles.in_generation(2), A) == views.read(articles, A)
    assert compare(articles, views).equal
    assert mine.build().stage == "built", "again it has nothing to do"
    assert mine.switch().live == 2
    assert mine.rollback().live == 1
    assert mine.switch().live == 2
    assert mine.finish() > 3, "rows and totals"
    assert mine.control.fed == (2,)
    assert views.read(articles, A) is None
    assert_generation_equals_fold(views, library.store, articles.in_generation(2))
    mine.build()
    assert mine.control.other == 3, "a number is never used again"
    assert mine.cancel() > 3
    assert_generation_equals_fold(views, library.store, articles.in_generation(2))


@pytest.mark.parametrize(
    ("before", "step", "told"),
    [
        ([], "switch", "nothing is built"),
        ([], "rollback", "nothing was switched"),
        (["build"], "finish", "--switch, or --cancel"),
        (["build"], "rollback", "nothing was switched"),
        (["build", "switch"], "cancel", "--rollback first"),
        (["build", "switch"], "build", "--finish"),
        (["build", "switch"], "switch", "nothing is built"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(new_views, before, step, told):
    library, views = small(), new_views()
    mine = rebuild_of(articles, library.store, views)
    for each in before:
        getattr(mine, each)()
    there = mine.control
    with pytest.raises(OperationRefused, match=told):
        getattr(mine, step)()
    assert mine.control == there


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_every_call_of_the_operator(when):
    """What was switched, rolled back or retired when its process died is not done again: the next is told so."""
    undisturbed = Death()
    _operate(undisturbed)
    assert undisturbed.ended > 15
    for step in range(undisturbed.ended):
        views = _operate(Death(**{when: step}))
        assert (views.control(articles).fed, views.items["articles"].keys()) == (
            (2,),
            {key for key in views.items["articles"] if key[0].startswith("acme#articles#1.2")},
        )


def _operate(death: Death) -> MemoryViewStore:
    library, clock = small("abcdefgh"), Clock()
    library.commit("b", Priced(price=Decimal(2)))
    inner = MemoryViewStore()
    deliver(projector(library.store, inner), published(library.commits))
    mortal = Watched(inner, death.before, death.after)
    for step in ("build", "switch", "finish"):
        died = False
        while True:
            mine = rebuild_of(
                articles, library.store, mortal, MemoryScan(library.store, 3), clock=clock, sleep=clock.sleep
            )
            clock.sleep(2)
            try:
                getattr(mine, step)()
                break
            except Crash:
                died = True
            except OperationRefused:
                assert died
                break
    assert_generation_equals_fold(inner, library.store, articles.in_generation(2))
    return inner


def test_it_is_not_ready_while_a_stream_is_parked(new_views):
    library, views = small(), new_views()
    bad = library.commit("b", Priced(price=Decimal(2)))
    library.commit("b", Priced(price=Decimal(3)))
    POISONED.add(("b", bad.first))
    park = Parked()
    mine = rebuild_of(articles, library.store, views)
    mine._projector = projector(library.store, views, park)
    with pytest.raises(NotReady, match=r"acme#article#b at 2"):
        mine.build()
    assert [(each["projection"], each["first"]) for each in park] == [("articles@2", 2)]
    POISONED.clear()
    projector(library.store, views).redrive(articles.in_generation(2), stream("b"))
    assert mine.build().stage == "built"
    assert_generation_equals_fold(views, library.store, articles.in_generation(2))


def test_it_is_not_switched_to_while_it_is_behind(new_views):
    library, views, clock = small(), new_views(), Clock()
    rebuild_of(articles, library.store, views).build()
    late = library.commit("b", Priced(price=Decimal(2)))
    library.commit("c", Noted(text="of no interest"))
    with pytest.raises(NotReady, match=r"rows of 1 streams or more, such as acme#article#b at 2 of 3, did not come on"):
        rebuild_of(articles, library.store, views).switch()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        deliver(Projector([articles.in_generation(2)], library.store, views, Parked()), published([late]))

    mine = rebuild_of(articles, library.store, views, clock=clock, sleep=sleep, patience=1.0)
    assert mine.switch().live == 2
    assert 0 < clock.now < 1


def test_it_goes_on_where_it_was_stopped():
    library, views, stop = small("abcdefghijklmnopqrst"), MemoryViewStore(), threading.Event()
    clock = Clock()

    class Scan(MemoryScan):
        def page(self, *where):
            clock.sleep(2)  # a checkpoint at each page
            if self.asked == 2:
                stop.set()
            return super().page(*where)

    scan = Scan(library.store, 4)
    more = {"clock": clock, "sleep": clock.sleep}
    with pytest.raises(Stopped, match="goes on from here"):
        rebuild_of(articles, library.store, views, scan, **more).build(stop)
    assert scan.asked == 3
    state = views.control(articles)
    assert (state.stage, state.rebuilding.scanned, state.rebuilding.estimate) == ("building", 12, 20)
    assert rebuild_of(articles, library.store, views, scan, **more).build().stage == "built"
    assert scan.asked == 5, "twenty commits, four a page"
    assert_generation_equals_fold(views, library.store, articles.in_generation(2))


def test_one_process_builds_and_the_other_is_told():
    library, views, clock = small("abcdefgh"), MemoryViewStore(), Clock()
    more = {"clock": clock, "sleep": clock.sleep}

    class Scan(MemoryScan):
        def page(self, *where):
            clock.sleep(2)
            if self.asked == 1:
                rebuild_of(articles, library.store, views, MemoryScan(library.store), **more).build()
            return super().page(*where)

    with pytest.raises(OperationRefused, match="another process"):
        rebuild_of(articles, library.store, views, Scan(library.store, 2), **more).build()
    assert views.control(articles).stage == "built"
    assert_generation_equals_fold(views, library.store, articles.in_generation(2))


def test_a_cancelled_rebuild_stops_and_leaves_nothing():
    library, views, clock = small("abcdefgh"), MemoryViewStore(), Clock()

    class Scan(MemoryScan):
        def page(self, *where):
            clock.sleep(2)
            if self.asked == 1:
                rebuild_of(articles, library.store, views).cancel()
            return super().page(*where)

    with pytest.raises(OperationRefused, match="another process"):
        rebuild_of(articles, library.store, views, Scan(library.store, 2), clock=clock, sleep=clock.sleep).build()
    rebuild_of(articles, library.store, views).cancel() if views.control(articles).other else None
    mine = rebuild_of(articles, library.store, views)
    mine.build()
    mine.cancel()
    assert views.items["articles"] == {}, "also what the first wrote after it was given up"


def test_a_rebuild_of_other_code_is_not_continued(new_views, monkeypatch):
    library, views = small(), new_views()
    half_built(rebuild_of(articles, library.store, views))
    monkeypatch.setattr(Projection, "fingerprint", "other")
    with pytest.raises(OperationRefused, match="other code"):
        rebuild_of(articles, library.store, views).build()


def test_a_rebuild_of_another_epoch_is_not_continued(new_views):
    """A restore came between: what was scanned before may be undone."""
    library, views = small(), new_views()
    half_built(rebuild_of(articles, library.store, views))
    after = Rebuild(
        articles,
        MemoryScan(library.store),
        views,
        projector(library.store, views, epoch=2),
        MemoryHeads(library.store),
        clock=lambda: 1e9,
        settled=0.0,
    )
    with pytest.raises(OperationRefused, match="before a restore"):
        after.build()
    after.cancel()
    assert after.build().stage == "built"
    assert views.read(articles.in_generation(3), A).epoch == 2


def test_an_answer_that_was_lost_is_no_other_process():
    library, views = small(), MemoryViewStore()

    class Repeated(MemoryViewStore):
        """The SDK sends the put again, and its condition fails on what the first did."""

        def keep_control(self, *put) -> bool:
            views.keep_control(*put)
            return views.keep_control(*put)

    repeated = Repeated()
    repeated.items, repeated._controls = views.items, views._controls
    mine = rebuild_of(articles, library.store, repeated)
    mine.build()
    assert mine.switch().live == 2


def test_throttled_pages_are_repeated():
    library, views = small("abcdefgh"), MemoryViewStore()
    faults = [StoreThrottled("not now")] * 5

    class Throttled(MemoryScan):
        def page(self, *where):
            if faults:
                raise faults.pop()
            return super().page(*where)

    waits: list[float] = []
    rebuild_of(articles, library.store, views, Throttled(library.store), sleep=waits.append).build()
    assert len(waits) == 5
    assert_generation_equals_fold(views, library.store, articles.in_generation(2))


def test_streams_that_begin_on_a_page_cost_no_read_and_one_write_together(new_views):
    library, views = small("abcdefgh"), Watched(new_views())
    for id in "abcdefgh":
        library.commit(id, Priced(price=Decimal(2)))
    rebuild_of(articles, library.store, views, MemoryScan(library.store, 99)).build()
    assert {name: views.calls.count(name) for name in ("read", "read_many", "write", "write_many")} == {
        "read": 0,
        "read_many": 0,
        "write": 0,
        "write_many": 1,
    }


def test_what_differs_is_shown(new_views):
    library, views = small("abcd"), new_views()
    deliver(projector(library.store, views), published(library.commits))
    other = Projection("articles", of=article, row=ArticleRow)
    other.on(Created)(
        lambda row, event, meta: None if meta.stream_id == "c" else ArticleRow(price=event.price, shelf="new")
    )
    other.on(Moved)(lambda row, event, meta: row)
    other.on(Priced)(lambda row, event, meta: row)
    mine = rebuild_of(other, library.store, views)
    mine._projector = Projector([other], library.store, views, Parked())
    mine.build()
    views.write(articles, stream("z"), None, views.read(articles, A), {})
    found = compare(other, views)
    assert (found.live, found.other, found.same, found.different) == (1, 2, 0, 3)
    assert (found.only_live, found.only_other, found.behind) == (1, 0, 1)
    assert {(each.stream.id, each.fields) for each in found.examples} == {
        ("a", ("shelf", "(totals)")),
        ("b", ("shelf", "(totals)")),
        ("d", ("shelf", "(totals)")),
        ("c", ("(row)",)),
    }
    with pytest.raises(OperationRefused, match="one generation only"):
        compare(trails, views)


@pytest.mark.emulator
def test_on_dynamodb_with_segments_beside_writers_and_projectors(tables):
    """Real threads; the scan, the conditions and the transactions are DynamoDB's."""
    library = Library(tables.store()).grow(random.Random(11), streams=12, commits=8)
    deliver(projector(library.store, tables.views()), published(library.commits))
    scan = CommitTableScan(tables.dynamodb, tables.commits, tables.bodies())
    heads = CommitTableHeads(tables.dynamodb, tables.commits)
    mine = rebuild_of(articles, library.store, tables.views(), scan, heads, segments=3)
    looks = Generations(tables.views, 0.0)
    done = threading.Event()
    faults: list[BaseException] = []

    def write() -> None:
        try:
            feeding = Projector([articles, trails], library.store, tables.views(), Parked(), generations=looks)
            rng = random.Random(12)
            while not done.is_set() or len(library.commits) < 200:
                before = len(library.commits)
                library.grow(rng, streams=12, commits=1)
                deliver(feeding, published(library.commits[before:]))
        except BaseException as fault:
            faults.append(fault)
            raise

    writer = threading.Thread(target=write)
    writer.start()
    try:
        mine.build()
    finally:
        done.set()
        writer.join()
    assert faults == []
    assert compare(articles, tables.views()).equal
    memory = Library().store
    for commit in library.commits:
        memory.append(commit)
    assert_generation_equals_fold(tables.views(), memory, articles.in_generation(2))
    mine.switch()
    assert mine.finish() > 0
    assert_generation_equals_fold(tables.views(), memory, articles.in_generation(2))
    assert list(tables.views().rows(articles, TENANTS[0], None, 9)) == []
    assert_generation_equals_fold(tables.views(), memory, trails)
