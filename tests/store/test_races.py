"""Writers that race for one stream: threads, each a sandbox of its own."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from foldstack.kernel.decision import Rejection
from foldstack.kernel.errors import KeyReuse
from foldstack.kernel.executor import Committed, Executor
from foldstack.kernel.keys import StreamId

from .domain import ClaimName, OpenShelf, TakeUnit, shelf
from .support import TENANT, Sandbox, folded, history, new_id, stream_id

RACERS, UNITS = 60, 20


class RealTime(Sandbox):
    """A sandbox whose pauses take time: other writers need it."""

    def __init__(self, store):
        super().__init__(store)
        self.executor = Executor(store, clock=time.monotonic, sleep=time.sleep)


def race(sandboxes, job):
    """`job(n, sandbox)` in one thread each, all let go at once; their outcomes."""
    gate = threading.Barrier(len(sandboxes))

    def run(n):
        gate.wait()
        return job(n, sandboxes[n])

    with ThreadPoolExecutor(len(sandboxes)) as pool:
        return list(pool.map(run, range(len(sandboxes))))


@pytest.mark.parametrize("warm", [False, True])
def test_sixty_racers_for_twenty_units(racing_store, warm):
    """20 win, 40 are told there is none: nobody is turned away for having lost too often."""
    id = new_id()
    Sandbox(racing_store).done(OpenShelf(shelf=id, units=UNITS))
    sandboxes = [RealTime(racing_store) for _ in range(RACERS)]
    for sandbox in sandboxes if warm else ():
        sandbox.executor.current(StreamId.of(TENANT, "shelf", id), shelf)

    def take(n, sandbox):
        return sandbox.do(TakeUnit(shelf=id, by=f"racer {n}"), f"key {n}", deadline=time.monotonic() + 60)

    outcomes = race(sandboxes, take)
    told = Counter(o.code if isinstance(o, Rejection) else "won" for o in outcomes)
    assert told == {"won": UNITS, "none-left": RACERS - UNITS}
    made = history(racing_store, stream_id(id))
    takers = [event.data["by"] for commit in made for event in commit.stored if event.type == "UnitTaken"]
    assert sorted(takers) == sorted(f"racer {n}" for n, o in enumerate(outcomes) if isinstance(o, Committed))
    assert Sandbox(racing_store).state(id) == folded(made)
    assert folded(made).left == 0


def test_duplicates_of_one_request_race(racing_store):
    """Twelve at once with one key: one effect, one answer."""
    id = new_id()
    Sandbox(racing_store).done(OpenShelf(shelf=id, units=5))
    sandboxes = [RealTime(racing_store) for _ in range(12)]
    outcomes = race(sandboxes, lambda n, sandbox: sandbox.done(TakeUnit(shelf=id, by="me"), "one key"))
    assert {(o.first, o.next, o.result["left"]) for o in outcomes} == {(2, 3, 4)}
    assert sum(not o.replayed for o in outcomes) == 1
    assert len(history(racing_store, stream_id(id))) == 2


def test_a_strict_key_races_over_many_streams(racing_store):
    key = "claim " + new_id()
    sandboxes = [RealTime(racing_store) for _ in range(12)]
    ids = [new_id() for _ in sandboxes]

    def claim(n, sandbox):
        try:
            return sandbox.do(ClaimName(shelf=ids[n], name="n"), key)
        except KeyReuse as error:
            return type(error).__name__

    outcomes = race(sandboxes, claim)
    assert Counter(o if isinstance(o, str) else "won" for o in outcomes) == {"won": 1, "KeyReuse": 11}
    assert sum(len(history(racing_store, stream_id(id))) for id in ids) == 1


def test_racers_over_a_snapshot_and_an_eviction(racing_store):
    """140 commands by 7 sandboxes, each key sent twice, across seven snapshots."""
    id = new_id()
    Sandbox(racing_store).done(OpenShelf(shelf=id, units=1000))
    sandboxes = [RealTime(racing_store) for _ in range(7)]

    def work(n, sandbox):
        results = []
        for k in range(20):
            for _ in range(2):
                command = TakeUnit(shelf=id, by=f"{n} {k}")
                results.append(sandbox.done(command, f"key {n} {k}", deadline=time.monotonic() + 60).result)
        return results

    for results in race(sandboxes, work):
        assert results[0::2] == results[1::2]
    made = history(racing_store, stream_id(id))
    assert len(made) == 141
    assert Sandbox(racing_store).state(id) == folded(made)
    cold = Sandbox(racing_store)
    assert all(cold.done(TakeUnit(shelf=id, by=f"{n} 0"), f"key {n} 0").replayed for n in range(7))
