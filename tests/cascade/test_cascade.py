"""What a deletion takes with it, and what it tells of that."""

import pytest
from foldstack.kernel.cascading import Work
from foldstack.kernel.errors import DefinitionError, InvalidValue, RemovalRefused, Unavailable
from foldstack.kernel.keys import StreamId

from tests.e2e.programs.blog.blogging.authors import DeleteAuthor, RegisterAuthor
from tests.e2e.programs.blog.blogging.cascades import author_cleanup
from tests.e2e.programs.blog.blogging.comments import WriteComment, comment
from tests.e2e.programs.blog.blogging.posts import LockPost, MovePost, RemovePost, WritePost, post

from .world import ACME, ZETA, World, blog

DELETION = "acme#author#ann@2"


def test_all_that_refers_to_it_is_removed_page_by_page_and_reported_once():
    world = blog(posts=7, page=3)
    world.do(DeleteAuthor(id="ann"))
    world.drain()
    world.assert_at_rest()
    assert world.reported(DELETION) == [7]
    assert world.state(post, "bobs").author == "bob"
    assert world.state(post, "p0", ZETA).author == "ann"


def test_a_message_is_a_page():
    world = blog(posts=7, page=3)
    world.do(DeleteAuthor(id="ann"))
    world.drain_events()
    removed = []
    while world.work:
        before = len(world.store.log)
        assert len(world.work) == 1
        world.remove(world.work.pop())
        removed.append(len(world.store.log) - before)
        world.events.clear()
    assert removed == [3, 3, 1, 1], "the last one is the report"


def test_a_page_ends_when_the_time_is_over_and_the_next_goes_on():
    world = blog(posts=4, page=100)
    world.do(DeleteAuthor(id="ann"))
    world.drain_events()
    for left in (3, 2, 1, 0):
        assert world.remove(world.work.pop(), until=0)
        assert sum(bool(world.state(post, f"p{n}").author) for n in range(4)) == left
    world.drain()
    world.assert_at_rest()


def test_what_has_no_reference_is_reported_with_none():
    world = World()
    world.do(RegisterAuthor(id="ann", name="Ann"), DeleteAuthor(id="ann"))
    world.drain()
    assert world.reported(DELETION) == [0]


def test_a_removal_has_a_cascade_of_its_own():
    world = blog(posts=2)
    world.do(*(WriteComment(id=f"c{n}", author="bob", post=f"p{n % 2}") for n in range(5)))
    world.do(WriteComment(id="stays", author="bob", post="bobs"))
    world.do(DeleteAuthor(id="ann"))
    world.drain()
    world.assert_at_rest()
    assert sorted(world.reported(f"acme#post#p{n}@2")[0] for n in range(2)) == [2, 3]
    assert world.state(comment, "stays").there


def test_what_refers_to_another_by_now_stays():
    world = blog(posts=2)
    world.do(MovePost(id="p0", author="bob"), DeleteAuthor(id="ann"))
    world.drain()
    world.assert_at_rest()
    assert world.state(post, "p0").author == "bob"
    assert world.reported(DELETION) == [1]


def test_what_somebody_else_has_removed_is_not_counted():
    world = blog(posts=3)
    world.do(RemovePost(id="p1"), DeleteAuthor(id="ann"))
    world.drain()
    world.assert_at_rest()
    assert world.reported(DELETION) == [2]


def test_what_comes_to_refer_to_it_later_is_removed_too():
    world = blog(posts=1)
    world.do(DeleteAuthor(id="ann"))
    world.drain()
    world.do(WritePost(id="late", author="ann"), MovePost(id="bobs", author="ann"))
    world.drain()
    assert not world.state(post, "late").author
    assert not world.state(post, "bobs").author
    world.do(WritePost(id="late", author="ann"))
    world.drain()
    assert not world.state(post, "late").author, "each time anew"
    world.assert_at_rest()
    assert world.reported(DELETION) == [1]


def test_what_is_deleted_again_is_reported_again_when_the_first_deletion_is():
    world = blog(posts=3)
    world.do(DeleteAuthor(id="ann"), RegisterAuthor(id="ann", name="Ann"), DeleteAuthor(id="ann"))
    world.drain_events()
    first, second = world.work
    with pytest.raises(Unavailable, match="acme#author#ann@2 is cascaded before acme#author#ann@4 is reported"):
        world.remove(second)
    world.work = [first]
    world.drain()
    world.remove(second)
    world.assert_at_rest()
    assert world.reported("acme#author#ann@4") == [0]


def test_a_refusal_keeps_it_from_being_reported_until_it_is_mended():
    world = blog(posts=5)
    world.do(LockPost(id="p1", locked=True), DeleteAuthor(id="ann"))
    (dead,) = world.drain(refused=(RemovalRefused,))
    assert world.state(post, "p1").author == "ann"
    assert not any(world.state(post, f"p{n}").author for n in (0, 2, 3, 4)), "the others do not wait for it"
    assert world.reported(DELETION) == []
    with pytest.raises(RemovalRefused, match=r"acme#author#ann@2 is not done: 1 .* post#p1: locked: p1 is locked"):
        world.remove(dead)
    world.do(LockPost(id="p1", locked=False))
    world.work.append(dead)
    world.drain()
    world.assert_at_rest()
    assert world.reported(DELETION) == [5]


