"""Tenants, users and machines as an administrator changes them: the user pool has who they are, the tenants table what
they may do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from foldstack.aws.store_errors import error_code
from foldstack.aws.tenants import ACTIVE, SUSPENDED, Key, attributes, limit_of, member_key, tenant_key, text
from foldstack.kernel.errors import InvalidValue, OperationRefused
from foldstack.kernel.keys import Tenant

MOST_PER_MINUTE = 600_000
"""What a stage can let through at most."""
_UNCONDITIONED = "ConditionalCheckFailedException"


@dataclass(frozen=True)
class Auth:
    """The output `operated` of a TenantAuth."""

    tenants_table: str
    user_pool_id: str
    client_id: str
    callback_url: str
    scope: str
    machines: Mapping[str, str]
    sign_in_url: str


class Members:
    """`client` makes clients of AWS, by the operator's own rights; `roles` are those of the domain.

    Everything may be said again: what is so already stays so. Raises OperationRefused for what does not exist, and
    InvalidValue for a name that can't be.
    """

    def __init__(self, client: Any, auth: Auth, roles: Sequence[str]) -> None:
        self._dynamodb, self._cognito = client("dynamodb"), client("cognito-idp")
        self._auth, self._roles = auth, roles

    def add_tenant(self, name: str) -> bool:
        """Whether it is new; one that is suspended stays so."""
        return self._put_new(tenant_key(Tenant(name)), {"status": ACTIVE})

    def set_tenant(self, name: str, status: str) -> None:
        self._update(tenant_key(Tenant(name)), {"status": status}, f"there is no tenant {name}")

    def set_limit(self, name: str, per_minute: int | None) -> None:
        """The tenant's own limit of requests a minute; None takes it away, and each door's holds."""
        if per_minute is not None and not 1 <= per_minute <= MOST_PER_MINUTE:
            raise InvalidValue("limit", f"1 to {MOST_PER_MINUTE} requests a minute, or default; got {per_minute}")
        self._update(tenant_key(Tenant(name)), {"limit": per_minute}, f"there is no tenant {name}")

    def tenants(self) -> Iterator[tuple[str, str, int | None]]:
        """Names, statuses and limits of their own, in no order."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._auth.tenants_table,
            FilterExpression="s = :s",
            ExpressionAttributeValues={":s": {"S": "tenant"}},
        )
        for page in pages:
            for item in page["Items"]:
                yield text(item, "p").removeprefix("tenant#"), text(item, "status"), limit_of(item)

    def invite(self, email: str, tenant: str, role: str, *, send: bool = True) -> str:
        """The user's `sub`. A new account is invited by e-mail, or not; one that is there joins."""
        self._known_tenant(tenant)
        subject = self._subject(email)
        if subject is None:
            subject = self._create_user(email, send)
        self._join(member_key(subject, machine=False), email, tenant, role)
        return subject

    def admit_machine(self, name: str, tenant: str, role: str) -> None:
        self._known_tenant(tenant)
        self._join(self._machine(name), f"the machine {name}", tenant, role)

    def role(self, email: str) -> str | None:
        """A user's role, None where there is no such user, or it belongs to no tenant."""
        subject = self._subject(email)
        found = self._get(member_key(subject, machine=False)) if subject else None
        return text(found, "role") or None

    def set_role(self, email: str, role: str) -> None:
        self._update(self._user(email), {"role": self._known_role(role)}, f"{email} belongs to no tenant")

    def set_user(self, email: str, status: str) -> None:
        self._update(self._user(email), {"status": status}, f"{email} belongs to no tenant")
        if status == SUSPENDED:
            self._sign_out(email)

    def set_machine(self, name: str, status: str) -> None:
        self._update(self._machine(name), {"status": status}, f"the machine {name} belongs to no tenant")

    def remove_user(self, email: str) -> None:
        """Account and membership; data of the domain stays."""
        self._delete(self._user(email))
        self._sign_out(email)
        self._cognito.admin_delete_user(UserPoolId=self._auth.user_pool_id, Username=email)

    def remove_machine(self, name: str) -> None:
        """Its membership; its client is the program's."""
        self._delete(self._machine(name))

    def _join(self, key: Key, who: str, tenant: str, role: str) -> None:
        fields = {"tenant": tenant, "role": self._known_role(role), "status": ACTIVE}
        if self._put_new(key, fields):
            return
        there = self._get(key)
        if text(there, "tenant") != tenant:
            raise OperationRefused(
                f"{who} belongs to {text(there, 'tenant')}, and to one tenant alone: remove it there first"
            )
        self._update(key, {"role": role, "status": ACTIVE}, f"{who} was removed at this moment")

    def _known_tenant(self, name: str) -> None:
        if self._get(tenant_key(Tenant(name))) is None:
            raise OperationRefused(f"there is no tenant {name}: `foldstack tenant add {name}`")

    def _known_role(self, role: str) -> str:
        if role not in self._roles:
            raise InvalidValue("role", f"is one of {', '.join(self._roles) or 'none'}; got {role[:80]!r}")
        return role

    def _machine(self, name: str) -> Key:
        try:
            return member_key(self._auth.machines[name], machine=True)
        except KeyError:
            there = ", ".join(sorted(self._auth.machines)) or "none"
            raise OperationRefused(f"no machine is called {name}; there are {there}: TenantAuth makes them") from None

    def _user(self, email: str) -> Key:
        subject = self._subject(email)
        if subject is None:
            raise OperationRefused(f"there is no user {email}")
        return member_key(subject, machine=False)

    def _subject(self, email: str) -> str | None:
        try:
            user = self._cognito.admin_get_user(UserPoolId=self._auth.user_pool_id, Username=email)
        except ClientError as error:
            if error_code(error) != "UserNotFoundException":
                raise
            return None
        return _sub(user["UserAttributes"])

    def _create_user(self, email: str, send: bool) -> str:
        verified = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
        how: dict[str, Any] = {"DesiredDeliveryMediums": ["EMAIL"]} if send else {"MessageAction": "SUPPRESS"}
        made = self._cognito.admin_create_user(
            UserPoolId=self._auth.user_pool_id, Username=email, UserAttributes=verified, **how
        )
        return _sub(made["User"]["Attributes"])

    def _sign_out(self, email: str) -> None:
        """Its refresh tokens are worth nothing from now on."""
        self._cognito.admin_user_global_sign_out(UserPoolId=self._auth.user_pool_id, Username=email)

    def _get(self, key: Key) -> Mapping[str, Any] | None:
        found = self._dynamodb.get_item(TableName=self._auth.tenants_table, Key=attributes(key), ConsistentRead=True)
        return found.get("Item")

    def _put_new(self, key: Key, fields: Mapping[str, str]) -> bool:
        item = {**attributes(key), **{name: {"S": value} for name, value in fields.items()}}
        try:
            self._dynamodb.put_item(
                TableName=self._auth.tenants_table, Item=item, ConditionExpression="attribute_not_exists(p)"
            )
        except ClientError as error:
            if error_code(error) != _UNCONDITIONED:
                raise
            return False
        return True

    def _update(self, key: Key, fields: Mapping[str, str | int | None], absent: str) -> None:
        """None takes a field away; either some fields are taken away, or all are set."""
        values = {f":{name}": _value(value) for name, value in fields.items() if value is not None}
        change = (
            "SET " + ", ".join(f"#{name} = :{name}" for name in fields) if values else "REMOVE #" + ", #".join(fields)
        )
        try:
            self._dynamodb.update_item(
                TableName=self._auth.tenants_table,
                Key=attributes(key),
                UpdateExpression=change,
                ConditionExpression="attribute_exists(p)",
                ExpressionAttributeNames={f"#{name}": name for name in fields},
                **({"ExpressionAttributeValues": values} if values else {}),
            )
        except ClientError as error:
            if error_code(error) != _UNCONDITIONED:
                raise
            raise OperationRefused(absent) from None

    def _delete(self, key: Key) -> None:
        self._dynamodb.delete_item(TableName=self._auth.tenants_table, Key=attributes(key))


def _value(value: str | int) -> dict[str, str]:
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _sub(listed: Sequence[Mapping[str, str]]) -> str:
    return next(each["Value"] for each in listed if each["Name"] == "sub")
