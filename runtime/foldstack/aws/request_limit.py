"""How many requests a tenant may make in a minute, counted in arrears: a write for each fiftieth of the limit."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..kernel.errors import TooManyRequests, Unavailable
from ..kernel.keys import Tenant
from .store_errors import ask

WINDOW = 60
SHARES = 50
_MOST_TENANTS = 10_000
_KEPT = 3600


@dataclass
class _Count:
    """Of one tenant in one window: what all sandboxes have told of, as far as this one has heard, and what it has let
    through itself and not told."""

    window: int
    heard: int = 0
    untold: int = 0


class RequestLimit:
    """A sandbox tells the table of every `per_minute`/50 requests of a tenant, and is told what all of them came to.

    A tenant that makes fewer costs no request. At the limit it is refused until the minute ends, by a sandbox that
    knows without asking; each of n sandboxes may let through a fiftieth before it does, so at most `per_minute` x
    (1 + n/50) pass. A window is a minute of the clock.

    `client` makes one attempt: a repeated addition is done twice. Where the table does not answer, requests pass and
    are forgotten, `lost` is told how many, and the table is asked again a share later: a limit protects the service,
    and must not be what stops it.
    """

    def __init__(
        self,
        client: Callable[[], Any],
        table: str,
        per_minute: int,
        *,
        lost: Callable[[Tenant, int, Unavailable], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._table, self._per_minute = client, table, per_minute
        self._lost, self._now = lost, now
        self._counts: OrderedDict[Tenant, _Count] = OrderedDict()

    def take(self, tenant: Tenant, per_minute: int | None = None) -> None:
        """One request. `per_minute`: the tenant's own limit, where it has one. Raises TooManyRequests."""
        now = self._now()
        limit = self._per_minute if per_minute is None else per_minute
        count = self._count(tenant, int(now // WINDOW))
        if count.heard < limit:
            count.untold += 1
            if count.untold < math.ceil(limit / SHARES):
                return
            self._tell(tenant, count)
            if count.heard <= limit:
                return
        left = math.ceil((count.window + 1) * WINDOW - now)
        raise TooManyRequests(
            f"{tenant} may make {limit} requests a minute, and has made them; come again in {left} s", left
        )

    def _count(self, tenant: Tenant, window: int) -> _Count:
        count = self._counts.get(tenant)
        if count is None or count.window != window:
            count = self._counts[tenant] = _Count(window)
        self._counts.move_to_end(tenant)
        if len(self._counts) > _MOST_TENANTS:
            self._counts.popitem(last=False)
        return count

    def _tell(self, tenant: Tenant, count: _Count) -> None:
        """Hears of the requests of all sandboxes in this window that are told of."""
        untold, count.untold = count.untold, 0
        try:
            answer = ask(
                self._client().update_item,
                TableName=self._table,
                Key={"p": {"S": f"{tenant}#{count.window}"}},
                UpdateExpression="ADD n :n SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":n": {"N": str(untold)},
                    ":ttl": {"N": str((count.window + 1) * WINDOW + _KEPT)},
                },
                ReturnValues="UPDATED_NEW",
            )
        except Unavailable as error:
            self._lost(tenant, untold, error)
        else:
            count.heard = int(answer["Attributes"]["n"]["N"])
