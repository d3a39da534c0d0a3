"""Alarms: few, because each costs 0.10 $ a month, and each on something a person must look at."""

import pulumi
import pulumi_aws as aws

from .scope import Scope

FIVE_MINUTES = 300


def on_errors(scope: Scope, suffix: str, function_name: pulumi.Input[str], threshold: int = 1) -> None:
    """A function raised, `threshold` times within five minutes."""
    _on_function(scope, suffix, "errors", "Errors", "Sum", threshold, function_name)


def on_throttles(scope: Scope, suffix: str, function_name: pulumi.Input[str]) -> None:
    """A function was refused a sandbox."""
    _on_function(scope, suffix, "throttles", "Throttles", "Sum", 1, function_name)


def on_iterator_age(scope: Scope, suffix: str, function_name: pulumi.Input[str]) -> None:
    """A stream's reader is five minutes behind."""
    _on_function(scope, suffix, "iterator-age", "IteratorAge", "Maximum", FIVE_MINUTES * 1000, function_name)


def on_messages(scope: Scope, suffix: str, queue_name: pulumi.Input[str]) -> None:
    """A queue that should be empty is not."""
    _alarm(
        scope,
        f"{suffix}-depth",
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        "Maximum",
        1,
        {"QueueName": queue_name},
    )


def on_age(scope: Scope, suffix: str, queue_name: pulumi.Input[str]) -> None:
    """What a queue feeds is five minutes behind."""
    dimensions = {"QueueName": queue_name}
    _alarm(scope, f"{suffix}-age", "AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", FIVE_MINUTES, dimensions)


def on_stuck_sagas(scope: Scope, suffix: str) -> None:
    """A saga of the service got stuck: a person has to look at it."""
    _alarm(scope, suffix, "Foldstack", "StuckSagas", "Sum", 1, {"service": scope.service})


def on_full_capacity(scope: Scope, suffix: str, cluster: pulumi.Input[str]) -> None:
    """A database has been at the most capacity it may have."""
    _alarm(scope, suffix, "AWS/RDS", "ACUUtilization", "Minimum", 95, {"DBClusterIdentifier": cluster})


def on_late_delivery(scope: Scope, suffix: str, delivery_stream: pulumi.Input[str]) -> None:
    """What Firehose should have written is two hours old: it buffers for minutes."""
    dimensions = {"DeliveryStreamName": delivery_stream}
    _alarm(scope, f"{suffix}-freshness", "AWS/Firehose", "DeliveryToS3.DataFreshness", "Maximum", 7200, dimensions)


def _on_function(
    scope: Scope,
    suffix: str,
    what: str,
    metric: str,
    statistic: str,
    threshold: int,
    function_name: pulumi.Input[str],
) -> None:
    dimensions = {"FunctionName": function_name}
    _alarm(scope, f"{suffix}-{what}", "AWS/Lambda", metric, statistic, threshold, dimensions)


def _alarm(
    scope: Scope,
    suffix: str,
    namespace: str,
    metric: str,
    statistic: str,
    threshold: int,
    dimensions: dict[str, pulumi.Input[str]],
) -> None:
    aws.cloudwatch.MetricAlarm(
        scope.child(suffix),
        namespace=namespace,
        metric_name=metric,
        dimensions=dimensions,
        statistic=statistic,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=threshold,
        period=FIVE_MINUTES,
        evaluation_periods=1,
        treat_missing_data="notBreaching",
        alarm_actions=[scope.alarm_topic_arn] if scope.alarm_topic_arn else [],
        tags=scope.tags,
        opts=scope.options(),
    )
