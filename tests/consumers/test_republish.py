"""Commits published again: marked, for one consumer, at a bounded rate, and on from where it stopped."""

import json
import threading
from decimal import Decimal

import pytest
from foldstack.aws.commit_item import to_item
from foldstack.aws.commit_scan import CommitTableScan, Scanned
from foldstack.aws.commit_tail import CommitTail
from foldstack.aws.relay import Relay
from foldstack.aws.republish import Republish, Republished
from foldstack.aws.roads.eventbridge import EventBridge
from foldstack.aws.roads.publisher import Publisher
from foldstack.aws.roads.road import Outgoing
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import Unavailable
from foldstack.kernel.store import MemoryCommitStore

from .domain import Created, Noted, Priced
from .fakes import Clock, FakeEvents, MemoryViewStore, Parked
from .library import TENANTS, Library, assert_equals_fold, deliver, projector, published, stream

A = stream("a")


def items_of(library: Library) -> list:
    """As the table holds them: bytes are bytes."""
    return [to_item(commit, lambda tenant, content: f"{tenant}/hash") for commit in library.commits]


class Source:
    """Pages of items; a position is the key of an item, as for DynamoDB."""

    def __init__(self, items: list, size: int) -> None:
        self._items, self._size = items, size
        self.asked: list = []

    def __call__(self, position) -> Scanned:
        self.asked.append(position)
        keys = [{"p": item["p"], "s": item["s"]} for item in self._items]
        start = 0 if position is None else keys.index(position) + 1
        page = self._items[start : start + self._size]
        more = start + self._size < len(self._items)
        return Scanned(page, len(page), keys[start + len(page) - 1] if more else None)


def library(n: int) -> Library:
    made = Library()
    for i in range(n):
        made.commit(f"a{i}", Created(price=Decimal(1), shelf="x"))
    return made


def republish(source, events, **more) -> Republish:
    clock = more.pop("clock", Clock())
    park = Parked()
    publisher = Publisher(EventBridge(events, "bus", "library"), park, clock=clock, sleep=clock.sleep)
    relay = Relay([publisher], "library", park, replay="books")
    return Republish(source, relay, clock=clock, sleep=clock.sleep, **{"rate": 1e9, **more})


def test_envelopes_say_that_they_come_again_and_for_whom():
    events, made = FakeEvents(), library(25)
    done = republish(Source(items_of(made), 7), events).run()
    assert done == Republished(None, 25, 25)
    details = [json.loads(entry["Detail"]) for entry in events.taken]
    assert {detail["replay"] for detail in details} == {"books"}
    for detail in details:
        del detail["replay"]
    assert sorted(details, key=lambda d: d["subject"]) == sorted(
        (envelope.to_dict("library") for envelope in published(made.commits)), key=lambda d: d["subject"]
    )


