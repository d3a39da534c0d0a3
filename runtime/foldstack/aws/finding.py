"""What a caller looks for in a view, and the opaque position that a page ends at."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from ..kernel.errors import DefinitionError, InvalidValue
from ..kernel.keys import check_id
from ..kernel.projection import Projection


class Position(NamedTuple):
    """The last row of a page: its id, and what it was ordered by, as text."""

    id: str
    value: str | None = None


@dataclass(frozen=True)
class Finding:
    """Rows of a projection whose fields equal `where`, in the order of a field, or of ids for None."""

    projection: Projection
    where: tuple[tuple[str, Any], ...] = ()
    order: str | None = None
    descending: bool = False

    @classmethod
    def of(cls, projection: Projection, where: Mapping[str, Any], order: str | None) -> "Finding":
        """`order` is a field, with - before it downwards. Raises DefinitionError for a field without an index."""
        field = None if order is None else order.removeprefix("-")
        for name in (*where, *filter(None, [field])):
            if name not in projection.indexed:
                raise DefinitionError(
                    f"projection {projection.name}: {name} is not indexed; rows are found and ordered by "
                    f"{', '.join(projection.indexed) or 'nothing'}: name it in `indexed`"
                )
        return cls(projection, tuple(sorted(where.items())), field, order is not None and order.startswith("-"))

    def matches(self, row: Any) -> bool:
        """Whether a row has the values looked for."""
        return all(_at(row, field) == value for field, value in self.where)

    def sealed(self, id: str, value: str | None = None) -> str:
        """The position after a row, of use to the same finding alone."""
        known = [self.projection.name, self.projection.version, id]
        if self.order is not None or self.where:
            known += [value, self._mark]
        return base64.urlsafe_b64encode(to_json(known)).rstrip(b"=").decode()

    def position(self, text: str) -> Position:
        """What `sealed` made. Raises InvalidValue naming `next` for anything else."""
        wrong = InvalidValue("next", "must be `next` of the page before, sent back unchanged, with the same parameters")
        try:
            if not text.isascii() or len(text) > 1024:
                raise wrong
            _, _, id, *more = from_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            check_id(id, "next")
            value = more[0] if more else None
            if self.sealed(id, value) != text or not isinstance(value, str | None):
                raise wrong
        except (ValueError, TypeError, binascii.Error, InvalidValue):
            raise wrong from None
        return Position(id, value)

    @property
    def _mark(self) -> str:
        looked_for = to_json([self.where, self.order, self.descending], fallback=str)
        return hashlib.sha256(looked_for).hexdigest()[:12]


def _at(row: Any, field: str) -> Any:
    for name in field.split("."):
        row = getattr(row, name)
    return row
