"""Commands on streams with personal fields, before and after erasure."""

from datetime import date
from typing import Annotated

import pytest
from foldstack import Aggregate, DefinitionError, Erased, Event, Personal, Rejection, State
from foldstack.kernel.codec import encode
from foldstack.kernel.commit import CommandContext, Commit
from foldstack.kernel.errors import InvalidValue, Unavailable
from foldstack.kernel.executor import Executor
from foldstack.kernel.history import history
from foldstack.kernel.keyring import LIFE
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.reactor import Reactor
from foldstack.kernel.snapshot import decode as decode_snapshot
from foldstack.kernel.store import MemoryCommitStore
from foldstack.kernel.timer import MemoryTimer

from .domain import ChangeEmail, Close, Customer, Earn, Greet, Party, Registered, Send, customer, mail, parcel
from .domain import service as customers
from .support import TENANT, Sandbox, erased, somebody

PLAIN = (b"Lovelace", b"ada@example.org", b"1990-05-06")
STREAM = StreamId.of(TENANT, "customer", "c1")


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def test_nothing_personal_is_at_rest_in_the_clear(sandbox):
    sandbox.done(somebody(born=date(1990, 5, 6)), "k1")
    sandbox.done(ChangeEmail(customer_id="c1", email="lovelace@example.org"), "k2")
    for n in range(25):
        sandbox.done(Earn(customer_id="c1", points=1), f"p{n}")
    commits = sandbox.store.streams()[STREAM.key]
    assert sum(commit.snapshot is not None for commit in commits) == 1
    at_rest = sandbox.at_rest()
    assert b"customer_id" in at_rest, "else this looks at the wrong bytes"
    for plain in (*PLAIN, b"lovelace@", b"Ada"):
        assert plain not in at_rest


def test_a_cold_sandbox_reads_it_with_one_look_for_keys(sandbox):
    sandbox.done(somebody(born=date(1990, 5, 6)))
    cold = sandbox.another()
    sandbox.keys.reads = 0
    answer = cold.done(ChangeEmail(customer_id="c1", email="new@example.org"), "k1")
    assert answer.result == {
        "customerId": "c1",
        "name": "Ada Lovelace",
        "email": "new@example.org",
        "erased": False,
    }
    assert sandbox.keys.reads == 1
    assert cold.state("c1").born == date(1990, 5, 6)
    for n in range(3):
        cold.done(ChangeEmail(customer_id="c1", email=f"{n}@example.org"), f"e{n}")
    assert sandbox.keys.reads == 1, "for a minute nobody asks again"


def test_a_snapshot_and_what_follows_it_take_one_look_too(sandbox):
    sandbox.done(somebody())
    for n in range(21):
        sandbox.done(ChangeEmail(customer_id="c1", email=f"{n}@example.org"))
    cold = sandbox.another()
    sandbox.keys.reads = 0
    assert cold.state("c1").email == "20@example.org"
    assert sandbox.keys.reads == 1


def test_an_aggregate_without_personal_fields_never_looks_for_keys(sandbox):
    sandbox.done(Greet(customer_id="c1"), aggregate=mail)
    sandbox.another().done(Greet(customer_id="c1"), aggregate=mail)
    assert sandbox.keys.reads == 0
    assert sandbox.keys.kept == {}


def test_after_erasure_the_stream_folds_and_takes_commands(sandbox):
    """A state of which fields were erased may be decided on: no event of it is missing. Were it read-only, nobody could
    close the account of a person who asked to be erased."""
    sandbox.done(somebody(born=date(1990, 5, 6)))
    erased(sandbox)
    for each in (sandbox, sandbox.another()):
        state = each.state("c1")
        assert isinstance(state.name, Erased)
        assert isinstance(state.email, Erased)
        assert isinstance(state.born, Erased)
    earned = sandbox.done(Earn(customer_id="c1", points=5))
    assert earned.result == {"customerId": "c1", "name": "[erased]", "email": "[erased]", "erased": True}
    sandbox.done(Close(customer_id="c1"))
    state = sandbox.another().state("c1")
    assert (state.points, state.closed, state.name) == (5, True, "[erased]")


