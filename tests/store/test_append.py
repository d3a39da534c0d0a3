"""Conflicts, doubt, rejections and preconditions: from a decision to a definite answer."""

import pytest
from foldstack.kernel.decision import Rejection
from foldstack.kernel.errors import Contention, OutcomeUnknown, PreconditionFailed, StoreThrottled, StoreTimeout
from foldstack.kernel.executor import Committed

from .domain import ClaimName, CloseShelf, OpenShelf, ReturnUnits, TakeUnit
from .faults import FaultyStore
from .support import Sandbox, folded, history, new_id, stream_id


@pytest.fixture
def id():
    return new_id()


@pytest.fixture
def faulty(store):
    return FaultyStore(store)


@pytest.fixture
def sandbox(faulty, id):
    """Warm: it has opened the shelf."""
    made = Sandbox(faulty)
    made.done(OpenShelf(shelf=id, units=3), "open")
    faulty.taken()
    return made


def commits(sandbox, id):
    return history(sandbox.executor.store, stream_id(id))


# Conflicts


def test_a_lost_race_folds_the_winner_and_decides_again(sandbox, faulty, id):
    Sandbox(faulty.inner).done(TakeUnit(shelf=id, by="other"))
    outcome = sandbox.done(TakeUnit(shelf=id, by="me"))
    assert faulty.taken() == ["append", "append"], "the winner came back with the refusal"
    assert outcome.result == {"events": 1, "left": 1}
    assert sandbox.state(id) == folded(commits(sandbox, id))


def test_the_second_conflict_reads_first(sandbox, faulty, id):
    other = Sandbox(faulty.inner)
    for n in range(5):
        other.done(ReturnUnits(shelf=id, units=n))
    sandbox.done(TakeUnit(shelf=id, by="me"))
    assert faulty.taken() == ["append", "append", "since!", "append"]


def test_very_much_that_is_newer_is_loaded(sandbox, faulty, id):
    other = Sandbox(faulty.inner)
    for n in range(70):
        other.done(ReturnUnits(shelf=id, units=n))
    sandbox.done(TakeUnit(shelf=id, by="me"))
    assert faulty.taken() == ["append", "append", "since!", "newest!", "append"]
    assert sandbox.state(id) == folded(commits(sandbox, id))


def test_a_put_lands_behind_a_commit_of_several_events(sandbox, faulty, id):
    """At 2 lies a commit that covers 2 and 3: nothing may be put at 3."""
    Sandbox(faulty.inner).done(ReturnUnits(shelf=id, units=4))
    sandbox.done(TakeUnit(shelf=id, by="me"))
    assert [c.first for c in commits(sandbox, id)] == [1, 2, 4]


class AlwaysLate(FaultyStore):
    """Somebody else wins every time, a second after one looked."""

    def append(self, commit):
        rival.done(ReturnUnits(shelf=commit.stream.id, units=1))
        clock.sleep(1)
        return super().append(commit)


def test_contention_is_bounded_by_time_not_by_count(store, id):
    global rival, clock
    rival = Sandbox(store)
    rival.done(OpenShelf(shelf=id, units=1))
    late = Sandbox(AlwaysLate(store))
    clock = late.clock
    began = clock.now
    with pytest.raises(Contention):
        late.do(TakeUnit(shelf=id, by="me"))
    assert 3 <= clock.now - began < 5, "at least 3 s"
    began = clock.now
    with pytest.raises(Contention):
        late.do(TakeUnit(shelf=id, by="me"), deadline=began + 20)
    assert 10 <= clock.now - began < 12, "half of what remains"
    assert late.executor.store.calls.count("append") > 10
    assert late.state(id) == folded(commits(late, id))


# Rejections and no-ops


def test_a_rejection_on_cached_state_is_confirmed_by_one_read(sandbox, faulty, id):
    for by in "abc":
        sandbox.done(TakeUnit(shelf=id, by=by))
    faulty.taken()
    outcome = sandbox.do(TakeUnit(shelf=id, by="d"))
    assert isinstance(outcome, Rejection)
    assert faulty.taken() == ["since!"]


