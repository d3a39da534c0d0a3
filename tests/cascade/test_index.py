"""The port of the cascades' table: one suite, in memory and on DynamoDB."""

from dataclasses import replace

import pytest
from foldstack.kernel.cascade_index import Entity, Mark, MemoryCascadeIndex, Reference, place
from foldstack.kernel.errors import StoreThrottled, StoreTimeout
from foldstack.kernel.keys import StreamId, Tenant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.consumers.fakes import Watched

from .conftest import dynamo

ACME = Tenant("acme")
ANN = Entity(ACME, "author-cleanup", "ann")
MARK = Mark("acme#author#ann@7", place(1, 7))


def reference(id: str, version: int = 1, epoch: int = 1) -> Reference:
    return Reference(StreamId(ACME, "post", id), place(epoch, version))


def found(index, after="", limit=100, mark=MARK, entity=ANN):
    page = index.waiting(entity, mark, after, limit)
    return [each.stream.id for each in page.found], page.next


def test_references_wait_in_the_order_of_their_positions(index):
    for id in ("c", "a", "b"):
        index.refer(ANN, reference(id))
    index.refer(ANN, Reference(StreamId(ACME, "comment", "z"), 1))
    index.refer(Entity(ACME, "author-cleanup", "bob"), reference("bobs"))
    index.refer(Entity(Tenant("zeta"), "author-cleanup", "ann"), Reference(StreamId(Tenant("zeta"), "post", "a"), 1))
    index.refer(ANN._replace(cascade="other"), reference("other"))
    assert found(index) == (["z", "a", "b", "c"], None)
    assert found(index, limit=2) == (["z", "a"], "post#a")
    assert found(index, after="post#a", limit=2) == (["b", "c"], None)


def test_the_mark_is_no_reference_and_the_first_of_an_epoch_is_kept(index):
    assert index.marked(ANN) is None
    assert index.mark(ANN, MARK) == MARK
    assert index.marked(ANN) == MARK
    assert index.mark(ANN, Mark("acme#author#ann@9", place(1, 9))) == MARK
    assert index.mark(ANN, MARK) == MARK
    assert found(index) == ([], None)
    restored = Mark("acme#author#ann@3", place(2, 3))
    assert index.mark(ANN, restored) == restored
    assert index.mark(ANN, MARK) == restored, "what is older than a restore comes too late"


def test_steps_are_taken_once(index):
    index.mark(ANN, MARK)
    assert index.advance(ANN, MARK, "post#b", gained=False)
    assert index.marked(ANN) == replace(MARK, step=1, position="post#b")
    assert not index.advance(ANN, MARK, "post#c", gained=False), "somebody else has"
    assert index.advance(ANN, replace(MARK, step=1), "", gained=False)
    index.close(ANN, MARK)
    assert index.marked(ANN) == replace(MARK, step=2, reported=True)
    restored = Mark("acme#author#ann@3", place(2, 3))
    index.mark(ANN, restored)
    assert not index.advance(ANN, MARK, "post#z", gained=False)
    index.close(ANN, MARK)
    assert index.marked(ANN) == restored