def test_the_end_of_a_pass_is_not_the_end_where_something_was_left_behind():
    world = blog(posts=2)
    world.do(LockPost(id="p0", locked=True), DeleteAuthor(id="ann"))
    world.drain_events()
    world.remove(world.work.pop(), until=0)  # p0 is refused, and the time over
    (page,) = world.work
    world.work.clear()
    world.do(MovePost(id="p1", author="ann"))
    world.drain()  # p1 is removed as a straggler: nothing is after p0
    world.remove(page)
    assert world.reported(DELETION) == []
    world.do(LockPost(id="p0", locked=False))
    world.drain()
    world.assert_at_rest()
    assert world.reported(DELETION) == [2]


@pytest.mark.parametrize("page", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("locked", [("p0",), ("p0", "p1", "p2"), ("p3", "p4", "p5"), ("p6", "p7", "p8"), ("p0", "p8")])
def test_pages_of_refusals_hold_up_no_other_page(page, locked):
    world = blog(posts=9, page=page)
    world.do(*(LockPost(id=id, locked=True) for id in locked), DeleteAuthor(id="ann"))
    (dead,) = world.drain(refused=(RemovalRefused,))
    left = {f"p{n}" for n in range(9) if world.state(post, f"p{n}").author}
    assert (left, world.reported(DELETION)) == (set(locked), [])
    world.do(*(LockPost(id=id, locked=False) for id in locked))
    world.work.append(dead)
    assert world.drain() == []
    world.assert_at_rest()
    assert world.reported(DELETION) == [9]


def test_a_removal_counts_that_a_newer_reference_overtakes():
    """The collector is told of it between the removal and its note."""
    world = blog(posts=1)
    world.do(MovePost(id="p0", author="ann"), DeleteAuthor(id="ann"))
    *first, moved, deleted = world.events
    for each in (*first, deleted):
        world.collect(each)
    world.events.clear()
    (work,) = world.work
    world.work.clear()
    settle = world.index.settle

    def overtaken(*args):
        world.index.settle = settle
        world.collect(moved)
        settle(*args)

    world.index.settle = overtaken
    world.remove(work)
    world.drain()
    assert world.reported(DELETION) == [1]


def test_a_straggler_that_is_refused_is_told():
    world = blog(posts=1)
    world.do(DeleteAuthor(id="ann"))
    world.drain()
    world.do(WritePost(id="late", author="ann"), LockPost(id="late", locked=True))
    (dead,) = world.drain(refused=(RemovalRefused,))
    assert dead.reference == "post#late"


def test_a_removal_says_why_it_was_done():
    world = blog(posts=1)
    world.do(DeleteAuthor(id="ann"))
    world.drain()
    (deletion,) = [each for each in world.store.log if each.types == ("AuthorDeleted",)]
    removal, report = world.caused_by(DELETION)
    assert (removal.actor, removal.stream) == ("cascade:author-cleanup", StreamId(ACME, "post", "p0"))
    assert report.stream == deletion.stream
    assert {each.correlation for each in (removal, report)} == {deletion.correlation}


def test_what_a_restore_has_undone_is_not_cascaded():
    """The deletion is in the index, and not in the store any more; the next one is another."""
    world = blog(posts=2)
    world.drain()
    kept = {key: list(commits) for key, commits in world.store.streams().items()}
    world.do(DeleteAuthor(id="ann"))
    world.drain_events()
    (work,) = world.work
    world.store = restored = type(world.store)()
    for commits in kept.values():
        for commit in commits:
            restored.append(commit)
    world.epoch, world.work = 2, []
    world.publish()
    assert world.remove(work) is False
    world.do(RegisterAuthor(id="ann", name="Ann"), WritePost(id="new", author="ann"))
    world.drain()
    assert world.state(post, "new").author == "ann", "the mark is of a deletion that never was"
    world.do(DeleteAuthor(id="ann"))
    world.drain()
    world.assert_at_rest()
    assert world.reported(DELETION) == [3]


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (Work("no-such", DELETION, 1), "cascade: 'no-such' is none of blog; it has author-cleanup, post-cleanup"),
        (Work("author-cleanup", DELETION, (1 << 40) + 2), "has no mark in the index: republish it to this consumer"),
    ],
)
def test_what_no_collector_sent(work, said):
    world = blog(posts=1)
    world.do(DeleteAuthor(id="ann"))
    with pytest.raises(InvalidValue, match=said):
        world.remove(work)


def test_a_command_on_another_stream_is_refused(monkeypatch):
    monkeypatch.setitem(author_cleanup._removes, "post", lambda id, deletion: RemovePost(id="other"))
    world = blog(posts=1)
    world.do(DeleteAuthor(id="ann"))
    with pytest.raises(DefinitionError, match="`removes` must answer a command on post p0, and RemovePost is on"):
        world.drain()
