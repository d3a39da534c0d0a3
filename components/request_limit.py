"""How many requests a tenant may make in a minute: the table that counts them, and what a function needs for that."""

from . import environment, permissions, storage
from .scope import Scope


class RequestLimit:
    """Of each tenant's requests to one function, or to several that share it."""

    def __init__(self, scope: Scope, per_minute: int) -> None:
        table = storage.table(scope, "limits", storage.LIMIT_KEYS, expires="ttl", key_arn=scope.key_arn)
        self.variables = environment.limits(table.name, per_minute)
        self.statements = [
            permissions.allow("CountRequests", ["dynamodb:UpdateItem"], table.arn),
            *permissions.under_key("UseKeyOfLimits", permissions.KEEPING, [scope.key_arn], "dynamodb"),
        ]
