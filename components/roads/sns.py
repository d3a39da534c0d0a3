"""SNS: a topic, and for each consumer a subscription of its queue, filtered by event type, raw."""

import json

import pulumi
import pulumi_aws as aws

from .. import permissions, resource_policies
from ..consumer_queue import ConsumerQueue, waiting_queue
from ..handles import Handle
from ..scope import Scope
from .road import Road

KEY = "alias/aws/sns"  # AWS's own key: whoever may use the topic may use it, and it costs nothing at rest
ACTION = "sns:Publish"


def build(scope: Scope, *, fifo: bool) -> Road:
    """The topic. A FIFO one keeps the order of each message group, which is an event stream."""
    topic = aws.sns.Topic(
        scope.child("topic"),
        kms_master_key_id=scope.key_arn or KEY,
        fifo_topic=True if fifo else None,
        content_based_deduplication=False if fifo else None,
        fifo_throughput_scope="MessageGroup" if fifo else None,
        tags=scope.tags,
        opts=scope.options(),
    )
    aws.sns.TopicPolicy(
        scope.child("topic-policy"),
        arn=topic.arn,
        policy=permissions.policy(resource_policies.publish_over_tls(topic.arn)),
        opts=scope.options(),
    )
    return Road("sns-fifo" if fifo else "sns", topic.name, topic.arn, ACTION, scope.key_arn)


def subscribe(queue: ConsumerQueue, events: Handle, types: list[str]) -> pulumi.Resource:
    """A subscription of the queue; what it cannot deliver is a dead letter. Of a FIFO topic that letter has to wait
    in a FIFO queue, whatever the subscribed one is."""
    scope, suffix = queue.scope, queue.suffix
    undelivered = queue.dead_letters
    fifo = events["road"] == "sns-fifo"
    allowed = queue.accept(lambda arn: resource_policies.accept_from_topic(arn, events["bus_arn"]))
    if fifo and not queue.fifo:
        undelivered = waiting_queue(scope, f"{suffix}-undelivered", fifo=True)
        allowed.append(
            aws.sqs.QueuePolicy(
                scope.child(f"{suffix}-undelivered-policy"),
                queue_url=undelivered.url,
                policy=permissions.policy(resource_policies.accept_from_topic(undelivered.arn, events["bus_arn"])),
                opts=scope.options(),
            )
        )
    return aws.sns.TopicSubscription(
        scope.child(f"{suffix}-subscription"),
        topic=events["bus_arn"],
        protocol="sqs",
        endpoint=queue.arn,
        raw_message_delivery=True,
        # Attributes are filtered by for nothing, bodies by the gigabyte.
        filter_policy=json.dumps({"types": sorted(types)}) if types else None,
        filter_policy_scope="MessageAttributes" if types else None,
        redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": undelivered.arn}, sort_keys=True),
        opts=scope.options(*allowed),
    )
