"""The tables of a domain: their names, where they lie and how they are read, without pyarrow."""

import subprocess
import sys

import duckdb
import pytest
from foldstack import Aggregate, DefinitionError, Event, Projection, Service, State
from foldstack.lake.tables import tables_of, view_sql

from shop import service
from tests.package.support import ROOT


def table(name: str):
    return next(each for each in tables_of(service) if each.name == name)


def test_a_domain_has_one_table_of_all_one_for_each_event_type_and_one_for_each_view():
    names = [each.name for each in tables_of(service)]
    types = {event.type_name for aggregate in service.aggregates.values() for event in aggregate.events}
    assert names[0] == "events"
    assert {"event_product_created", "event_purchase_saga_stuck"} < set(names)
    assert len([name for name in names if name.startswith("event_")]) == len(types)
    assert names[-len(service.projections) :] == sorted(service.projections)
    assert [each.kind for each in tables_of(service, [])][-1] == "events"


def test_a_table_names_its_files_by_tenant_first():
    assert table("products").files == "products_files"
    assert table("products").location("acme", "2026-11-20") == "tables/acme/products/day=2026-11-20/"
    assert table("products").location_template == "tables/${tenant}/products/day=${day}/"


def test_the_tables_are_known_without_pyarrow():
    program = "import sys; from foldstack.lake.tables import tables_of; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_a_view_of_what_is_no_projection_is_refused():
    with pytest.raises(DefinitionError, match="has no projection carts to make a table of; it has checkout, products"):
        tables_of(service, ["carts"])


class Nothing(State):
    pass


class One(Event, name="Price.Set"):
    pass


class Other(Event, name="PriceSet"):
    pass


def test_two_tables_of_one_name_are_refused():
    price = Aggregate("price", Nothing)
    for event in (One, Other):
        price.evolves(event)(lambda state, event: state)
    with pytest.raises(DefinitionError, match=r"Price\.Set and of PriceSet would both take the name event_price_set"):
        tables_of(Service("prices", aggregates=[price]))
    price = Aggregate("price", Nothing)
    price.evolves(One)(lambda state, event: state)
    with pytest.raises(DefinitionError, match="all events and of events would both take the name events"):
        tables_of(Service("prices", aggregates=[price], projections=[Projection("events", of=price, row=Nothing)]))


def test_the_view_keeps_the_newest_row_and_no_deleted_one():
    database = duckdb.connect()
    database.execute(
        "CREATE TABLE products_files AS SELECT * FROM (VALUES "
        "('acme', DATE '2026-11-20', 'a', 3, 1, 1, false), ('acme', DATE '2026-11-20', 'a', 3, 1, 1, false),"
        "('acme', DATE '2026-11-20', 'a', 2, 1, 1, true), ('acme', DATE '2026-11-20', 'b', 2, 1, 1, false),"
        "('acme', DATE '2026-11-20', 'b', 3, 1, 1, true), ('blue', DATE '2026-11-20', 'a', 9, 1, 1, false),"
        "('acme', DATE '2026-11-20', 'c', 9, 1, 1, false), ('acme', DATE '2026-11-20', 'c', 1, 2, 1, false),"
        "('acme', DATE '2026-11-20', 'd', 9, 1, 1, false), ('acme', DATE '2026-11-20', 'd', 8, 1, 2, false)"
        ') AS rows(tenant, "day", id, version, epoch, generation, deleted)'
    )
    products = table("products")
    for column in products.columns[5:]:
        database.execute(f'ALTER TABLE products_files ADD COLUMN "{column.name}" VARCHAR')
    read = f"SELECT tenant, id, version FROM ({view_sql(products)}) ORDER BY ALL"
    assert database.execute(read).fetchall() == [("acme", "a", 3), ("acme", "c", 1), ("acme", "d", 8), ("blue", "a", 9)]
