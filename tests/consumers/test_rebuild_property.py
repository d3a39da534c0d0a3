"""A rebuild beside writers, projectors and readers: nothing is lost, and nobody sees a wrong or a missing row."""

import random
from typing import Any

import pytest
from foldstack.aws.generations import FEEDERS_LOOK, READERS_LOOK, Generations
from foldstack.aws.projector import Projector
from foldstack.aws.rebuild import NotReady, Rebuild
from foldstack.aws.views import ViewReader
from foldstack.kernel.errors import OperationRefused
from foldstack.kernel.token import Token

from .domain import articles, trails
from .fakes import Clock, Crash, Death, Parked, Turns, Watched
from .library import Library, deliver, projector, published
from .rebuilding import MemoryScan, assert_generation_equals_fold, states
from .test_sweep import MemoryHeads

HISTORIES = 12


class World:
    """A writer, projectors, readers and an operator whose process dies now and then, in an order of the seed's."""

    def __init__(self, seed: int, views: Any, settled: float = 6.0) -> None:
        self.rng = random.Random(seed)
        self.turns, self.clock = Turns(self.rng), Clock()
        self.clock.now = 1000.0
        self.library, self.views = Library().grow(self.rng, streams=4, commits=5), views
        self.projection = articles if seed % 2 else trails
        self.settled = settled
        self.road: list[list] = []
        self.written = self.operated = False
        self.reads = self.deaths = 0
        deliver(projector(self.library.store, self.views), published(self.library.commits))
        self.streams = sorted({commit.stream for commit in self.library.commits}, key=lambda each: each.key)
        self.least = {each: len(self.library.store.streams()[each.key]) for each in self.streams}

    def run(self) -> None:
        self.turns.run([self.write, self.operate, *[self.consume] * 2, *[self.read] * 2])
        # A projector that was stopped in its last delivery gets it again, as a queue does.
        for name in (articles, trails):
            assert_generation_equals_fold(
                self.views, self.library.store, name.in_generation(self.views.control(name).live)
            )

    def write(self) -> None:
        for _ in range(14):
            before = len(self.library.commits)
            self.library.grow(self.rng, streams=4, commits=1)
            new = published(self.library.commits[before:], self.rng)
            self.road += [[each] for each in new + self.rng.choices(new, k=2)]
            self.rng.shuffle(self.road)
            self.clock.sleep(self.rng.random() * 2)
            self.turns.pause()
        self.written = True

    def consume(self) -> None:
        looks = Generations(lambda: self.views, FEEDERS_LOOK, clock=self.clock)
        while self.road or not (self.written and self.operated):
            if not self.road:
                self.turns.pause()
                continue
            batch = self.road.pop()
            death = Death(before=self.rng.choice([None, None, self.rng.randrange(6)]))
            try:
                deliver(self.projector(self._mortal(self.views, death), looks), batch)
            except Crash:
                self.deaths += 1
                self.road.insert(0, batch)
                looks = Generations(lambda: self.views, FEEDERS_LOOK, clock=self.clock)

    def operate(self) -> None:
        for _ in range(self.rng.randrange(4)):
            self.turns.pause()
        self.until_done(lambda rebuild: rebuild.build())
        self.until_done(lambda rebuild: rebuild.switch())
        for _ in range(self.rng.randrange(20)):
            self.turns.pause()
        if self.rng.random() < 0.4:
            self.until_done(lambda rebuild: rebuild.rollback())
            self.clock.sleep(self.rng.random() * 20)
            self.turns.pause()
            self.until_done(lambda rebuild: rebuild.switch())
        self.until_done(lambda rebuild: rebuild.finish())
        self.operated = True

    def until_done(self, step) -> None:
        """A new process after each death. What is refused was done by the one that died, in its last moment."""
        died = False
        while True:
            death = Death(**{self.rng.choice(["before", "after"]): self.rng.randrange(60)})
            views = self._mortal(self.views, death)
            try:
                step(self.rebuild(views))
                return
            except Crash:
                self.deaths += 1
                died = True
            except NotReady:
                continue
            except OperationRefused:
                assert died
                return

    def read(self) -> None:
        looks = Generations(lambda: self.views, READERS_LOOK, clock=self.clock)
        while not (self.written and self.operated and not self.road):
            stream = self.rng.choice(self.streams)
            tip = self.library.store.streams()[stream.key][-1].next
            token = Token(1, {("article", stream.id): tip}) if self.rng.random() < 0.5 else None
            watched = Watched(self.views, self.turns.pause, self.turns.pause)
            reader = ViewReader(watched, self.library.store, stream.tenant, token, 1, looks)
            projection = self.projection
            row = reader.get(projection, stream.id)
            listed = dict(reader._merged(reader._live(projection), None, 2))  # a page, with the ids
            known = states(self.library.store, projection, stream)
            least = self.least[stream]
            allowed = [found for n, found in known if n >= tip] if token else [found for _, found in known[least:]]
            assert row in allowed, "a wrong row"
            assert listed.get(stream.id) in allowed, "a wrong or a missing row in a page"
            self.reads += 1
            self.turns.pause()

    def projector(self, views, looks: Generations | None = None) -> Projector:
        store = Watched(self.library.store, self.turns.pause, self.turns.pause)
        return Projector(
            [articles, trails],
            store,
            views,
            Parked(),
            generations=looks,
            sleep=lambda seconds: None,
            rng=random.Random(0),
        )

    def rebuild(self, views) -> Rebuild:
        def sleep(seconds: float) -> None:
            self.clock.sleep(seconds)
            self.turns.pause()

        return Rebuild(
            self.projection,
            MemoryScan(self.library.store),
            views,
            self.projector(views),
            MemoryHeads(self.library.store),
            segments=1,
            settled=self.settled,
            clock=self.clock,
            sleep=sleep,
        )

    def _mortal(self, inner, death: Death) -> Watched:
        def before(name: str) -> None:
            self.turns.pause()
            death.before(name)

        def after(name: str) -> None:
            death.after(name)
            self.turns.pause()

        return Watched(inner, before, after)


@pytest.mark.parametrize("block", range(4))
def test_readers_see_no_wrong_row_and_the_new_generation_ends_as_the_fold(new_views, block):
    deaths = reads = 0
    for seed in range(block * HISTORIES, (block + 1) * HISTORIES):
        world = World(seed, new_views(seed))
        world.run()
        deaths, reads = deaths + world.deaths, reads + world.reads
        control = world.views.control(world.projection)
        assert (control.live, control.other, control.latest) == (2, None, 2)
    assert deaths > HISTORIES
    assert reads > HISTORIES * 3
