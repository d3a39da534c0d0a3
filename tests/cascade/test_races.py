"""A reference and the deletion of what it refers to, at the same time: every interleaving of their requests, and a
death before and after every one of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from foldstack.kernel.cascade_index import MemoryCascadeIndex

from tests.consumers.fakes import Crash, Death, Turns
from tests.e2e.programs.blog.blogging.authors import DeleteAuthor, RegisterAuthor
from tests.e2e.programs.blog.blogging.posts import WritePost, post

from .world import World, blog


class Script:
    """Stands for the random choices of `Turns`: follows a script, then takes the first, and knows what it left out."""

    def __init__(self, script: list[int]) -> None:
        self.script, self.taken, self.open = script, 0, list[tuple[int, int]]()

    def choice(self, alive: list[Any]) -> Any:
        chosen = self.script[self.taken] if self.taken < len(self.script) else 0
        self.open.append((chosen, len(alive)))
        self.taken += 1
        return alive[chosen]

    def next(self) -> list[int] | None:
        """The next script in their order; None after the last."""
        for n in reversed(range(len(self.open))):
            chosen, of = self.open[n]
            if chosen + 1 < of:
                return [*(each for each, _ in self.open[:n]), chosen + 1]
        return None


def interleavings(run: Callable[[Any], None]) -> Iterator[None]:
    """Runs it with each order that the turns can take."""
    script: list[int] | None = []
    while script is not None:
        turns = Script(script)
        run(turns)
        yield
        script = turns.next()


class Watch:
    """Before each request another process may go on. What is asked of the store of commits is between two of those:
    its own tests have that."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def before(self, name: str) -> None:
        if hasattr(MemoryCascadeIndex, name) or name == "park":
            self._turns.pause(name)

    def after(self, name: str) -> None:
        pass


def test_every_interleaving_of_a_reference_with_the_deletion(record_property):
    """The collector of the one, the collector of the other, and the remover that it calls."""

    def run(script: Any) -> None:
        world = World()
        world.do(RegisterAuthor(id="ann", name="Ann"), WritePost(id="p", author="ann"), DeleteAuthor(id="ann"))
        _, written, deleted = world.events
        world.events.clear()
        turns = Turns(script)
        watch = Watch(turns)

        def cascade() -> None:
            world.collect(deleted, watch)
            while world.work:
                world.remove(world.work.pop(0), watch)

        turns.run([lambda: world.collect(written, watch), cascade])
        world.drain()
        assert not world.state(post, "p").author
        (removed,) = world.reported("acme#author#ann@2")
        assert removed in (0, 1), "it may have come too late to be counted"

    count = sum(1 for _ in interleavings(run))
    assert count > 100
    record_property("figures", f"{count} interleavings")


def test_two_removers_at_the_same_page(record_property):
    """A message that is delivered twice at once: one of them goes on."""

    def run(script: Any) -> None:
        world = blog(posts=1)
        world.do(DeleteAuthor(id="ann"))
        world.drain_events()
        (page,) = world.work
        world.work.clear()
        turns = Turns(script)
        watch = Watch(turns)

        def remove() -> None:
            world.remove(page, watch)

        turns.run([remove, remove])
        assert len([each for each in world.work if each.cascade == "author-cleanup"]) <= 1
        world.drain()
        world.assert_at_rest()
        assert world.reported("acme#author#ann@2") == [1]

    count = sum(1 for _ in interleavings(run))
    assert count > 100
    record_property("figures", f"{count} interleavings")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_every_request(when):
    """A new process takes the message again."""

    def run(death: Death) -> int:
        world, died = blog(posts=3), 0
        world.do(DeleteAuthor(id="ann"))
        while world.events or world.work:
            try:
                if world.events:
                    world.collect(world.events[0], death)
                    world.events.pop(0)
                else:
                    world.remove(world.work[0], death)
                    world.work.pop(0)
            except Crash:
                died += 1
        world.assert_at_rest()
        assert world.reported("acme#author#ann@2") == [3]
        return died

    undisturbed = Death()
    assert run(undisturbed) == 0
    assert undisturbed.ended > 50
    for step in range(undisturbed.ended):
        assert run(Death(**{when: step})) == 1
