"""Any history of a blog, its messages in any order, again and again, to processes that die or find no time: at rest
nothing refers to what was deleted, nothing else is gone, and every deletion was reported with its exact number."""

import contextlib

from foldstack.kernel.errors import RemovalRefused, StoreThrottled, StoreTimeout, Unavailable
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consumers.fakes import Crash, Death
from tests.e2e.programs.blog.blogging.authors import DeleteAuthor, RegisterAuthor
from tests.e2e.programs.blog.blogging.comments import RemoveComment, WriteComment
from tests.e2e.programs.blog.blogging.posts import LockPost, MovePost, RemovePost, WritePost

from .world import FOREVER, World

AUTHORS, POSTS, COMMENTS = (st.sampled_from(ids) for ids in (["a", "b"], ["p", "q", "r"], ["c", "d"]))
commands = st.one_of(
    st.builds(RegisterAuthor, id=AUTHORS, name=st.just("name")),
    st.builds(DeleteAuthor, id=AUTHORS),
    st.builds(WritePost, id=POSTS, author=AUTHORS),
    st.builds(WritePost, id=POSTS, author=AUTHORS),
    st.builds(MovePost, id=POSTS, author=AUTHORS),
    st.builds(RemovePost, id=POSTS),
    st.builds(LockPost, id=POSTS, locked=st.booleans()),
    st.builds(WriteComment, id=COMMENTS, author=AUTHORS, post=POSTS),
    st.builds(RemoveComment, id=COMMENTS),
)
deaths = st.one_of(
    st.none(),
    st.builds(Death, before=st.integers(0, 8)),
    st.builds(Death, after=st.integers(0, 8)),
)
steps = st.one_of(
    st.tuples(st.just("do"), commands),
    st.tuples(st.just("do"), commands),
    st.tuples(st.just("collect"), st.integers(0, 20), deaths, st.booleans()),
    st.tuples(st.just("remove"), st.integers(0, 20), deaths, st.booleans(), st.sampled_from([FOREVER, 0.0])),
)


class Loses:
    """A request whose answer is lost, or that is refused."""

    def __init__(self, death: Death) -> None:
        self._death = death

    def before(self, name: str) -> None:
        try:
            self._death.before(name)
        except Crash as error:
            raise StoreThrottled(name) from error

    def after(self, name: str) -> None:
        try:
            self._death.after(name)
        except Crash as error:
            raise StoreTimeout(name) from error


def take(world: World, step: tuple, lost: bool) -> None:
    match step:
        case ("do", command):
            world.do(command)
        case ("collect", which, death, again) if world.events:
            event = world.events[which % len(world.events)]
            with contextlib.suppress(Crash, Unavailable):
                world.collect(event, Loses(death) if death and lost else death)
                if not again:
                    world.events.remove(event)
        case ("remove", which, death, again, until) if world.work:
            work = world.work[which % len(world.work)]
            with contextlib.suppress(Crash, Unavailable, RemovalRefused):
                world.remove(work, Loses(death) if death and lost else death, until)
                if not again:
                    world.work.remove(work)


@settings(max_examples=300, deadline=None)
@given(history=st.lists(steps, max_size=40), page=st.integers(1, 3), lost=st.booleans())
def test_at_rest(history, page, lost):
    world = World(page)
    for step in history:
        take(world, step, lost)
    dead = world.drain(refused=(RemovalRefused, Unavailable))
    for id in ("p", "q", "r"):
        world.do(LockPost(id=id, locked=False))
    for _ in range(10):  # redriven until nothing is refused any more: one deletion may wait for another's report
        world.work += dead
        dead = world.drain(refused=(RemovalRefused, Unavailable))
    assert not dead
    world.assert_at_rest()
