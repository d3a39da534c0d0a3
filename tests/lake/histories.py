"""Random histories of accounts: what the store holds, how it is delivered, and what the lake must then say."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from foldstack.aws import view_rows
from foldstack.aws.generations import Generations
from foldstack.aws.view_rows import LeadRow
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.generations import Control
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.lake.entities import Entities, EntityChange

from tests.lake.domain import accounts
from tests.lake.support import ACME, envelope

OTHER = Tenant("blue")
BEGIN = datetime(2026, 11, 19, 22, 0, tzinfo=UTC)


class OneControl:
    """The state of the view, as its table has it."""

    def __init__(self, control: Control | None = None) -> None:
        self.now = control or Control()

    def control(self, projection: Any, consistent: bool = True) -> Control:
        return self.now


@dataclass
class History:
    """`envelopes` in their order, `images` as the stream of the view's table has them, `days` of first commits, and
    `rows` as the view ends (None: deleted)."""

    envelopes: list[Envelope] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    days: dict[StreamId, str] = field(default_factory=dict)
    rows: dict[StreamId, LeadRow] = field(default_factory=dict)

    def changes(self, images: list[dict[str, Any]] | None = None) -> list[EntityChange]:
        changes, unusable = self.entities().of_stream(self.images if images is None else images)
        assert unusable == []
        return changes

    def entities(self, control: Control | None = None) -> Entities:
        known = Generations(lambda: OneControl(control), 0)
        return Entities([accounts], {"accounts": "bank-accounts"}, known, lambda streams: self.days)


def history(seed: int, commits: int = 24, ids: int = 4) -> History:
    rng, made = random.Random(seed), History()
    next_of: dict[StreamId, int] = {}
    last_of: dict[StreamId, dict[str, int]] = {}
    at = BEGIN
    for _ in range(commits):
        at += timedelta(minutes=rng.randrange(1, 20), microseconds=rng.randrange(1000))
        tenant, id = rng.choice([ACME, ACME, OTHER]), f"a{rng.randrange(ids)}"
        stream = StreamId.of(tenant, "account", id)
        first = next_of.get(stream, 1)
        events = [_event(rng, at, first == 1 and n == 0) for n in range(rng.randrange(1, 4))]
        prev = last_of.setdefault(stream, {})
        sent = replace(envelope(id, *events, first=first, time=at.isoformat(), tenant=tenant), prev=dict(prev))
        prev.update({event.type: event.version + 1 for event in sent.stored or ()})
        next_of[stream] = sent.next
        made.envelopes.append(sent)
        made.days.setdefault(stream, at.isoformat()[:10])
        before = made.rows.get(stream)
        row = accounts.apply(
            view_rows.model_of(accounts, before.row if before else None), sent.stored or (), id, sent.time
        )
        after = LeadRow(sent.next, 1, None if row is None else view_rows.row_of(row), {})
        made.rows[stream] = after
        made.images.append(image(stream, before, after, at))
    return made


def image(
    stream: StreamId, before: LeadRow | None, after: LeadRow | None, at: datetime, number: int = 1
) -> dict[str, Any]:
    """A record of the stream of the view's table, as Lambda gets it."""
    partition = view_rows.partition(accounts.in_generation(number), stream.tenant)
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": at.timestamp(),
        "Keys": {"p": {"S": partition}, "s": {"S": stream.id}},
        "SequenceNumber": f"{stream.key}@{after.cursor if after else 0}",
    }
    if before:
        change["OldImage"] = view_rows.to_item(partition, stream.id, before)
    if after:
        change["NewImage"] = view_rows.to_item(partition, stream.id, after)
    name = "REMOVE" if after is None else "MODIFY" if before else "INSERT"
    source = "arn:aws:dynamodb:eu-central-1:000000000000:table/bank-accounts/stream/2026"
    return {"eventSource": "aws:dynamodb", "eventSourceARN": source, "eventName": name, "dynamodb": change}


def _event(rng: random.Random, at: datetime, opening: bool) -> tuple[str, int, dict]:
    amount = str(Decimal(rng.randrange(-(10**6), 10**6)).scaleb(-rng.randrange(0, 9)))
    kind = "Opened" if opening else rng.choice(["Opened", "Paid", "Paid", "Paid", "Closed", "old", "both", "Forgotten"])
    if kind == "Opened":
        return ("Opened", 2, {"owner": f"owner {rng.randrange(9)}", "limit": amount})
    if kind == "old":
        return ("Opened", 1, {"name": "somebody"})
    if kind == "both":
        return ("OpenedAndPaid", 1, {"owner": "both", "amount": amount, "at": at.isoformat()})
    if kind == "Paid":
        return ("Paid", 1, {"amount": amount, "at": at.isoformat()})
    return (kind, 1, {"reason": rng.choice([None, "moved"])} if kind == "Closed" else {"left": 1})


def shuffled(rng: random.Random, made: list[Any]) -> list[list[Any]]:
    """In batches as a road may bring them: some of it twice or three times, in any order."""
    again = made + rng.choices(made, k=len(made))
    rng.shuffle(again)
    batches = []
    while again:
        size = rng.randrange(1, 9)
        batches.append(again[:size])
        again = again[size:]
    return batches
