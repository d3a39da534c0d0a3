"""Through the real pollers, with faults put in: deliveries repeated, late and out of order, calls throttled, functions
killed before, amid or after their work. At rest every view equals the fold of the store, and what the commands say.

Histories are drawn from a seed of their own each, not by Hypothesis: where a fault strikes is a matter of threads, so
that a history made smaller would not fail again, and each attempt would cost a deployment. The one that fails is
printed with its seed.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.event_sources import Faults

from .histories import History, Model
from .journal import opened

HISTORIES = 300
SEED = os.environ.get("FOLDSTACK_SEED", "2026")
"""Of all histories and faults; another finds what this one does not."""


@pytest.fixture
def journal(tmp_path, combination, monkeypatch):
    with opened(tmp_path, *combination, monkeypatch, crash=0.03) as journal:
        yield journal


def test_views_equal_the_fold_of_the_store_and_the_commands(journal, road, record_property):
    faults = Faults(int(SEED), duplicate=0.3, delay=0.3, delay_seconds=0.5, shuffle=0.5, throttle=0.1, crash=0.05)
    journal.up(faults)
    histories = [History(f"h{n}", f"{SEED}-{n}") for n in range(HISTORIES)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(journal.tell, histories))
    journal.assert_at_rest()
    assert journal.left_over() == {}, "what was given up is not lost, and not applied"
    commands = sum(1 for history in histories for _ in history.steps)
    injected = faults.injected
    # A stream, or a FIFO queue, keeps its order; what is shuffled there are a few reactions.
    in_order = road in ("kinesis", "sns-fifo")
    assert all(count for kind, count in injected.items() if not (in_order and kind == "shuffle")), injected
    assert all(journal.killed[how] for how in ("before", "amid", "after")), journal.killed
    told = ", ".join(f"{count} {kind}" for kind, count in injected.items())
    record_property(
        "figures",
        f"{HISTORIES} histories, {commands} commands; faults: {told}; {journal.killed.total()} killed commands",
    )


def test_poison_stops_one_stream_until_it_is_mended_and_redriven(journal, monkeypatch):
    monkeypatch.setenv("POISON", "")
    journal.up(Faults(5, duplicate=0.2, shuffle=0.3), poison="bad")
    histories = [History(f"h{n}", f"poison-{n}") for n in range(12)]
    for history in histories[:6]:
        journal.tell(history)
    sick = journal.models["sick"] = Model()

    def tell(key: str, command: str, **data) -> None:
        journal.command("sick", key, command, {"id": "e", **data})
        sick.take(command, {"id": "e", **data})

    tell("k1", "Write", text="good")
    journal.cloud.wait_idle(60)
    tell("k2", "Write", text="bad")
    tell("k3", "Rate", stars=4)
    for history in histories[6:]:
        journal.tell(history)
    journal.assert_at_rest(but=frozenset({"sick"}))
    assert journal.shown("sick").entries == {"e": {"text": "good", "stars": 0, "changes": 1}}
    assert journal.shown("sick").ratings == sick.ratings, "the other view goes on"
    assert (journal.parked("entries"), journal.parked("ratings")) == ({"sick#e"}, set())

    journal.up()
    redrive = {"redrive": {"projection": "entries", "stream": "sick#entry#e"}}
    assert journal.cloud.invoke("journal-views-projector", redrive).ok
    journal.assert_at_rest()
    assert journal.parked("entries") == set()
