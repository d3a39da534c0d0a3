"""Purchases as the lake gets them: one commit an event, of one tenant and one day."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from foldstack.kernel.envelope import Envelope
from foldstack.kernel.keys import StreamId, Tenant
from foldstack.kernel.upcasting import StoredEvent
from foldstack.lake.tables import LakeTable, tables_of

from shop import service

TENANT, DAY = Tenant("acme"), "2026-11-20"
TYPE = "PurchaseBegan"
TABLES = tables_of(service, [])
EVENTS, PURCHASES = (next(table for table in TABLES if table.of == of) for of in ("", TYPE))


def purchases(count: int, first: int = 0) -> list[Envelope]:
    """Ids are as random as ours are; prices, products and times repeat as a shop's do."""
    return [_purchase(number) for number in range(first, first + count)]


def batches(count: int, size: int) -> Iterator[list[Envelope]]:
    for first in range(0, count, size):
        yield purchases(min(size, count - first), first)


def total(count: int) -> Decimal:
    """What they all cost together."""
    return sum((Decimal(_amount(number)) for number in range(count)), Decimal(0))


def partition(table: LakeTable) -> str:
    return table.location(TENANT, DAY)


def _purchase(number: int) -> Envelope:
    id = f"{(number * 0x9E3779B97F4A7C15) & (2**128 - 1):032x}{number:08x}"
    seconds, micros = number // 97 % 86_400, number * 7919 % 1_000_000
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros:06}+00:00"
    data: dict[str, Any] = {
        "purchase_id": id,
        "product_id": f"product-{number * 31 % 997}",
        "reservation_id": f"r{id[:31]}",
        "quantity": 1 + number % 5,
        "amount": {"amount": _amount(number), "currency": "EUR"},
        "token": f"tok_{id[8:24]}",
        "deadline": f"{DAY}T{clock}",
    }
    stream = StreamId(TENANT, "purchase", id)
    stored = (StoredEvent(TYPE, 1, 1, data),)
    return Envelope(stream, 1, 2, {}, (TYPE,), f"{DAY}T{clock}", 1, stored, id[:32], f"product#p@{number % 50}")


def _amount(number: int) -> str:
    return f"{5 + number * 13 % 200}.{number * 29 % 100:02}"
