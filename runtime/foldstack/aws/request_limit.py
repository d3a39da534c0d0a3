"""How many requests a tenant may make in a minute, counted in arrears: a write for each fiftieth of the limit."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..kernel.errors import TooManyRequests
from ..kernel.keys import Tenant
from .store_errors import ask

WINDOW = 60
SHARES = 50
_MOST_TENANTS = 10_000
_KEPT = 3600


@dataclass
class _Count:
    """Of one tenant in one window: what this sandbox has let through and not told the others, and whether the limit
    is reached."""

    window: int
    untold: int = 0
    reached: bool = False


class RequestLimit:
    """A sandbox tells the table of every `per_minute`/50 requests of a tenant, and is told what all of them came to.

    A tenant that makes fewer costs no request. At the limit it is refused until the minute ends, by a sandbox that
    knows without asking; each of n sandboxes may let through a fiftieth before it does, so at most `per_minute` x
    (1 + n/50) pass. A window is a minute of the clock.
    """

    def __init__(self, client: Any, table: str, per_minute: int, *, now: Callable[[], float] = time.time) -> None:
        self._client = client
        self._table = table
        self._per_minute = per_minute
        self._share = math.ceil(per_minute / SHARES)
        self._now = now
        self._counts: OrderedDict[Tenant, _Count] = OrderedDict()

    def take(self, tenant: Tenant) -> None:
        """One request. Raises TooManyRequests; StoreThrottled and StoreTimeout where the table does not say."""
        now = self._now()
        count = self._count(tenant, int(now // WINDOW))
        if not count.reached:
            count.untold += 1
            if count.untold < self._share:
                return
            count.reached = self._told(tenant, count) > self._per_minute
            count.untold = 0
        if count.reached:
            left = math.ceil((count.window + 1) * WINDOW - now)
            raise TooManyRequests(
                f"{tenant} may make {self._per_minute} requests a minute, and has; come again in {left} s", left
            )

    def _count(self, tenant: Tenant, window: int) -> _Count:
        count = self._counts.get(tenant)
        if count is None or count.window != window:
            count = self._counts[tenant] = _Count(window)
        self._counts.move_to_end(tenant)
        if len(self._counts) > _MOST_TENANTS:
            self._counts.popitem(last=False)
        return count

    def _told(self, tenant: Tenant, count: _Count) -> int:
        """The requests of all sandboxes in this window that are told of."""
        answer = ask(
            self._client.update_item,
            TableName=self._table,
            Key={"p": {"S": f"{tenant}#{count.window}"}},
            UpdateExpression="ADD n :n SET #ttl = :ttl",
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues={
                ":n": {"N": str(count.untold)},
                ":ttl": {"N": str((count.window + 1) * WINDOW + _KEPT)},
            },
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["n"]["N"])
