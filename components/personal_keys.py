"""Keys of personal data: a table of their own, the KMS key that wraps them, and the one role that may erase them."""

from typing import TypedDict

import pulumi
import pulumi_aws as aws

from . import permissions, storage
from .function import account_of
from .scope import Scope

RECOVERY_DAYS = 7
"""How long an erased key can be brought back: erasure is final after that."""


class PersonalKeys(TypedDict):
    """That part of the handle `Commands`; all empty without personal data."""

    key_table_name: pulumi.Input[str]
    key_table_arn: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]


NONE: PersonalKeys = {"key_table_name": "", "key_table_arn": "", "kms_key_arn": ""}


def keys(scope: Scope) -> PersonalKeys:
    """The table and the KMS key."""
    table = storage.table(scope, "keys", storage.ID_KEYS, recovery_days=RECOVERY_DAYS)
    wrapping = aws.kms.Key(
        scope.child("keys-key"),
        description="wraps the keys of personal data",
        enable_key_rotation=True,
        deletion_window_in_days=30,
        tags=scope.tags,
        opts=scope.data_options(),
    )
    return {"key_table_name": table.name, "key_table_arn": table.arn, "kms_key_arn": wrapping.arn}


def erase_role(scope: Scope, handle: PersonalKeys) -> aws.iam.Role:
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
        policy=permissions.policy(*permissions.erase_keys(handle)),
        opts=scope.options(),
    )
    return role
