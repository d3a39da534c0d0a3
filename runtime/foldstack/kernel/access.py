"""Who may do what: roles and their permissions, and the caller that a door has verified."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .errors import DefinitionError
from .keys import Tenant

EVERYTHING: Final = "*"
"""Every permission that a route asks for."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}").fullmatch


class Roles:
    """The roles of a service, each with its permissions; what no role is given, nobody may do.

        roles = Roles(admin=EVERYTHING, buyer=("read", "purchase"), viewer=("read",))

    Raises DefinitionError for a name that is none: a-z, 0-9 and -, a letter first, at most 32.
    """

    def __init__(self, **permissions: str | Iterable[str]) -> None:
        self._permissions = {
            role: frozenset([given] if isinstance(given, str) else given) for role, given in permissions.items()
        }
        for role, given in self._permissions.items():
            for name in (role, *(given - {EVERYTHING})):
                if not _NAME(name):
                    raise DefinitionError(f"role {role}: {name!r} is no name: a-z, 0-9 and -, a letter first, up to 32")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._permissions)

    def allow(self, role: str, permission: str) -> bool:
        """Whether the role has the permission; a role that is not declared has none."""
        return not self._permissions.get(role, frozenset()).isdisjoint((permission, EVERYTHING))

    def having(self, permission: str) -> tuple[str, ...]:
        """The roles that have a permission."""
        return tuple(role for role in self._permissions if self.allow(role, permission))

    @staticmethod
    def check_permission(permission: str, where: str) -> None:
        """Raises DefinitionError where it is no name of a permission."""
        if not _NAME(permission):
            raise DefinitionError(f"{where}: {permission!r} is no permission: a-z, 0-9 and -, a letter first, up to 32")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request, by verified claims. `subject` is the user's or the machine's id; where a door is
    anonymous there is no role."""

    tenant: Tenant
    subject: str
    role: str = ""
    machine: bool = False
