"""The relay: every commit reaches the bus, a stream's in order, whatever fails on the way."""

import base64
import json
import random
from decimal import Decimal

import pytest
from foldstack.aws.commit_item import to_item
from foldstack.aws.relay import Relay
from foldstack.aws.roads.eventbridge import EventBridge
from foldstack.aws.roads.publisher import Publisher
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.errors import StoreThrottled, StoreTimeout

from .domain import Created, Noted
from .fakes import Clock, Crash, Death, FakeEvents, MemoryViewStore, Parked, Watched
from .library import Library, assert_equals_fold, deliver, projector


def record(commit, number: int, put_body=None) -> dict:
    """As Lambda is given it: bytes in base64."""
    image = to_item(commit, put_body or (lambda tenant, content: f"{tenant}/hash"))
    for name in ("b", "z"):
        if name in image:
            image[name] = {"B": base64.b64encode(image[name]["B"]).decode()}
    change = {
        "ApproximateCreationDateTime": 1767225600.0,
        "Keys": {"p": image["p"], "s": image["s"]},
        "NewImage": image,
        "SequenceNumber": f"{number:05}",
    }
    return {"eventID": str(number), "eventName": "INSERT", "dynamodb": change}


def records(commits) -> list[dict]:
    return [record(commit, number) for number, commit in enumerate(commits)]


def relay(events, park=None, clock=None) -> Relay:
    clock = clock or Clock()
    park = Parked() if park is None else park
    bus = EventBridge(events, "bus", "library")
    publisher = Publisher(bus, park, clock=clock, sleep=clock.sleep, rng=random.Random(1))
    return Relay([publisher], "library", park)


def envelopes(events: FakeEvents) -> list[Envelope]:
    return [Envelope.parse(json.loads(entry["Detail"])) for entry in events.taken]


def ids(commits) -> list[str]:
    return [Envelope.of(commit).id for commit in commits]


def test_every_commit_is_published_as_its_envelope():
    library, events = Library().grow(random.Random(1)), FakeEvents()
    assert relay(events).relay(records(library.commits), until=50) is None
    assert envelopes(events) == [Envelope.of(commit) for commit in library.commits]
    first = events.taken[0]
    assert (first["EventBusName"], first["Source"], first["DetailType"]) == ("bus", "library", "commit")
    assert max(len(request) for request in events.requests) == EventBridge.most_entries


def test_only_new_commits_with_events_are_published():
    library, events = Library().grow(random.Random(1), streams=1, commits=3), FakeEvents()
    given = records(library.commits)
    given[0]["eventName"] = "REMOVE"
    del given[0]["dynamodb"]["NewImage"]
    given[1]["eventName"] = "MODIFY"
    del given[2]["dynamodb"]["NewImage"]["t"]
    assert relay(events).relay(given, until=50) is None
    assert events.requests == []


def test_requests_are_cut_by_bytes():
    library, events = Library(), FakeEvents()
    rng = random.Random(1)
    for n in range(12):
        library.commit(f"a{n}", Noted(text=rng.randbytes(45_000).hex()))
    assert relay(events).relay(records(library.commits), until=50) is None
    assert [e.id for e in envelopes(events)] == ids(library.commits)
    assert all(envelope.stored for envelope in envelopes(events))
    assert len(events.requests) == 6
    for request in events.requests:
        size = sum(len(entry["Detail"].encode() + b"commitlibrary") for entry in request)
        assert size <= EventBridge.most_bytes


@pytest.mark.parametrize("size", [99_000, 105_000, 300_000])
def test_a_large_envelope_carries_a_reference(size):
    """Up to 200 KB inline. What lies in S3 stays there: the relay never fetches it."""
    library, events = Library(), FakeEvents()
    library.commit("a", Noted(text=random.Random(1).randbytes(size).hex()))
    assert relay(events).relay(records(library.commits), until=50) is None
    (envelope,) = envelopes(events)
    assert (envelope.stored is None) is (size > 100_000)
    assert ("o" in records(library.commits)[0]["dynamodb"]["NewImage"]) is (size == 300_000)
    views = MemoryViewStore()
    deliver(projector(library.store, views), [envelope])
    assert_equals_fold(views, library.store)


def test_failed_entries_alone_are_put_again():
    library = Library().grow(random.Random(2))
    rng = random.Random(3)
    events = FakeEvents(lambda entry: rng.choice([None, None, "ThrottlingException", "InternalFailure"]))
    assert relay(events).relay(records(library.commits), until=1e9) is None
    assert sorted(e.id for e in envelopes(events)) == sorted(ids(library.commits)), "each once"
    assert len(events.requests) > len(library.commits) / EventBridge.most_entries


def test_a_request_that_is_refused_as_a_whole_is_put_again():
    library, inner = Library().grow(random.Random(2), streams=1, commits=3), FakeEvents()
    faults = [StoreThrottled("no"), StoreTimeout("lost")]

    def before(name: str) -> None:
        if faults:
            raise faults.pop()

    assert relay(Watched(inner, before)).relay(records(library.commits), until=50) is None
    assert [e.id for e in envelopes(inner)] == ids(library.commits)


