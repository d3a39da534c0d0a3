"""The relay: reads the commit table's stream and publishes each commit on the road, per stream in order."""

import json

import pulumi
import pulumi_aws as aws

from . import alarms, environment, permissions
from .function import Function
from .handles import Handle
from .roads.road import Feed, Road
from .scope import Scope

TIMEOUT = 60
MEMORY_MB = 1024
LONGEST_AGE = 23 * 3600  # a stream forgets after 24 hours

COMMITS_WITH_EVENTS = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": [{"exists": True}]}}}}
"""New commits: what has a next version. `exists` holds for leaves alone, so the number inside is named."""


def publishes(road: Road, feed: Feed, parked: aws.sqs.Queue) -> environment.Variables:
    """What is told to a relay, and to whoever publishes as it does."""
    return {
        **environment.publishing(road.bus_arn),
        **environment.parking(parked.url),
        **(environment.feeding_effects(feed.queue.url, feed.types) if feed.queue else {}),
    }


def relay(
    scope: Scope,
    domain: Handle,
    road: Road,
    feed: Feed,
    parked: aws.sqs.Queue,
    stream_arn: pulumi.Output[str],
    failures: aws.s3.Bucket,
) -> None:
    """What cannot be published is parked; records given up by Lambda keep their payload in `failures`."""
    function = Function(
        scope,
        "relay",
        handler="foldstack.handlers.relay.handler",
        domain=domain,
        variables=publishes(road, feed, parked),
        statements=[
            *permissions.read_stream(stream_arn),
            *permissions.use_key(domain),
            *road.statements,
            *(permissions.send("FeedEffects", feed.queue.arn) if feed.queue else []),
            *permissions.send("Park", parked.arn),
            *permissions.keep_failures(failures.arn),
        ],
        timeout=TIMEOUT,
        memory_mb=MEMORY_MB,
        after=feed.ready,
    )
    aws.lambda_.EventSourceMapping(
        scope.child("relay-source"),
        function_name=function.arn,
        event_source_arn=stream_arn,
        starting_position="TRIM_HORIZON",
        batch_size=100,
        parallelization_factor=1,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=10,
        maximum_record_age_in_seconds=LONGEST_AGE,
        function_response_types=["ReportBatchItemFailures"],
        filter_criteria={"filters": [{"pattern": json.dumps(COMMITS_WITH_EVENTS, sort_keys=True)}]},
        destination_config={"on_failure": {"destination_arn": failures.arn}},
        tags=scope.tags,
        opts=scope.options(function.ready),
    )
    alarms.on_iterator_age(scope, "relay", function.name)
