"""One handler for each resource type that the laptop can hold, by its type token."""

from . import (
    apigatewayv2,
    athena,
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

__all__ = ["HANDLERS", "Handler", "Request", "Site"]