def test_a_warm_sandbox_forgets_within_the_life_of_a_key(sandbox):
    sandbox.done(somebody())
    sandbox.clock.pass_by(LIFE / 2)
    sandbox.done(ChangeEmail(customer_id="c1", email="new@example.org"))
    sandbox.keys.erase(TENANT, "c1")
    sandbox.clock.pass_by(LIFE / 2 - 1)
    assert sandbox.done(Earn(customer_id="c1", points=1)).result["name"] == "Ada Lovelace"
    sandbox.clock.pass_by(1)
    assert sandbox.done(Earn(customer_id="c1", points=1)).result["name"] == "[erased]"
    assert sandbox.executor.current(STREAM, customer).state.name == "[erased]"


def test_a_sandbox_that_only_read_forgets_as_soon(sandbox):
    sandbox.done(somebody())
    cold = sandbox.another()
    cold.done(Earn(customer_id="c1", points=1), result=None)
    sandbox.keys.erase(TENANT, "c1")
    sandbox.clock.pass_by(LIFE)
    assert cold.executor.current(STREAM, customer).state.name == "[erased]"


def test_what_a_sandbox_writes_with_a_key_in_hand_is_lost_with_the_key(sandbox):
    sandbox.done(somebody())
    sandbox.keys.erase(TENANT, "c1")
    sandbox.done(ChangeEmail(customer_id="c1", email="late@example.org"))
    assert b"late@" not in sandbox.at_rest()
    assert sandbox.another().state("c1").email == "[erased]"


def test_nothing_new_is_kept_of_who_is_erased(sandbox):
    sandbox.done(somebody())
    erased(sandbox)
    before = sandbox.at_rest()
    for each in (sandbox, sandbox.another()):
        refused = each.do(ChangeEmail(customer_id="c1", email="new@example.org"), "k2")
        assert isinstance(refused, Rejection)
        assert (refused.code, refused.kind) == ("subject-erased", "conflict")
    assert sandbox.at_rest() == before


def test_a_state_read_before_erasure_is_read_again_rather_than_refused(sandbox):
    """The name that is copied into the event is not new: it is in the state, and erased there."""
    sandbox.done(somebody())
    warm = sandbox.executor._cache[STREAM.key]
    erased(sandbox)
    warm.until = float("inf")
    answer = sandbox.done(Close(customer_id="c1"))
    assert answer.result["name"] == "[erased]"


def test_of_two_subjects_one_is_erased(sandbox):
    parties = [Party(person=each, street=f"{each} street") for each in ("c1", "c2")]
    sandbox.done(Send(parcel_id="p1", sender=parties[0], recipient=parties[1]), aggregate=parcel)
    sandbox.keys.reads = 0
    cold = sandbox.another().executor.load(StreamId.of(TENANT, "parcel", "p1"), parcel)
    assert [party.street for party in cold.state.parties] == ["c1 street", "c2 street"]
    assert sandbox.keys.reads == 1
    erased(sandbox, "c2")
    parties = sandbox.another().executor.load(StreamId.of(TENANT, "parcel", "p1"), parcel).state.parties
    assert [party.street for party in parties] == ["c1 street", "[erased]"]


def test_a_tenants_person_is_nobody_elses(sandbox):
    other = Tenant("other")
    sandbox.done(somebody())
    keyring = sandbox.keyring
    sealer = keyring.sealer(other, [somebody()])
    assert len({ref for _, ref in sandbox.keys.kept}) == 2
    stored = somebody().__pydantic_serializer__.to_python(somebody(), mode="json", context=sealer)
    sandbox.keys.erase(TENANT, "c1")
    sandbox.clock.pass_by(LIFE)
    read = Registered.__pydantic_validator__.validate_python(stored, context=keyring.opener(other, stored))
    assert read.name == "Ada Lovelace"


def test_reactions_read_what_happened_to_whom(sandbox):
    done = sandbox.done(somebody())
    reactor = Reactor(customers, sandbox.another().executor, timer=MemoryTimer())
    (reacted,) = reactor.drive(done.commit, sandbox.executor.clock() + 5)
    assert reacted.outcome.stream.key == "acme#mail#c1"


