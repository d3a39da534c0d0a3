"""A cascade in a domain with personal fields: who collects has no keys, and needs none; who removes has them."""

from typing import Annotated

import pytest
from foldstack import Aggregate, Cascade, Command, Event, Personal, Service, State
from foldstack.kernel.cascade_index import MemoryCascadeIndex
from foldstack.kernel.cascading import Collector, Remover
from foldstack.kernel.envelope import Envelope

from .domain import Close, Closed, Congratulate, Customer, customer
from .support import Sandbox, erased, somebody


class Letter(State):
    to: str = ""


class WriteLetter(Command):
    id: str
    to: str
    text: Annotated[str, Personal(subject="to")]


class LetterWritten(Event):
    to: str
    text: Annotated[str, Personal(subject="to")]


class BurnLetter(Command):
    id: str


class LetterBurnt(Event):
    pass


letter = Aggregate("letter", Letter)
letter.decides(WriteLetter, by="id")(lambda command, state: LetterWritten(to=command.to, text=command.text))
letter.decides(BurnLetter, by="id")(lambda command, state: LetterBurnt() if state.to else None)
letter.evolves(LetterWritten)(lambda state, event: Letter(to=event.to))
letter.evolves(LetterBurnt)(lambda state, event: Letter())

seen: list[str] = []


def cleanup(refers) -> Service:
    made = Cascade("cleanup", of=customer, on=Closed)
    made.refers(letter, on=LetterWritten)(refers)
    made.removes(letter)(lambda id, deletion: BurnLetter(id=id))

    @made.reports
    def report(deletion, removed):
        seen.append(deletion.event.name)
        return Congratulate(customer_id=deletion.id, name=f"{deletion.event.name} of {removed}")

    return Service("post", aggregates=[customer, letter], cascades=[made])


def carried_out(service: Service, sandbox: Sandbox) -> None:
    """Collected from what travels, and removed by another sandbox."""
    work, index = [], MemoryCascadeIndex()
    collector = Collector(service, index, work.append)
    for commits in sandbox.store.streams().values():
        for commit in commits:
            collector.take(Envelope.parse(Envelope.of(commit).to_dict("post")))
    remover = Remover(service, sandbox.another().executor, index, work.append, page=1)
    while work:
        remover.take(work.pop(0), float("inf"))


@pytest.fixture
def closed() -> Sandbox:
    seen.clear()
    sandbox = Sandbox()
    sandbox.done(somebody())
    for id in ("l1", "l2"):
        sandbox.do(WriteLetter(id=id, to="c1", text="Dear Ada"), aggregate=letter)
    sandbox.done(Close(customer_id="c1"))
    return sandbox


def test_names_are_read_by_who_removes_and_kept_under_their_keys(closed):
    carried_out(cleanup(lambda event: event.to), closed)
    assert seen[-1] == "Ada Lovelace"
    assert b"Ada" not in closed.at_rest()
    assert b"LetterBurnt" in closed.at_rest()


def test_a_deletion_of_who_was_erased_is_carried_out_all_the_same(closed):
    erased(closed)
    with_nobody = cleanup(lambda event: event.to)
    with_nobody.cascades["cleanup"]._report = lambda deletion, removed: Close(customer_id=deletion.id)
    carried_out(with_nobody, closed)
    assert closed.at_rest().count(b"LetterBurnt") >= 2
    assert isinstance(closed.state("c1"), Customer)


def test_nobody_refers_by_what_is_personal(closed):
    with pytest.raises(TypeError, match="personal data"):
        carried_out(cleanup(lambda event: event.text), closed)
