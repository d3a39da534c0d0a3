"""A service, and beside it what teams have of their own."""

import json

import pulumi
import pulumi_aws as aws

from components import EventSourcedService, HttpApi

key = pulumi.Config().require_secret("providerKey")
days = EventSourcedService(
    "days",
    {
        "domain": {"path": __file__, "entry": "books:service"},
        "secrets": ["providerKey"],
        "secret_values": {"providerKey": key},
        "target": "host",
    },
)
door = HttpApi("door", {"commands": days.commands, "queries": [], "anonymous": True, "memory_mb": 512})
prices = aws.dynamodb.Table(
    "prices",
    hash_key="p",
    attributes=[{"name": "p", "type": "S"}],
    billing_mode="PAY_PER_REQUEST",
    deletion_protection_enabled=True,
)
readers = aws.iam.Role("readers", assume_role_policy="{}")
aws.iam.RolePolicy(
    "reading",
    role=readers.name,
    policy=prices.arn.apply(
        lambda arn: json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": arn}],
            }
        )
    ),
)
readings = aws.s3.Bucket("readings")
aws.s3.BucketVersioning("readings", bucket=readings.bucket, versioning_configuration={"status": "Enabled"})
users = aws.cognito.UserPool("users", deletion_protection="ACTIVE")
queue = aws.sqs.Queue("letters", visibility_timeout_seconds=30)
pulumi.export("prices", prices.name)
