"""What the lake must say of a history: the fold of the store, as rows of its tables."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from foldstack.kernel.keys import Tenant
from pydantic_core import from_json

from tests.lake.domain import account, accounts
from tests.lake.histories import OTHER, History
from tests.lake.support import ACME, TABLES, Bucket, read_view


def assert_lake_is(made: History, bucket: Bucket, tenants: Sequence[Tenant] = (ACME, OTHER)) -> None:
    for tenant in tenants:
        assert _events(bucket, tenant) == _stored(made, tenant)
        for name, type_ in (("event_opened", "Opened"), ("event_paid", "Paid"), ("event_closed", "Closed")):
            assert _typed(bucket, name, tenant) == _decoded(made, type_, tenant)
        assert entities_in(bucket, tenant) == rows_of(made, tenant)


def _events(bucket: Bucket, tenant: Tenant) -> dict[Any, Any]:
    rows = read_view(bucket, TABLES["events"], tenant)
    found = {
        (row["stream"], row["version"]): (row["type"], row["schema"], row["at"], row["day"], from_json(row["data"]))
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def _stored(made: History, tenant: Tenant) -> dict[Any, Any]:
    return {
        (each.stream.path, event.version): (
            event.type,
            event.schema,
            datetime.fromisoformat(each.time),
            each.time[:10],
            event.data,
        )
        for each in made.envelopes
        if each.tenant == tenant
        for event in each.stored or ()
    }


def _typed(bucket: Bucket, name: str, tenant: Tenant) -> dict[Any, Any]:
    table = TABLES[name]
    rows = read_view(bucket, table, tenant)
    found = {
        (row["stream"], row["version"], row["part"]): {column.field: row[column.name] for column in table.payload}
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def _decoded(made: History, type_: str, tenant: Tenant) -> dict[Any, Any]:
    return {
        (each.stream.path, event.version, part): dict(model)
        for each in made.envelopes
        if each.tenant == tenant
        for event in each.stored or ()
        for part, model in enumerate(account.upcasters.decode(event))
        if model.type_name == type_
    }


def entities_in(bucket: Bucket, tenant: Tenant) -> dict[Any, Any]:
    table = TABLES["accounts"]
    rows = read_view(bucket, table, tenant)
    found = {
        row["id"]: (row["version"], row["day"], {column.field: row[column.name] for column in table.payload})
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def rows_of(made: History, tenant: Tenant) -> dict[Any, Any]:
    return {
        stream.id: (lead.cursor, made.days[stream], {**dict(row), "by_day": list(row.by_day.items())})
        for stream, lead in made.rows.items()
        if stream.tenant == tenant and lead.row is not None
        for row in [accounts.row_type.model_validate(lead.row)]
    }