def test_a_history_shows_that_there_is_something(sandbox):
    sandbox.done(somebody())
    state = history(sandbox.store, STREAM).state(customer)
    assert isinstance(state, Customer)
    assert (state.name, state.customer_id) == ("[personal]", "c1")


def test_events_from_before_the_field_was_personal_are_read_as_they_are(sandbox):
    commit = Commit(STREAM, 1, 2, encode([_plain()]), ("Registered",), {}, "old", "", "2026-01-01T00:00:00.000Z")
    assert sandbox.store.append(commit) is None
    assert sandbox.state("c1").name == "Ada Lovelace"


def test_a_key_that_is_missing_is_no_erasure(sandbox):
    sandbox.done(somebody())
    sandbox.keys.kept.clear()
    with pytest.raises(Unavailable, match="its key is not in the key table"):
        sandbox.another().state("c1")


@pytest.mark.parametrize("subject", ["ada@example.org", "", "a b"])
def test_a_subject_is_an_id_that_says_nothing(sandbox, subject):
    party = Party(person=subject, street="Main Street")
    command = Send(parcel_id="p1", sender=party, recipient=party)
    with pytest.raises((InvalidValue, DefinitionError), match="subject"):
        sandbox.do(command, aggregate=parcel)
    assert sandbox.store.streams() == {}


def test_a_result_must_say_what_in_it_is_personal(sandbox):
    with pytest.raises(DefinitionError, match="answer a model whose personal fields are marked, not a dict"):
        sandbox.do(somebody(), result=lambda events, state: {"name": state.name})

    class Unmarked(State):
        name: str

    with pytest.raises(DefinitionError, match=r"customer: Unmarked\.name is not personal, and"):
        sandbox.do(somebody(), result=lambda events, state: Unmarked(name=state.name))
    assert sandbox.store.streams() == {}


def test_without_keys_nothing_personal_is_stored():
    store = MemoryCommitStore()
    with pytest.raises(DefinitionError, match="customer has personal fields, and this executor no keys"):
        Executor(store).execute(customer, TENANT, somebody(), CommandContext("k1"))
    assert store.streams() == {}


def test_a_snapshot_holds_tokens_and_its_state_is_what_was(sandbox):
    sandbox.done(somebody())
    for _ in range(19):
        sandbox.done(Earn(customer_id="c1", points=1))
    last = sandbox.store.streams()[STREAM.key][-1]
    taken = decode_snapshot(last.snapshot)
    assert taken.state["name"].keys() == {"~"}
    erased(sandbox)
    assert sandbox.another().state("c1").model_dump() == {
        "customer_id": "c1",
        "name": "[erased]",
        "email": "[erased]",
        "born": None,
        "points": 19,
        "closed": False,
    }
    for _ in range(20):
        sandbox.done(Earn(customer_id="c1", points=1))
    taken = decode_snapshot(sandbox.store.streams()[STREAM.key][-1].snapshot)
    assert taken.state["name"] == {"~": ""}, "what was erased is not even ciphertext in new snapshots"


def test_an_upcaster_moves_personal_fields_and_reads_none(sandbox):
    class Known(Event, version=2):
        who: str
        called: Annotated[str, Personal(subject="who")]

    class Contact(State):
        who: str = ""
        called: Annotated[str, Personal(subject="who")] = ""

    contact = Aggregate("customer", Contact)
    seen = []

    @contact.evolves(Known)
    def known(state, event):
        return Contact(who=event.who, called=event.called)

    @contact.upcasts("Known", 1)
    def rename(data):
        return {"who": data["customer_id"], "called": data["name"]}

    @contact.upcasts("Registered", 1, makes=[Known])
    def renamed(data):
        seen.append(data)
        return [("Known", 2, rename(data))]

    sandbox.done(somebody())
    assert sandbox.executor.load(STREAM, contact).state.called == "Ada Lovelace"
    assert seen[0]["name"].keys() == {"~"}
    erased(sandbox)
    assert isinstance(sandbox.executor.load(STREAM, contact).state.called, Erased)


def _plain() -> Registered:
    return Registered(customer_id="c1", name="Ada Lovelace", email="ada@example.org")
