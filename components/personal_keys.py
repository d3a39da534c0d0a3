"""Keys of personal data: a table of their own, the KMS key that wraps them, and the one role that may erase them."""

from typing import TypedDict

import pulumi
import pulumi_aws as aws

from . import permissions, storage
from .function import account_of
from .handles import Domain
from .scope import Scope

RECOVERY_DAYS = 7
"""How long an erased key can be brought back: erasure is final after that."""


class PersonalKeys(TypedDict):
    """That part of the handle `Commands`; all empty without personal data."""

    key_table_name: pulumi.Input[str]
    key_table_arn: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]


NONE: PersonalKeys = {"key_table_name": "", "key_table_arn": "", "kms_key_arn": ""}


def keys(scope: Scope, key_arn: pulumi.Input[str] | None) -> PersonalKeys:
    """The table, and the KMS key: the one that the service has, or one for this alone."""
    table = storage.table(scope, "keys", storage.ID_KEYS, recovery_days=RECOVERY_DAYS, key_arn=key_arn)
    wrapping = key_arn or storage.key(scope, "keys-key", "wraps the keys of personal data").arn
    return {"key_table_name": table.name, "key_table_arn": table.arn, "kms_key_arn": wrapping}


def erase_role(scope: Scope, handle: PersonalKeys, domain: Domain) -> aws.iam.Role:
    """Whoever the account lets assume it may erase keys; nobody else can, and it can do nothing else."""
    table = pulumi.Output.from_input(handle["key_table_arn"])
    role = aws.iam.Role(
        scope.child("erase-role"),
        assume_role_policy=permissions.trusted_by_account(account_of(table)),
        tags=scope.tags,
        opts=scope.options(),
    )
    aws.iam.RolePolicy(
        scope.child("erase-policy"),
        role=role.name,
        policy=permissions.policy(*permissions.erase_keys(handle), *permissions.use_key(domain)),
        opts=scope.options(),
    )
    return role
