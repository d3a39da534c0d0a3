"""Rows with personal fields, in both stores: ciphertext, copied by who can't read it, opened for who may."""

from datetime import date
from typing import Annotated

import pytest
from foldstack import Aggregate, DefinitionError, Erased, Event, Personal, Projection, Service, State
from foldstack.aws.sql.row_columns import RowColumns
from foldstack.kernel import codec
from foldstack.kernel.commit import Commit
from foldstack.kernel.keys import StreamId
from foldstack.kernel.token import Token

from .domain import ChangeEmail, CustomerRow, Earn, Registered, customer, customers
from .support import TENANT, somebody
from .world import World


@pytest.fixture(params=["dynamodb", "postgres"])
def world(request) -> World:
    return World(request.getfixturevalue("database") if request.param == "postgres" else None)


def test_rows_are_read_in_the_clear_and_kept_as_ciphertext(world):
    world.sandbox.done(somebody(born=date(1990, 5, 6)))
    world.sandbox.done(Earn(customer_id="c1", points=3))
    world.deliver()
    row = CustomerRow(customer_id="c1", name="Ada Lovelace", email="ada@example.org", born=date(1990, 5, 6), points=3)
    assert world.row("c1") == row
    assert list(world.views().page(customers, 10, None).rows) == [row]
    assert world.views().totals(customers) == {"all": {"customers": 1, "points": 3}}
    assert b"c1" in world._dump()
    for plain in (b"Lovelace", b"ada@", b"1990"):
        assert plain not in world.at_rest()


def test_a_projector_has_no_keys_and_needs_none(world):
    for n in range(1, 13):
        world.sandbox.done(somebody(f"c{n}"))
    looks = world.sandbox.keys.reads
    world.deliver()
    assert world.together == 12, "a batch is one read and one write, for personal rows too"
    world.projector.heal(customers, StreamId.of(TENANT, "customer", "c1"))
    assert world.sandbox.keys.reads == looks


def test_an_erased_person_is_erased_in_every_row_without_a_write(world):
    for id in ("c1", "c2"):
        world.sandbox.done(somebody(id, name=f"{id} Lovelace"))
    world.deliver()
    before = world._dump()
    world.erase("c1")
    gone, other = world.views().page(customers, 10, None).rows
    assert isinstance(gone.name, Erased)
    assert isinstance(gone.email, Erased)
    assert (gone.customer_id, gone.born, other.name) == ("c1", None, "c2 Lovelace")
    assert world._dump() == before


def test_an_erased_row_goes_on(world):
    world.sandbox.done(somebody())
    world.deliver()
    world.erase("c1")
    world.sandbox.done(Earn(customer_id="c1", points=4))
    world.deliver()
    assert world.parked == []
    row = world.row("c1")
    assert (row.points, row.name) == (4, "[erased]")


def test_a_page_takes_one_look_for_keys(world):
    for n in range(12):
        world.sandbox.done(somebody(f"c{n}"))
    world.deliver()
    world.sandbox = world.sandbox.another()
    world.sandbox.keys.reads = 0
    assert {row.name for row in world.views().page(customers, 50, None).rows} == {"Ada Lovelace"}
    assert world.sandbox.keys.reads == 1


def test_a_row_that_is_behind_is_folded_forward_and_opened(world):
    world.sandbox.done(somebody())
    world.deliver()
    done = world.sandbox.done(ChangeEmail(customer_id="c1", email="new@example.org"))
    token = Token.of(1, [(("customer", "c1"), done.next)])
    assert world.row("c1", token).email == "new@example.org"


def test_rows_and_events_from_before_the_field_was_personal_are_carried_along(world):
    event = Registered(customer_id="c1", name="Ada Lovelace", email="ada@example.org")
    stream = StreamId.of(TENANT, "customer", "c1")
    commit = Commit(stream, 1, 2, codec.encode([event]), ("Registered",), {}, "old", "", "2026-01-01T00:00:00.000Z")
    assert world.sandbox.store.append(commit) is None
    world.deliver()
    world.sandbox.done(ChangeEmail(customer_id="c1", email="new@example.org"))
    world.deliver()
    assert world.parked == []
    row = world.row("c1")
    assert (row.name, row.email) == ("Ada Lovelace", "new@example.org")


def test_what_is_computed_from_personal_data_parks_the_stream_and_teaches():
    computed = Projection("customers", of=customer, row=CustomerRow)
    computed.on(Registered)(
        lambda row, event, meta: CustomerRow(customer_id="c1", name=event.name.title(), email=event.email)
    )
    made_up = Projection("customers", of=customer, row=CustomerRow)
    made_up.on(Registered)(lambda row, event, meta: CustomerRow(customer_id="c1", name="a lady", email=event.email))
    for projection, said in ((computed, "title of personal data"), (made_up, "given a value of its own")):
        world = World(projection=projection)
        world.sandbox.done(somebody())
        world.deliver()
        (parked,) = world.parked
        assert said in parked["reason"]
        assert "Ada" not in parked["reason"]


def test_nothing_personal_becomes_the_key_of_a_total():
    projection = Projection("customers", of=customer, row=CustomerRow)
    projection.on(Registered)(
        lambda row, event, meta: CustomerRow(customer_id="c1", name=event.name, email=event.email)
    )
    projection.contributes(lambda row: {row.name: {"customers": 1}})
    world = World(projection=projection)
    world.sandbox.done(somebody())
    world.deliver()
    (parked,) = world.parked
    assert "encode of personal data" in parked["reason"]


def test_a_personal_column_is_jsonb_and_has_no_index():
    kinds = {column.name: column.kind for column in RowColumns(customers).all}
    assert kinds == {"customer_id": "text", "name": "jsonb", "email": "jsonb", "born": "jsonb", "points": "bigint"}

    class Address(State):
        owner: str = ""
        street: Annotated[str, Personal(subject="owner")] = ""

    class Moved(Event):
        owner: str

    class Row(State):
        address: Address

    home = Aggregate("home", State)
    home.evolves(Moved)(lambda state, event: state)
    rows = Projection("homes", of=home, row=Row)
    assert [column.kind for column in RowColumns(rows).all] == ["text", "jsonb"]
    indexed = Projection("homes", of=home, row=Row, indexed=["address.street"])
    with pytest.raises(DefinitionError, match=r"address\.street"):
        Service("homes", aggregates=[home], projections=[indexed])
