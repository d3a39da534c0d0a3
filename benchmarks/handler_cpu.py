"""Processor time of a whole command through the router's entry point, against the bare SDK asking the same.

Ours: a real event of API Gateway in, its answer out; Powertools, checks, fold, decision, log line and all. Bare: a
boto3 client queries the same stream and puts an item of the same bytes. Both talk HTTP to the emulator, which is
another process: only this side's time is counted, network and signatures included, and nobody's waiting.
"""

import itertools
import time
from typing import Any

import boto3
from foldstack.kernel.keys import StreamId, Tenant

from shop.product import product

from .calls import CONTEXT, TENANT, Shop, reserve_event
from .measure import Comparison, Sample, compare
from .stage import COMMITS, Stage

GOAL = 1.25
PRIOR = 10
_NOTE = "processor time of this process: the emulator's and the waiting for it are not in it"


def compared(commands: int = 60, rounds: int = 11) -> dict[str, Comparison]:
    """`cold`: query and put; `warm`: the put alone."""
    with Stage() as stage:
        bench = _Bench(stage, commands)
        return {
            "cold": compare(
                f"A command on a cold stream of {PRIOR} events, API Gateway's event to its answer; bare: query and put",
                {"foldstack": bench.ours(cold=True), "boto3": bench.bare(query=True)},
                unit="µs a command",
                rounds=rounds,
                faster=False,
                goal=GOAL,
                notes=(_NOTE,),
            ),
            "warm": compare(
                f"A command on a warm stream of {PRIOR} events; bare: the put alone",
                {"foldstack": bench.ours(cold=False), "boto3": bench.bare(query=False)},
                unit="µs a command",
                rounds=rounds,
                faster=False,
                notes=(_NOTE,),
            ),
        }


class _Bench:
    """`commands` streams of PRIOR commits; what a round adds is taken away before the next."""

    def __init__(self, stage: Stage, commands: int) -> None:
        self._stage = stage
        self._ids = [f"oak-{n}" for n in range(commands)]
        shop = Shop(stage)
        for id in self._ids:
            shop.create(id)
            for _ in range(PRIOR - 1):
                shop.reserve(id)
        self._root = stage.root("dynamodb")
        self._item = self._root.get_item(TableName=COMMITS, Key=_key(self._ids[0], PRIOR))["Item"]
        self._fresh = itertools.count()

    def ours(self, cold: bool) -> Sample:
        handler = self._stage.functions["http"].handler

        def sample() -> float:
            self._restore(warm=not cold)
            events = [reserve_event(id) for id in self._ids]
            with self._stage.logs():
                began = time.process_time()
                answers = [handler(event, CONTEXT) for event in events]
                taken = time.process_time() - began
            assert {answer["statusCode"] for answer in answers} == {201}, answers[0]
            return taken / len(events) * 1e6

        return sample

    def bare(self, query: bool) -> Sample:
        client: Any = boto3.client("dynamodb")

        def sample() -> float:
            self._restore(warm=False)
            items = [{**self._item, "p": {"S": f"bare#{next(self._fresh)}"}} for _ in self._ids]
            began = time.process_time()
            for id, item in zip(self._ids, items, strict=True):
                if query:
                    found = client.query(
                        TableName=COMMITS,
                        KeyConditionExpression="p = :p",
                        ExpressionAttributeValues={":p": {"S": f"{TENANT}#product#{id}"}},
                        ScanIndexForward=False,
                        Limit=20,
                    )
                    assert len(found["Items"]) == PRIOR
                client.put_item(TableName=COMMITS, Item=item, ConditionExpression="attribute_not_exists(p)")
            return (time.process_time() - began) / len(items) * 1e6

        return sample

    def _restore(self, warm: bool) -> None:
        self._stage.forget()
        for id in self._ids:
            self._root.delete_item(TableName=COMMITS, Key=_key(id, PRIOR + 1))
            if warm:
                self._stage.functions["http"].executor.current(StreamId(Tenant(TENANT), "product", id), product)


def _key(product_id: str, version: int) -> dict[str, Any]:
    return {"p": {"S": f"{TENANT}#product#{product_id}"}, "s": {"N": str(version)}}