def test_an_outcome_is_of_one_deletion_and_of_one_reference(index):
    for id in ("a", "b", "c"):
        index.refer(ANN, reference(id))
    index.settle(ANN, MARK, reference("a"), True)
    index.settle(ANN, MARK, reference("b"), False)
    assert found(index) == (["c"], None)
    assert index.removed(ANN, MARK) == 1
    assert index.waits(ANN, MARK, StreamId(ACME, "post", "a")) is None
    assert index.waits(ANN, MARK, StreamId(ACME, "post", "c")) == reference("c")
    assert index.waits(ANN, MARK, StreamId(ACME, "post", "none")) is None
    other = Mark(MARK.deletion, place(2, 7))
    assert found(index, mark=other)[0] == ["a", "b", "c"], "of another epoch it is another deletion"
    assert index.removed(ANN, other) == 0
    index.refer(ANN, reference("a"))
    assert found(index)[0] == ["c"], "an event that comes again refers to nothing anew"
    index.refer(ANN, reference("a", 5))
    index.settle(ANN, MARK, reference("c", 9), False)
    assert found(index)[0] == ["a", "c"], "and an outcome of another reference is none"
    assert index.waits(ANN, MARK, StreamId(ACME, "post", "a")) == reference("a", 5)
    index.settle(ANN, MARK, reference("a", 5), False)
    assert index.removed(ANN, MARK) == 1, "it was removed, once"
    index.settle(ANN, MARK, reference("c", 9), True)
    assert (found(index)[0], index.removed(ANN, MARK)) == (["c"], 2), "removed, though it refers anew meanwhile"
    index.refer(ANN, reference("a", 2, epoch=2))
    assert index.waits(ANN, MARK, StreamId(ACME, "post", "a")) == reference("a", 2, epoch=2)


def test_what_has_an_outcome_is_passed_over_page_after_page(index):
    for n in range(30):
        index.refer(ANN, reference(f"{n:02}"))
    for n in range(28):
        index.settle(ANN, MARK, reference(f"{n:02}"), True)
    assert found(index, limit=2) == (["28", "29"], None)
    assert found(index, limit=1) == (["28"], "post#28")
    assert index.removed(ANN, MARK) == 28


ids = st.sampled_from(["a", "b", "c"])
operations = st.one_of(
    st.tuples(st.just("refer"), ids, st.integers(1, 4), st.integers(1, 2)),
    st.tuples(st.just("settle"), ids, st.integers(1, 4), st.integers(1, 2), st.booleans()),
    st.tuples(st.just("mark"), st.integers(1, 3), st.integers(1, 2)),
    st.tuples(st.just("advance"), st.integers(0, 2), ids),
    st.tuples(
        st.just("close"),
    ),
)


@pytest.mark.emulator
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(operations, max_size=25))
def test_both_are_the_same(emulator, history):
    both = MemoryCascadeIndex(), dynamo(emulator.client("dynamodb"))
    known = {reference(id).stream.path: set() for id in ("a", "b", "c")}
    for name, *arguments in history:
        answers = []
        for index in both:
            match name, *arguments:
                case "refer", id, version, epoch:
                    index.refer(ANN, reference(id, version, epoch))
                    known[f"post#{id}"].add(place(epoch, version))
                case "settle", id, version, epoch, removed if known[f"post#{id}"]:
                    index.settle(ANN, index.marked(ANN) or MARK, reference(id, version, epoch), removed)
                case "mark", version, epoch:
                    answers.append(index.mark(ANN, Mark(f"acme#author#ann@{version}", place(epoch, version))))
                case "advance", step, id if mark := index.marked(ANN):
                    answers.append(index.advance(ANN, replace(mark, step=step), id, gained=False))
                case ("close",) if mark := index.marked(ANN):
                    index.close(ANN, mark)
            mark = index.marked(ANN)
            answers.append((mark, index.waiting(ANN, mark or MARK, "", 2), index.removed(ANN, mark or MARK)))
        half = len(answers) // 2
        assert answers[:half] == answers[half:], name


@pytest.mark.emulator
@pytest.mark.parametrize("error", [StoreTimeout, StoreThrottled])
def test_who_is_not_told_that_it_has_stepped_on_does_not_think_that_somebody_else_has(emulator, error):
    """The client makes one attempt: by a second one it would be told so."""

    def lose(name: str) -> None:
        raise error(name)

    client = emulator.client("dynamodb")
    index = dynamo(client)
    index.mark(ANN, MARK)
    lossy = type(index)(lambda: Watched(client, after=lose), index._table)
    with pytest.raises(error):
        lossy.advance(ANN, MARK, "post#b", gained=False)
    assert index.marked(ANN) == replace(MARK, step=1, position="post#b")
