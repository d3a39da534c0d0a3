"""The tenants table: tenants, and who belongs to them. Functions read it; only administrators write it.

tenant       {"p": "tenant#T", "s": "tenant", "status", "limit"?}, the limit a number of requests a minute
membership   {"p": "user#SUB" or "client#ID", "s": "membership", "tenant", "role", "status"}
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..kernel.access import Caller
from ..kernel.errors import AccessRefused, InvalidValue, StoreThrottled
from ..kernel.keys import Tenant
from .store_errors import ask

ACTIVE, SUSPENDED = "active", "suspended"
LOOK_SECONDS = 30
"""How long a door takes what it has read for true: a suspension is felt within this, and a request's duration."""
_MOST = 4096

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Membership:
    """Who somebody is in which tenant."""

    tenant: Tenant
    role: str


def tenant_key(tenant: str) -> Key:
    return f"tenant#{tenant}", "tenant"


def member_key(subject: str, *, machine: bool) -> Key:
    """`subject` is a user's `sub`, or the id of a machine's client."""
    return f"{'client' if machine else 'user'}#{subject}", "membership"


def attributes(key: Key) -> dict[str, Any]:
    """A key as DynamoDB takes it."""
    return {"p": {"S": key[0]}, "s": {"S": key[1]}}


def text(item: Mapping[str, Any] | None, name: str) -> str:
    """A field of an item, "" where there is none."""
    return (item or {}).get(name, {}).get("S", "")


def limit_of(tenant: Mapping[str, Any] | None) -> int | None:
    """The `limit` of a tenant's item: requests a minute, None where it has no limit of its own."""
    number = (tenant or {}).get("limit", {}).get("N")
    return None if number is None else int(number)


def granted(client: Any, table: str, subject: str, *, machine: bool) -> Membership:
    """Who somebody is now, by two consistent reads. Raises AccessRefused where that is nobody: unknown or suspended,
    or of a tenant that is; InvalidValue for a tenant outside the grammar."""

    def read(key: Key) -> Mapping[str, Any] | None:
        return ask(client.get_item, TableName=table, Key=attributes(key), ConsistentRead=True).get("Item")

    member = read(member_key(subject, machine=machine))
    if member is None:
        raise AccessRefused(403, "not-a-member", "belongs to no tenant")
    tenant = Tenant(text(member, "tenant"))
    _check(read(tenant_key(tenant)), member)
    if not text(member, "role"):
        raise InvalidValue("role", "a membership has one; this one's is empty")
    return Membership(tenant, text(member, "role"))


class Standings:
    """How callers stand, at most LOOK_SECONDS late, for one sandbox: one request for two items a caller and 30 s.

    By wall clock, since a sandbox may have been frozen.
    """

    def __init__(
        self,
        client: Callable[[], Any],
        table: str,
        *,
        clock: Callable[[], float] = time.time,
        most: int = _MOST,
    ) -> None:
        self._client, self._table, self._clock, self._most = client, table, clock, most
        self._known: OrderedDict[Key, tuple[float, Mapping[str, Any] | None]] = OrderedDict()

    def check(self, caller: Caller) -> int | None:
        """The tenant's own limit of requests a minute, None where it has none. Raises AccessRefused for a caller whose
        token says what is no longer so, and Unavailable where the table can't be asked: what isn't known is not
        allowed."""
        keys = tenant_key(caller.tenant), member_key(caller.subject, machine=caller.machine)
        now = self._clock()
        stale = [key for key in keys if not self._fresh(key, now)]
        if stale:
            self._read(stale, now)
        for key in keys:
            self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        tenant, member = (self._known[key][1] for key in keys)
        _check(tenant, member)
        if (text(member, "tenant"), text(member, "role")) != (caller.tenant, caller.role):
            raise AccessRefused(401, "stale-token", "the token is older than a change of role: get another")
        return limit_of(tenant)

    def _fresh(self, key: Key, now: float) -> bool:
        read_at, _ = self._known.get(key, (float("-inf"), None))
        return 0 <= now - read_at < LOOK_SECONDS

    def _read(self, keys: list[Key], now: float) -> None:
        wanted = {self._table: {"Keys": [attributes(key) for key in keys]}}
        answer = ask(self._client().batch_get_item, RequestItems=wanted)
        if answer.get("UnprocessedKeys"):
            raise StoreThrottled(f"{self._table} did not answer for all that was asked")
        found = {(item["p"]["S"], item["s"]["S"]): item for item in answer["Responses"].get(self._table, [])}
        for key in keys:
            self._known[key] = now, found.get(key)


def _check(tenant: Mapping[str, Any] | None, member: Mapping[str, Any] | None) -> None:
    if text(member, "status") != ACTIVE:
        raise AccessRefused(403, "member-suspended", "this account has no access")
    if text(tenant, "status") != ACTIVE:
        raise AccessRefused(403, "tenant-suspended", "this account's tenant has no access")
