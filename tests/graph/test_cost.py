"""What the stack costs while nobody uses it, at list prices of us-east-1, no free tier taken off."""

import pytest

from local.explain.prices import UnknownPrice, idle_total, per_million_commands
from local.graph import Options, Registered
from tests.graph.support import shop


def idle(graph):
    return idle_total(graph.resources)


def test_a_stack_at_rest_costs_less_than_five_dollars_a_month():
    assert 2 < idle(shop("dev")) < 4
    assert idle(shop("dev", splitRouter=True)) < 5
    assert idle(shop("dev", readModel="postgres")) < 5


def test_a_lake_at_rest_costs_a_dollar_and_a_half_a_month():
    """Nine alarms, the polling of a queue, a table. A compaction that finds nothing to do counts nothing."""
    assert 1 < idle(shop("dev", lake=True)) - idle(shop("dev")) < 1.5


@pytest.mark.parametrize(("road", "dollars"), [("sns", 5), ("sns-fifo", 5), ("kinesis", 16)])
def test_a_stack_at_rest_costs_little_on_every_road(road, dollars):
    assert 2 < idle(shop("dev", road=road)) < dollars
    assert idle(shop("dev", road=road, splitRouter=True)) < dollars


def test_a_shard_is_most_of_it():
    """On demand a stream at rest costs 0.04 $ an hour, so one shard is the default."""
    stream = shop("dev", road="kinesis").one("aws:kinesis/stream:Stream")
    assert stream.inputs["shardCount"] == 1
    assert stream.inputs["streamModeDetails"] == {"streamMode": "PROVISIONED"}
    assert stream.inputs["retentionPeriod"] == 24, "longer is billed by the shard and hour"


def test_a_price_that_nobody_has_looked_up_is_an_error():
    stranger = Registered("aws:ec2/instance:Instance", "box", "urn", "", True, {}, [], {}, Options())
    with pytest.raises(UnknownPrice, match=r"aws:ec2/instance:Instance"):
        idle_total([stranger])


@pytest.mark.parametrize("road", ["eventbridge", "kinesis", "sns", "sns-fifo"])
@pytest.mark.parametrize("store", ["dynamodb", "postgres"])
def test_a_million_commands_cost_a_few_dollars(road, store):
    uses = per_million_commands(shop("dev", road=road, readModel=store).resources)
    assert 2 < sum(each.dollars for each in uses) < 6
    assert {"DynamoDB, commit", "API Gateway, HTTP API"} < {each.what for each in uses}


def test_alarms_are_counted():
    assert len(shop("dev").of("aws:cloudwatch/metricAlarm:MetricAlarm")) == 20
    assert len(shop("dev", splitRouter=True).of("aws:cloudwatch/metricAlarm:MetricAlarm")) == 22
