"""Views with personal fields, as their readers see them: rows hold ciphertext, and are opened when they are read."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ..kernel.keyring import Keyring
from ..kernel.keys import Tenant
from ..kernel.messages import State
from ..kernel.projection import Number, Projection
from ..kernel.request import ViewPage, Views
from . import view_rows

R = TypeVar("R", bound=State)


class OpenedViews:
    """See `Views`. One look for the keys of a page: those of `keyring` that are not known yet."""

    def __init__(self, views: Views, keyring: Keyring, tenant: Tenant) -> None:
        self._views = views
        self._keyring = keyring
        self._tenant = tenant

    def get(self, projection: Projection[R], id: str) -> R | None:
        row = self._views.get(projection, id)
        return None if row is None else self._opened(projection, [row])[0]

    def page(self, projection: Projection[R], limit: int, after: str | None) -> ViewPage[R]:
        page = self._views.page(projection, limit, after)
        return ViewPage(self._opened(projection, page.rows), page.next)

    def find(
        self, projection: Projection[R], where: Mapping[str, Any], order: str | None, limit: int, after: str | None
    ) -> ViewPage[R]:
        page = self._views.find(projection, where, order, limit, after)
        return ViewPage(self._opened(projection, page.rows), page.next)

    def total(self, projection: Projection, key: str) -> Mapping[str, Number]:
        return self._views.total(projection, key)

    def totals(self, projection: Projection) -> Mapping[str, Mapping[str, Number]]:
        return self._views.totals(projection)

    def _opened(self, projection: Projection[R], rows: Sequence[R]) -> list[R]:
        if projection.reading is None:
            return list(rows)
        stored = [view_rows.row_of(row, projection.reading) for row in rows]
        opener = self._keyring.opener(self._tenant, *stored)
        validate = projection.row_type.__pydantic_validator__.validate_python
        return [validate(row, strict=False, context=opener) for row in stored]
