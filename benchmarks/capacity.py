"""What a command costs in DynamoDB: requests and capacity units as the service reports them, reads and writes apart.

The append is what the request itself does to the commit table; the road is everything else: id rows, views, and the
effects queue behind the request. The service here is the emulator; beside its write units for the commits stands what
AWS's formula makes of the items' sizes, and the two must agree.
"""

import math
from collections.abc import Callable
from typing import Any

from foldstack.aws.commit_item import item_size

from .calls import Shop, api_event
from .measure import Table
from .stage import COMMITS, IDS, Stage

WRITE_PRICE, READ_PRICE = 0.625, 0.125
"""US dollars for a million units on demand, list price of us-east-1."""

PRIOR = 10
_KB = 1024

Act = Callable[[Shop, str], Any]


def units(busy: int = 100) -> Table:
    """A row for each kind of command; `busy` commands on one stream show what snapshots and id rows add."""
    with Stage() as stage:
        shop = Shop(stage)
        rows = [
            _row(shop, "create", lambda shop, id: shop.create(f"{id}-new")),
            _row(shop, "warm", lambda shop, id: shop.reserve(id)),
            _row(shop, "cold", lambda shop, id: shop.reserve(id), cold=True),
            _row(shop, "refused, warm", _refused),
            _row(shop, "refused, cold", _refused, cold=True),
            _row(shop, "repeated with its key, warm", lambda shop, id: shop.reserve(id, key=id), key=True),
            _row(shop, "purchase, cold: 4 commits", _purchase, cold=True, held=True),
            _row(shop, f"mean of {busy} on one stream", _busy(busy), commands=busy),
        ]
    return Table(
        "DynamoDB requests and units of one command",
        rows,
        notes=(
            "units as the emulator reports them; by size: what AWS's formula makes of the commits, one write unit for "
            "each begun KB of an item",
            f"streams have {PRIOR} commits before; dollars for a million commands at {WRITE_PRICE} for writes and "
            f"{READ_PRICE} for reads, without EventBridge, SQS and Lambda",
        ),
    )


def _refused(shop: Shop, product: str) -> None:
    shop.reserve(product, quantity=100_000, expect=409)


def _purchase(shop: Shop, product: str) -> None:
    body = {"reservationId": product, "payment": {"token": "tok_ok"}}
    shop.send(api_event("POST", "/purchase", body), 201)


def _busy(commands: int) -> Act:
    def act(shop: Shop, product: str) -> None:
        for _ in range(commands):
            shop.reserve(product)

    return act


def _row(
    shop: Shop, name: str, act: Act, *, cold: bool = False, key: bool = False, held: bool = False, commands: int = 1
) -> dict[str, Any]:
    """One kind of command on a stream of its own. `key` has it done before under that key; `held` gives `act` a
    reservation in the place of a product."""
    product = "oak-" + "".join(letter if letter.isalnum() else "-" for letter in name)
    shop.create(product)
    done = [shop.reserve(product, key=product if key and not n else None) for n in range(PRIOR - 1)]
    subject = done[-1]["reservationId"] if held else product
    shop.start()
    if cold:
        shop.stage.forget()
    before = _commits(shop)
    act(shop, subject)
    shop.drive()
    http, commits = shop.taken["http"], shop.taken["http"].get(COMMITS, {})
    road = [use for tables in shop.taken.values() for table, use in tables.items() if use is not commits]
    by_size = sum(math.ceil(size / _KB) for at, size in _commits(shop).items() if at not in before)
    reported = commits.get("write_units", 0)
    if reported != by_size:
        raise AssertionError(f"{name}: {reported} write units are reported, by the items' sizes they are {by_size}")
    row = {
        "reads": commits.get("reads", 0),
        "read_units": commits.get("read_units", 0),
        "writes": commits.get("writes", 0),
        "write_units": reported,
        "by_size": by_size,
        "id_write_units": http.get(IDS, {}).get("write_units", 0),
        "road_read_units": sum(use["read_units"] for use in road),
        "road_write_units": sum(use["write_units"] for use in road),
    }
    row = {column: value / commands for column, value in row.items()}
    append = row["write_units"] * WRITE_PRICE + row["read_units"] * READ_PRICE
    whole = append + row["road_write_units"] * WRITE_PRICE + row["road_read_units"] * READ_PRICE
    return {"command": name, **row, "append_dollars": round(append, 4), "whole_dollars": round(whole, 4)}


def _commits(shop: Shop) -> dict[tuple[str, str], int]:
    """Bytes of every commit in the table, by key."""
    pages = shop.stage.root("dynamodb").get_paginator("scan").paginate(TableName=COMMITS)
    return {(item["p"]["S"], item["s"]["N"]): item_size(item) for page in pages for item in page["Items"]}
