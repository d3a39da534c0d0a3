"""Tenants and streams: the grammar of every id, and the one place that builds and splits keys."""

import re
from dataclasses import dataclass
from typing import Self

from .errors import InvalidValue

ID_PATTERN = r"[A-Za-z0-9._~-]{1,128}"
TENANT_PATTERN = r"[a-z0-9][a-z0-9-]{0,62}"
CATEGORY_PATTERN = r"[a-z][a-z0-9-]{0,31}"
RESERVED_CATEGORIES = frozenset({"cmd", "sys", "cur"})

_id = re.compile(ID_PATTERN).fullmatch
_tenant = re.compile(TENANT_PATTERN).fullmatch
_category = re.compile(CATEGORY_PATTERN).fullmatch


class Tenant(str):
    """A tenant id that keeps the grammar. Stores and key builders take this type only.

    Raises InvalidValue for anything else.
    """

    __slots__ = ()

    def __new__(cls, value: str, field: str = "tenant") -> Self:
        if not _tenant(value):
            raise InvalidValue(field, "1 to 63 of a-z, 0-9 and -, the first not a -; got " + repr(value[:80]))
        return super().__new__(cls, value)


def check_id(value: str, field: str) -> str:
    """`value` where it is an id of a stream, else InvalidValue naming `field`."""
    if not _id(value):
        raise InvalidValue(field, "1 to 128 of A-Z, a-z, 0-9 and . _ ~ -; got " + repr(value[:140]))
    return value


def check_category(value: str) -> str:
    """`value` where a stream category may be called so, else InvalidValue."""
    if not _category(value) or value in RESERVED_CATEGORIES:
        raise InvalidValue(
            "category",
            f"1 to 32 of a-z, 0-9 and -, a letter first, none of {sorted(RESERVED_CATEGORIES)}; got {value!r}",
        )
    return value


@dataclass(frozen=True, slots=True)
class StreamId:
    """One event stream of one tenant."""

    tenant: Tenant
    category: str
    id: str

    @classmethod
    def of(cls, tenant: Tenant, category: str, id: str) -> Self:
        """Checked; raises InvalidValue."""
        return cls(tenant, category, check_id(id, "id"))

    @classmethod
    def parse(cls, key: str) -> Self:
        """The inverse of `key`. Raises InvalidValue."""
        tenant, _, rest = key.partition("#")
        category, _, id = rest.partition("#")
        return cls(Tenant(tenant), check_category(category), check_id(id, "id"))

    @property
    def key(self) -> str:
        """The partition key in the commit table."""
        return f"{self.tenant}#{self.category}#{self.id}"

    @property
    def path(self) -> str:
        """The key without its tenant, as tokens carry it."""
        return f"{self.category}#{self.id}"