class Keeps:
    """Stands for a publisher: keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []

    def publish(self, commits, until) -> None:
        self.taken += commits


def test_every_run_has_ids_of_its_own_which_a_fifo_topic_does_not_drop():
    made, first, second, live = library(3), Keeps(), Keeps(), Keeps()
    for keeps, replay in ((first, "books"), (second, "books"), (live, "")):
        relay = Relay([keeps], "library", Parked(), replay=replay)
        Republish(Source(items_of(made), 9), relay, rate=1e9).run()
    ids = [each.id for keeps in (first, second, live) for each in keeps.taken]
    assert len(set(ids)) == 9
    assert [each.id for each in live.taken] == [Envelope.of(commit).id for commit in made.commits]


def test_what_nobody_can_read_is_parked_as_json():
    park, source = Parked(), items_of(library(1))
    source[0] = {**source[0], "b": {"B": b"\xff\x00"}, "n": {"N": "none"}}
    Republish(Source(source, 9), Relay([Keeps()], "library", park, replay="books"), rate=1e9).run()
    assert json.loads(json.dumps(park))[0]["payload"]["b"] == {"B": "/wA="}


def test_no_more_than_the_rate():
    clock = Clock()
    republish(Source(items_of(library(40)), 100), FakeEvents(), clock=clock, rate=8.0).run()
    assert clock.now == pytest.approx(40 / 8)


@pytest.mark.parametrize("stopped_at", [1, 2, 3, 4])
def test_it_goes_on_after_the_last_that_was_published(stopped_at):
    events, source, stop = FakeEvents(), Source(items_of(library(35)), 17), threading.Event()
    told: list[Republished] = []

    def tell(so_far: Republished) -> None:
        told.append(so_far)
        if len(told) == stopped_at:
            stop.set()

    first = republish(source, events, tell=tell).run(stop=stop)
    assert first.position is not None
    done = republish(source, events).run(first)
    assert (done.position, done.published) == (None, 35)
    subjects = [json.loads(entry["Detail"])["subject"] for entry in events.taken]
    assert len(subjects) == len(set(subjects)) == 35


def test_a_road_that_takes_nothing_is_an_error():
    with pytest.raises(Unavailable, match="did not take 3 commits"):
        republish(Source(items_of(library(3)), 9), FakeEvents(lambda entry: "ThrottlingException")).run()


@pytest.mark.emulator
def test_a_view_that_lost_everything_is_filled_from_the_table(tables):
    """By tenant, type, time and stream, from DynamoDB."""
    made = Library(tables.store())
    for id, tenant in (("a", TENANTS[0]), ("b", TENANTS[0]), ("a", TENANTS[1])):
        made.commit(id, Created(price=Decimal(1), shelf="x"), tenant=tenant)
        made.commit(id, Priced(price=Decimal(2)), tenant=tenant)
        made.commit(id, Noted(text="n"), tenant=tenant)
    scan = CommitTableScan(tables.dynamodb, tables.commits, tables.bodies())

    def subjects(read) -> list[tuple[str, int]]:
        events = FakeEvents()
        republish(read, events).run()
        details = [json.loads(entry["Detail"]) for entry in events.taken]
        return sorted((detail["subject"], detail["first"]) for detail in details)

    everything = sorted((commit.stream.key, commit.first) for commit in made.commits)
    late = made.commits[4].time
    assert subjects(lambda after: scan.items(None, (), after)) == everything
    assert subjects(lambda after: scan.items(None, (), after, tenant=TENANTS[1])) == everything[6:]
    assert subjects(lambda after: scan.items("article", ["Noted"], after)) == [
        each for each in everything if each[1] == 3
    ]
    assert subjects(lambda after: scan.items("other", (), after)) == []
    assert subjects(lambda after: scan.items(None, (), after, since=late)) == sorted(
        (commit.stream.key, commit.first) for commit in made.commits[4:]
    )
    assert subjects(lambda after: scan.stream(A, ["Priced", "Noted"], after)) == [(A.key, 2), (A.key, 3)]
    assert subjects(lambda after: scan.stream(A, (), after, late)) == []
    views, memory = MemoryViewStore(), MemoryCommitStore()
    for commit in made.commits:
        memory.append(commit)
    deliver(projector(memory, views), published(scan.page("article", (), None, 0, 1).commits))
    assert_equals_fold(views, memory)
    assert scan.estimate() == 9


@pytest.mark.emulator
def test_commits_are_seen_as_they_come(tables):
    made = Library(tables.store())
    arn = tables.dynamodb.describe_table(TableName=tables.commits)["Table"]["LatestStreamArn"]
    made.commit("a", Created(price=Decimal(1), shelf="x"))
    made.commit("a", Noted(text="n"))

    def tail(**more) -> CommitTail:
        return CommitTail(tables.emulator.client("dynamodbstreams"), arn, tables.bodies(), **more)

    old, new = tail(), tail(new=True)
    assert [commit.first for commit in old.last(9)] == [1, 2]
    assert [commit.first for commit in tail().last(1)] == [2]
    assert [commit.types for commit in tail().last(1, ["Created"])] == [("Created",)]
    assert list(new.poll()) == []
    later = made.commit("b", Created(price=Decimal(3), shelf="y"))
    assert list(old.poll()) == list(new.poll()) == [later]
