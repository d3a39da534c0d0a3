"""What the policies of queues, buckets and topics themselves say: who may send, and that all is over TLS."""

from typing import Any

import pulumi

from .permissions import Statement, allow, objects_of


def accept_from_rule(queue_arn: pulumi.Input[str], rule_arn: pulumi.Input[str]) -> Statement:
    """What a queue's own policy says: this rule, and no other, may send to it."""
    return _accept("AcceptFromRule", queue_arn, "events.amazonaws.com", rule_arn)


def accept_from_topic(queue_arn: pulumi.Input[str], topic_arn: pulumi.Input[str]) -> Statement:
    """What a queue's own policy says: this topic, and no other, may send to it."""
    return _accept("AcceptFromTopic", queue_arn, "sns.amazonaws.com", topic_arn)


def only_over_tls(bucket_arn: pulumi.Output[str]) -> Statement:
    """What a bucket's own policy says: nobody may reach it unencrypted."""
    return _only_over_tls("s3:*", [bucket_arn, objects_of(bucket_arn)])


def publish_over_tls(topic_arn: pulumi.Input[str]) -> Statement:
    """What a topic's own policy says: nobody may publish on it unencrypted."""
    return _only_over_tls("sns:Publish", topic_arn)


def _accept(sid: str, queue_arn: pulumi.Input[str], service: str, source_arn: pulumi.Input[str]) -> Statement:
    return {
        **allow(sid, ["sqs:SendMessage"], queue_arn),
        "Principal": {"Service": service},
        "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}},
    }


def _only_over_tls(action: str, resource: Any) -> Statement:
    return {
        "Sid": "OnlyOverTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