@pytest.mark.parametrize("seed", range(12))
def test_out_of_time_lambda_delivers_from_the_first_that_is_left(seed):
    """Per stream, events reach the bus for the first time in order."""
    rng = random.Random(seed)
    library = Library().grow(rng, streams=3, commits=20)
    down = rng.choice(library.commits).stream.key
    trouble = True
    events = FakeEvents(
        lambda entry: "InternalFailure" if trouble and json.loads(entry["Detail"])["subject"] == down else None
    )
    left = records(library.commits)
    clock = Clock()
    stopped = relay(events, clock=clock).relay(left, until=20)
    assert clock.now < 20
    assert stopped is not None
    first = next(n for n, commit in enumerate(library.commits) if commit.stream.key == down)
    assert int(stopped) == first
    trouble = False
    left = [each for each in left if each["dynamodb"]["SequenceNumber"] >= stopped]
    assert relay(events).relay(left, until=20) is None
    published = envelopes(events)
    assert {e.id for e in published} == set(ids(library.commits))
    for key in {commit.stream.key for commit in library.commits}:
        firsts = list(dict.fromkeys(e.first for e in published if e.stream.key == key))
        assert firsts == sorted(firsts)


@pytest.mark.parametrize("code", ["MalformedDetail", "InvalidArgument"])
def test_what_the_bus_will_never_take_is_parked(code):
    library, park = Library(), Parked()
    for id in "abc":
        library.commit(id, Created(price=Decimal(1), shelf="x"))
    events = FakeEvents(lambda entry: code if json.loads(entry["Detail"])["subject"].endswith("#b") else None)
    assert relay(events, park).relay(records(library.commits), until=50) is None
    assert [e.stream.id for e in envelopes(events)] == ["a", "c"]
    assert [(p["kind"], p["stream"], p["first"]) for p in park] == [("relay", "acme#article#b", 1)]
    assert code in park[0]["reason"]
    assert Envelope.parse(park[0]["payload"]) == Envelope.of(library.commits[1])


@pytest.mark.parametrize("damage", ["body", "prev", "key"])
def test_what_is_no_commit_is_parked(damage):
    library, park, events = Library(), Parked(), FakeEvents()
    for id in "abc":
        library.commit(id, Created(price=Decimal(1), shelf="x"))
    given = records(library.commits)
    image = given[1]["dynamodb"]["NewImage"]
    if damage == "body":
        image["b"] = {"B": base64.b64encode(b"nonsense").decode()}
    elif damage == "prev":
        image["v"] = {"M": {"Created": {"N": "x"}}}
    else:
        image["p"] = {"S": "no key"}
    assert relay(events, park).relay(given, until=50) is None
    assert [e.stream.id for e in envelopes(events)] == ["a", "c"]
    assert [(p["kind"], p["stream"], p["first"]) for p in park] == [("relay", "acme#article#b", 1)]
    assert park[0]["payload"] == image, "all there is to mend it from"


def test_an_envelope_too_large_without_events_is_parked(monkeypatch):
    monkeypatch.setattr(EventBridge, "most_bytes", 300)
    library, park, events = Library(), Parked(), FakeEvents()
    library.commit("a", Created(price=Decimal(1), shelf="x"))
    assert relay(events, park).relay(records(library.commits), until=50) is None
    assert events.requests == []
    assert "without any event" in park[0]["reason"]
    assert Envelope.parse(park[0]["payload"]).id == ids(library.commits)[0]


@pytest.mark.parametrize("refused", [False, True])
def test_what_cannot_be_parked_now_is_delivered_again(refused):
    library = Library()
    for id in "abc":
        library.commit(id, Created(price=Decimal(1), shelf="x"))
    given = records(library.commits)
    if not refused:
        given[1]["dynamodb"]["NewImage"]["b"] = {"B": base64.b64encode(b"nonsense").decode()}
    events = FakeEvents(lambda entry: "MalformedDetail" if refused and "#b" in entry["Detail"] else None)

    def park(kind: str, reason: str, **pointer) -> None:
        raise StoreTimeout("the queue does not answer")

    assert relay(events, park).relay(given, until=5) == "00001"
    assert [e.stream.id for e in envelopes(events)][:1] == ["a"], "what came before it is through"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_call_loses_nothing(when):
    """Lambda delivers the batch again: some are published twice, and views end as ever."""
    library = Library().grow(random.Random(4), streams=3, commits=12)
    given = records(library.commits)
    given[5]["dynamodb"]["NewImage"]["b"] = {"B": base64.b64encode(b"nonsense").decode()}
    undisturbed, inner, park = Death(), FakeEvents(), Parked()
    relay(
        Watched(inner, undisturbed.before, undisturbed.after), Watched(park, undisturbed.before, undisturbed.after)
    ).relay(given, 50)
    assert undisturbed.ended == 5
    for step in range(undisturbed.ended):
        death, events, park = Death(**{when: step}), FakeEvents(), Parked()
        mortal, lot = Watched(events, death.before, death.after), Watched(park, death.before, death.after)
        with pytest.raises(Crash):
            relay(mortal, lot).relay(given, 50)
        assert relay(mortal, lot).relay(given, 50) is None
        assert {e.id for e in envelopes(events)} == set(ids(library.commits)) - {ids(library.commits)[5]}
        assert {p["first"] for p in park} == {library.commits[5].first}
        views = MemoryViewStore()
        deliver(projector(library.store, views), envelopes(events))
        damaged = library.commits[5].stream
        for projection in projector(library.store, views).projections.values():
            projector(library.store, views).heal(projection, damaged)
        assert_equals_fold(views, library.store)
