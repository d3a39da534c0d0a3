"""The projector's process dies before and after each of its calls; delivered again, the result is the same."""

import random
from typing import Any

import pytest

from .domain import POISONED, articles
from .fakes import Crash, Death, Parked, Watched
from .library import Library, assert_equals_fold, deliver, projector, published

BATCH = 3


def road(rng: random.Random, library: Library) -> list[list]:
    delivered = published(library.commits, rng)
    rng.shuffle(delivered)
    return [delivered[n : n + BATCH] for n in range(0, len(delivered), BATCH)]


def deliver_all(library: Library, views: Any, park: Parked, batches: list[list], death: Death) -> int:
    """Every batch until it is through; a new process after a death. How many died."""
    died = 0
    for batch in batches:
        while True:
            mine = projector(
                Watched(library.store, death.before, death.after),
                Watched(views, death.before, death.after),
                Watched(park, death.before, death.after),
            )
            try:
                deliver(mine, batch)
                break
            except Crash:
                died += 1
    return died


@pytest.mark.parametrize("poison", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_at_every_call(new_views, when, poison):
    rng = random.Random(5)
    library = Library().grow(rng, streams=3, commits=8)
    batches = road(rng, library)
    bad = next(c for c in library.commits[3:] if not articles.stored_types.isdisjoint(c.types))
    if poison:
        POISONED.add((bad.stream.id, next(e.version for e in bad.stored if e.type in articles.stored_types)))
    undisturbed = Death()
    deliver_all(library, new_views(), Parked(), batches, undisturbed)
    assert undisturbed.ended > 30
    poisoned = set(POISONED)
    for step in range(undisturbed.ended):
        POISONED.update(poisoned)
        views, park, death = new_views(), Parked(), Death(**{when: step})
        assert deliver_all(library, views, park, batches, death) == 1
        if poison:
            assert views.read(articles, bad.stream).parked.first == bad.first
            assert bad.first in [p["first"] for p in park], "a parked row was never reported"
            POISONED.clear()
            projector(library.store, views).redrive(articles, bad.stream)
        assert_equals_fold(views, library.store)
