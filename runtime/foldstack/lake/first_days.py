"""The day of a stream's first commit: the partition of its entity, so that every later version meets the first."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from ..aws.store_errors import ask
from ..kernel.errors import StoreThrottled
from ..kernel.keys import StreamId

_A_BATCH = 100
_MOST_KEPT = 50_000
_ATTEMPTS = 8


class FirstDays:
    """Reads the commit table, without the events, and keeps what it found: a first commit never changes."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table
        self._kept: OrderedDict[str, str] = OrderedDict()

    def __call__(self, streams: Iterable[StreamId]) -> Mapping[StreamId, str]:
        """Raises StoreThrottled or StoreTimeout."""
        streams = list(streams)
        days = {stream: self._kept[stream.key] for stream in streams if stream.key in self._kept}
        missing = {stream.key: stream for stream in streams if stream not in days}
        keys = list(missing)
        for start in range(0, len(keys), _A_BATCH):
            found = self._read(keys[start : start + _A_BATCH])
            self._kept |= found
            days |= {missing[key]: day for key, day in found.items()}
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return days

    def _read(self, keys: list[str]) -> dict[str, str]:
        asked = {
            "Keys": [{"p": {"S": key}, "s": {"N": "1"}} for key in keys],
            "ProjectionExpression": "p, d",
            "ConsistentRead": True,
        }
        found: dict[str, str] = {}
        for attempt in range(_ATTEMPTS):
            answer = ask(self._client.batch_get_item, RequestItems={self._table: asked})
            found |= {item["p"]["S"]: item["d"]["S"][:10] for item in answer["Responses"].get(self._table, ())}
            left = answer.get("UnprocessedKeys", {}).get(self._table)
            if not left:
                return found
            asked = left
            time.sleep(0.05 * 2**attempt)
        raise StoreThrottled(f"{self._table} does not give {len(asked['Keys'])} first commits")