def test_a_rejection_that_is_out_of_date_is_decided_again(sandbox, faulty, id):
    for by in "abc":
        sandbox.done(TakeUnit(shelf=id, by=by))
    Sandbox(faulty.inner).done(ReturnUnits(shelf=id, units=1))
    faulty.taken()
    assert isinstance(sandbox.do(TakeUnit(shelf=id, by="d")), Committed)
    assert faulty.taken() == ["since!", "append"]


def test_a_rejection_on_a_stale_load_is_confirmed(sandbox, faulty, id):
    faulty.stale = 1
    outcome = Sandbox(faulty).do(TakeUnit(shelf=id, by="me"))
    assert isinstance(outcome, Committed), "the stale read showed no shelf at all"
    assert faulty.taken() == ["newest", "since!", "append"]


def test_a_create_that_finds_another_is_rejected_after_a_consistent_read(sandbox, faulty, id):
    outcome = Sandbox(faulty).do(OpenShelf(shelf=id, units=9))
    assert isinstance(outcome, Rejection)
    assert faulty.taken() == ["append", "since!"]


def test_a_no_op_writes_nothing_and_is_confirmed(sandbox, faulty, id):
    sandbox.done(CloseShelf(shelf=id))
    faulty.taken()
    outcome = sandbox.done(CloseShelf(shelf=id))
    assert (outcome.first, outcome.next, outcome.commit) == (None, 3, None)
    assert outcome.result == {"events": 0, "left": 3}
    assert faulty.taken() == ["since!"]


def test_a_rejection_writes_nothing(sandbox, faulty, id):
    before = commits(sandbox, id)
    assert isinstance(sandbox.do(OpenShelf(shelf=id, units=1)), Rejection)
    assert commits(sandbox, id) == before


# If-Match


def test_if_match_names_the_version(sandbox, faulty, id):
    assert sandbox.done(TakeUnit(shelf=id, by="a"), expected=1).next == 3
    faulty.taken()
    with pytest.raises(PreconditionFailed) as failed:
        sandbox.do(TakeUnit(shelf=id, by="b"), expected=1)
    assert (failed.value.expected, failed.value.actual) == (1, 2)
    assert faulty.taken() == ["since!"], "the mismatch itself is confirmed"


def test_if_match_is_not_decided_again_after_a_lost_race(sandbox, faulty, id):
    Sandbox(faulty.inner).done(TakeUnit(shelf=id, by="other"))
    with pytest.raises(PreconditionFailed):
        sandbox.do(TakeUnit(shelf=id, by="me"), expected=1)
    assert [c.next for c in commits(sandbox, id)] == [2, 3]


def test_if_match_against_a_stale_cache(sandbox, faulty, id):
    Sandbox(faulty.inner).done(TakeUnit(shelf=id, by="other"))
    assert isinstance(sandbox.do(TakeUnit(shelf=id, by="me"), expected=2), Committed)


def test_a_retry_with_if_match_is_answered_again(sandbox, id):
    first = sandbox.done(TakeUnit(shelf=id, by="me"), "key", expected=1)
    again = sandbox.done(TakeUnit(shelf=id, by="me"), "key", expected=1)
    assert again.replayed
    assert again.result == first.result


# Doubt


@pytest.mark.parametrize("faults", [["stored"], ["dropped"], ["dropped", "stored"], ["stored", "dropped", "refused"]])
@pytest.mark.parametrize("warm", [True, False])
def test_a_lost_answer_is_resolved_by_the_identical_put(sandbox, faulty, id, faults, warm):
    actor = sandbox if warm else Sandbox(faulty)
    faulty.faults.extend(faults)
    outcome = actor.done(TakeUnit(shelf=id, by="me"))
    assert faulty.taken() == ([] if warm else ["newest"]) + ["append"] * (len(faults) + 1), "no read in between"
    assert outcome.result == {"events": 1, "left": 2}
    assert outcome.state.left == 2
    assert len(commits(sandbox, id)) == 2
    assert actor.done(TakeUnit(shelf=id, by="again")).result["left"] == 1


@pytest.mark.parametrize("faults", [["stored"], ["dropped"], ["dropped", "stored"]])
def test_a_lost_answer_to_a_strict_command(sandbox, faulty, id, faults):
    faulty.faults.extend(faults)
    outcome = sandbox.done(ClaimName(shelf=id, name="n"), "claim" + id)
    assert faulty.taken() == ["append_strict"] * (len(faults) + 1)
    assert (outcome.first, outcome.state.name) == (2, "n")
    assert len(commits(sandbox, id)) == 2


