"""One handler for each resource type that the laptop can hold, by its type token."""

from . import (
    apigatewayv2,
    athena,
    budgets,
    cloudwatch,
    cognito,
    dynamodb,
    events,
    firehose,
    glue,
    iam,
    kinesis,
    kms,
    lambda_functions,
    rds,
    s3,
    scheduler,
    secretsmanager,
    sns,
    sqs,
)
from .handler import Handler, Request, Site

HANDLERS: dict[str, Handler] = {
    token: handler
    for module in (
        apigatewayv2,
        athena,
        budgets,
        cloudwatch,
        cognito,
        dynamodb,
        events,
        firehose,
        glue,
        iam,
        kinesis,
        kms,
        lambda_functions,
        rds,
        s3,
        scheduler,
        secretsmanager,
        sns,
        sqs,
    )
    for token, handler in module.HANDLERS.items()
}

_KEYS_TO_DATA = {"aws:kms/key:Key", "aws:cognito/userPool:UserPool", "aws:secretsmanager/secret:Secret"}
"""Without the key nothing is readable, without the pool nobody comes in."""


def holds_data(type_: str) -> bool:
    """Whether something is lost with a resource of this type."""
    handler = HANDLERS.get(type_)
    return type_ in _KEYS_TO_DATA or (handler is not None and handler.holds_data)


__all__ = ["HANDLERS", "Handler", "Request", "Site", "holds_data"]
