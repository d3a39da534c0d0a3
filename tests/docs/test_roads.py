"""The guide to roads: its numbers are those of the graph, and its promise about a change is what a preview says."""

import re

import pytest
from foldstack.aws.roads.eventbridge import EventBridge
from foldstack.aws.roads.kinesis import Kinesis
from foldstack.aws.roads.sns import Sns

from components import consumer_queue, roads
from components.roads import consumer_stream
from local.explain.prices import idle_total, per_million_commands
from local.resources import holds_data
from tests.docs.blocks import path_of
from tests.graph.support import shop

GUIDE = path_of("docs/roads.md").read_text()
PUBLISHING = ("EventBridge", "SNS", "SQS", "Kinesis")


def cells(first: str) -> list[str]:
    (line,) = re.findall(rf"^\| {re.escape(first)} \|(.*)\|$", GUIDE, re.MULTILINE)
    return [each.strip() for each in line.split("|")]


@pytest.mark.parametrize("road", roads.NAMES)
def test_prices(road):
    resources = shop("dev", road=road).resources
    idle, publishing = (float(each.removesuffix(" $")) for each in cells(f"`{road}`")[-2:])
    assert idle == round(idle_total(resources), 1)
    used = [each.dollars for each in per_million_commands(resources) if each.what in PUBLISHING]
    assert publishing == round(sum(used), 2)


def test_limits():
    assert cells("a request of the relay") == [
        f"{road.most_entries}{commits}, {size}{order}"
        for road, commits, size, order in (
            (EventBridge, " commits", f"{EventBridge.most_bytes >> 10} KB", ""),
            (Sns, "", f"{Sns.most_bytes >> 10} KB", ""),
            (Sns, "", f"{Sns.most_bytes >> 10} KB", ", one of each stream"),
            (Kinesis, "", f"{Kinesis.most_bytes >> 20} MB", ", one of each stream"),
        )
    ]
    size = f"{consumer_queue.SOON.size}"
    assert cells("a function is given") == [f"{size} at once", size, size, f"{consumer_stream.BATCH_SIZE}"]
    assert cells("a failed message comes again")[0].startswith(f"{consumer_queue.ATTEMPTS} times")


def test_nothing_that_holds_data_hangs_on_the_road():
    kept = [{each.urn for each in shop("dev", road=road).resources if holds_data(each.type)} for road in roads.NAMES]
    assert all(each == kept[0] for each in kept)
