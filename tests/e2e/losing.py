"""Damage that no road does: a row that is gone, in whatever store the views are."""

import json
from typing import Any

from foldstack.aws.sql.view_store import SqlViewStore
from foldstack.aws.view_operations import DynamoViewOperations, OperatedViews
from foldstack.aws.view_rows import partition
from foldstack.kernel.keys import StreamId
from foldstack.kernel.projection import Projection


def lose(views: OperatedViews, projection: Projection, stream: StreamId) -> None:
    """Removes the row and its cursor; what it added to totals stays. There must be one."""
    assert views.read(projection, stream) is not None
    if isinstance(views, SqlViewStore):
        _lose_in_sql(views, projection, stream)
    else:
        assert isinstance(views, DynamoViewOperations)
        key = {"p": {"S": partition(projection, stream.tenant)}, "s": {"S": stream.id}}
        views._client.delete_item(TableName=views._table(projection), Key=key)
    assert views.read(projection, stream) is None


def _lose_in_sql(views: SqlViewStore, projection: Projection, stream: StreamId) -> None:
    statements: Any = views._view(projection).statements
    of = {"generation": projection.generation, "keys": json.dumps([{"tenant": stream.tenant, "id": stream.id}])}
    with views.sql.transaction() as sql:
        sql.run(statements.set_tenants, tenants=str(stream.tenant))
        sql.run(statements.delete, **of)
        sql.run(statements.delete_cursors, **of)
