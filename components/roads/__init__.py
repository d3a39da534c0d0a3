"""The roads that a service's events may travel, and the one place where a consumer is put on one of them."""

from collections.abc import Mapping
from typing import Any

import pulumi

from .. import alarms
from ..consumer_queue import SOON, Batch, ConsumerQueue
from ..existing import Bus
from ..handles import Events, Handle, optional
from ..scope import Scope
from . import eventbridge, kinesis, sns
from .consumer_stream import ConsumerStream
from .road import Feed, Road

NAMES = ("eventbridge", "kinesis", "sns", "sns-fifo")
"""eventbridge, sns: no order. kinesis, sns-fifo: the events of one stream in their order."""

ACTIONS = {
    "eventbridge": eventbridge.ACTION,
    "kinesis": kinesis.ACTION,
    "sns": sns.ACTION,
    "sns-fifo": sns.ACTION,
}

Source = ConsumerQueue | ConsumerStream
"""What a function drains: `statements` for its role, `variables` that it reads, `drain_into(function)`, and the `url`
of a queue."""


def build(scope: Scope, name: str, there: Bus | None, *, shards: int, retention_hours: int) -> Road:
    """What a service publishes on: what is there already, or one of its own. The last two are Kinesis's alone."""
    if there:
        return Road(name, there.name, there.arn, ACTIONS[name], there.key_arn)
    if name == "eventbridge":
        return eventbridge.build(scope)
    if name == "kinesis":
        return kinesis.build(scope, shards, retention_hours)
    return sns.build(scope, fifo=name == "sns-fifo")


def source(scope: Scope, suffix: str, events: Handle, types: list[str], *, timeout: int, batch: Batch = SOON) -> Source:
    """The source of a function that consumes a service's commits which hold one of `types`, all when there are none.

    `timeout` is the function's, in seconds; what keeps failing becomes a dead letter, or with a stream an object in S3.
    It is given `batch` at once, a stream's records 100 at least. The handle must say its road: see `known`.
    """
    name = events["road"]
    if name == "kinesis":
        return ConsumerStream(scope, suffix, events, types, batch)
    queue = ConsumerQueue(scope, suffix, timeout=timeout, fifo=name == "sns-fifo", batch=batch)
    alarms.on_age(scope, f"{suffix}-queue", queue.name)
    _subscribe(name, queue, events, types)
    return queue


def feed(queue: ConsumerQueue, events: Handle, types: list[str]) -> Feed:
    """Put a delayed queue on the road. A stream cannot delay: there the relay has to feed the queue."""
    if events["road"] == "kinesis":
        return Feed([], queue, types)
    return Feed([_subscribe(events["road"], queue, events, types)])


def said(events: Any) -> str | None:
    """The road that a handle of the same program says; None for one that comes as an output."""
    road = events.get("road") if isinstance(events, Mapping) else None
    return road if isinstance(road, str) else None


def known(events: Any, road: str | None) -> Handle:
    """The handle with its road known before any resource is made.

    One that comes as an output, from another language or stack, does not say its road in time: there the caller
    does, by `road`, and the deployment stops where that is not so.
    """
    if said(events) is not None:
        return events
    name = road or NAMES[0]
    output = pulumi.Output.from_input(events)
    checked = pulumi.Output.all(output["road"], output["bus_name"], output["bus_arn"]).apply(
        lambda values: _agreeing(name, *values)
    )
    others = Events.__annotations__.keys() - {"road", "bus_name", "bus_arn", "bus_key_arn"}
    fields = {each: output[each] for each in sorted(others)} | {"bus_key_arn": optional(output, "bus_key_arn")}
    return {"road": name, "bus_name": checked[0], "bus_arn": checked[1], **fields}


def _agreeing(name: str, road: str, bus_name: str, bus_arn: str) -> tuple[str, str]:
    if road != name:
        raise ValueError(
            f"source: its events travel by {road!r}, and this consumer was made for {name!r}: "
            f"give it `road`: {road!r}, as its service has"
        )
    return bus_name, bus_arn


def _subscribe(name: str, queue: ConsumerQueue, events: Handle, types: list[str]) -> pulumi.Resource:
    subscribe = eventbridge.subscribe if name == "eventbridge" else sns.subscribe
    return subscribe(queue, events, types)