def test_a_lost_answer_and_a_rival_who_won(sandbox, faulty, id):
    """The put was not stored, and somebody else was before it came again: that is definite, decide again."""

    def rival(name):
        if name == "append" and faulty.calls.count("append") == 2:
            faulty.around = lambda name: None
            Sandbox(faulty.inner).done(TakeUnit(shelf=id, by="rival"))

    faulty.around = rival
    faulty.faults.append("dropped")
    outcome = sandbox.done(TakeUnit(shelf=id, by="me"))
    assert outcome.result == {"events": 1, "left": 1}
    assert len(commits(sandbox, id)) == 3


@pytest.mark.parametrize("fate", ["stored", "dropped"])
def test_doubt_until_the_deadline_is_said_to_be_unknown(sandbox, faulty, id, fate):
    faulty.faults.extend([fate] + ["dropped"] * 1000)
    faulty.around = lambda name: sandbox.clock.sleep(0.25)
    began = sandbox.clock.now
    with pytest.raises(OutcomeUnknown):
        sandbox.do(TakeUnit(shelf=id, by="me"), "key", deadline=began + 10)
    assert 10 <= sandbox.clock.now - began < 11, "the whole deadline, not half of it"
    faulty.faults.clear()
    outcome = sandbox.done(TakeUnit(shelf=id, by="me"), "key")
    assert outcome.replayed == (fate == "stored")
    assert len(commits(sandbox, id)) == 2, "the retry finds out, and has no second effect"


def test_what_is_only_refused_had_no_effect_and_says_so(sandbox, faulty, id):
    faulty.faults.extend(["refused"] * 1000)
    began = sandbox.clock.now
    with pytest.raises(Contention):
        sandbox.do(TakeUnit(shelf=id, by="me"), deadline=began + 20)
    assert 10 <= sandbox.clock.now - began < 11
    assert len(commits(sandbox, id)) == 1


def test_one_timeout_among_refusals_is_doubt(sandbox, faulty, id):
    faulty.faults.extend(["refused", "dropped"] + ["refused"] * 1000)
    with pytest.raises(OutcomeUnknown):
        sandbox.do(TakeUnit(shelf=id, by="me"))


def test_a_read_that_gets_no_answer_is_no_doubt(sandbox, faulty, id):
    faulty.read_faults.append("dropped")
    with pytest.raises(StoreTimeout):
        Sandbox(faulty).do(TakeUnit(shelf=id, by="me"))
    faulty.read_faults.append("refused")
    with pytest.raises(StoreThrottled):
        Sandbox(faulty).do(TakeUnit(shelf=id, by="me"))
    assert len(commits(sandbox, id)) == 1


# The cache


def test_an_exception_drops_the_stream_from_the_cache(sandbox, faulty, id):
    faulty.faults.extend(["stored"] + ["dropped"] * 1000)
    with pytest.raises(OutcomeUnknown):
        sandbox.do(TakeUnit(shelf=id, by="me"))
    faulty.faults.clear()
    faulty.taken()
    sandbox.done(TakeUnit(shelf=id, by="next"))
    assert faulty.taken() == ["newest", "append"], "it was read anew"


def test_the_cache_is_bounded_and_drops_the_oldest(faulty, id):
    sandbox = Sandbox(faulty, cache=2)
    for n in range(3):
        sandbox.done(OpenShelf(shelf=f"{id}-{n}", units=5))
    faulty.taken()
    sandbox.done(TakeUnit(shelf=f"{id}-2", by="me"))
    sandbox.done(TakeUnit(shelf=f"{id}-0", by="me"))
    assert faulty.taken() == ["append", "newest", "append"]


def test_tenants_do_not_share_a_cached_stream(sandbox, faulty, id):
    from foldstack.kernel.keys import Tenant

    assert isinstance(sandbox.do(TakeUnit(shelf=id, by="me"), tenant=Tenant("other")), Rejection)
    assert len(commits(sandbox, id)) == 1
