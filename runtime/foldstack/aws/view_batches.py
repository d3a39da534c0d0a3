"""Rows of views in DynamoDB, many at a time: a batch is read in one request, and written in one of single writes.

A write that is conditional, stands for itself and costs no more than a put has only one way into a batch: a PartiQL
statement. BatchWriteItem knows no condition, and a transaction costs twice the units and is lost as a whole.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from ..kernel.errors import StoreThrottled, StoreTimeout
from ..kernel.keys import StreamId
from ..kernel.projection import Projection
from . import view_rows
from .store_errors import NOT_DONE, ask
from .view_rows import LeadRow
from .view_store import DynamoViewStore, RowWrite

_MOST_READ, _MOST_WRITTEN = 100, 25
_TRIES = 6
_PAUSE = 0.05
_KEYS = ("p", "s")
_OF_THE_MOMENT = NOT_DONE | {"ConditionalCheckFailed", "DuplicateItem", "InternalServerError", "RequestLimitExceeded"}


class DynamoViewBatches(DynamoViewStore):
    """See `BatchViewStore`. What a statement can't say goes by itself: a row that changes totals, one that is parked,
    one that loses an attribute."""

    def read_many(self, projection: Projection, streams: Iterable[StreamId]) -> dict[StreamId, LeadRow]:
        streams = list(streams)
        if len(streams) == 1:
            lead = self.read(projection, streams[0])
            return {} if lead is None else {streams[0]: lead}
        table = self._table(projection)
        by_key = {(view_rows.partition(projection, each.tenant), each.id): each for each in streams}
        keys = [{"p": {"S": p}, "s": {"S": s}} for p, s in by_key]
        found: dict[StreamId, LeadRow] = {}
        for start in range(0, len(keys), _MOST_READ):
            left = keys[start : start + _MOST_READ]
            for tries in range(_TRIES):
                answer = ask(self._client.batch_get_item, RequestItems={table: {"Keys": left, "ConsistentRead": True}})
                for item in answer["Responses"].get(table, ()):
                    found[by_key[item["p"]["S"], item["s"]["S"]]] = view_rows.from_item(item)
                left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
                if not left:
                    break
                time.sleep(_PAUSE * 2**tries)
            else:
                raise StoreThrottled(f"{len(left)} rows of {projection.label} could not be read now")
        return found

    def write_many(self, projection: Projection, writes: Sequence[RowWrite]) -> list[bool]:
        written = [False] * len(writes)
        stated: list[tuple[int, dict[str, Any]]] = []
        for place, write in enumerate(writes):
            statement = _statement(self._table(projection), projection, write) if len(writes) > 1 else None
            if statement is None:
                written[place] = self._written(projection, write)
            else:
                stated.append((place, statement))
        for start in range(0, len(stated), _MOST_WRITTEN):
            some = stated[start : start + _MOST_WRITTEN]
            answer = ask(self._client.batch_execute_statement, Statements=[statement for _, statement in some])
            for (place, _), response in zip(some, answer["Responses"], strict=True):
                written[place] = _done(response)
        return written

    def _written(self, projection: Projection, write: RowWrite) -> bool:
        try:
            return self.write(projection, *write)
        except (StoreThrottled, StoreTimeout):
            return False


def _done(response: dict[str, Any]) -> bool:
    """False where it was not done for a reason that a second attempt, by itself, will tell."""
    error = response.get("Error")
    if error is not None and error["Code"] not in _OF_THE_MOMENT:
        raise RuntimeError(f"DynamoDB refused a statement: {error['Code']}: {error.get('Message', '')}")
    return error is None


def _statement(table: str, projection: Projection, write: RowWrite) -> dict[str, Any] | None:
    """The write as one of PartiQL, on the conditions of `ViewStore.write`; None where it can't be said."""
    before, after = write.before, write.after
    if write.changes:
        return None
    item = view_rows.to_item(view_rows.partition(projection, write.stream.tenant), write.stream.id, after)
    if before is None:
        fields = ", ".join(f"'{name}': ?" for name in item)
        return {"Statement": f'INSERT INTO "{table}" VALUE {{{fields}}}', "Parameters": list(item.values())}
    if before.parked is not None or not _parts(before) <= _parts(after):
        return None
    values = {name: value for name, value in item.items() if name not in _KEYS}
    assignments = " ".join(f'SET "{name}" = ?' for name in values)
    same = '"p" = ? AND "s" = ? AND "n" = ? AND "e" = ? AND "parked" IS MISSING'
    read = [{"N": str(before.cursor)}, {"N": str(before.epoch)}]
    return {
        "Statement": f'UPDATE "{table}" {assignments} WHERE {same}',
        "Parameters": [*values.values(), item["p"], item["s"], *read],
    }


def _parts(lead: LeadRow) -> set[str]:
    """What an item may have and may lack, as far as this one has it."""
    parts = {"row": lead.row is not None, "dead": lead.row is None, "sums": lead.sums, "skipped": lead.skipped}
    return {name for name, there in parts.items() if there}
