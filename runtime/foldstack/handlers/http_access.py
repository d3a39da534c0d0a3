"""Who is at the door, and what they may do: decided before anything is looked for, so that a refusal tells nothing of
what there is."""

from collections.abc import Mapping
from typing import Any

from ..aws.request_limit import RequestLimit
from ..aws.tenants import Standings
from ..kernel.access import Caller, Roles
from ..kernel.api import Api, Route
from ..kernel.errors import AccessRefused, DefinitionError, InvalidValue
from ..kernel.keys import Tenant
from .http_event import Incoming

TENANT_HEADER = "x-tenant-id"


class Door:
    """Of one function. `anonymous`: anybody may come, and names a tenant by header. `standings`: those of the tenants
    table, None where somebody else issues the tokens, whose word then holds as long as a token does. `limit`: of each
    tenant's requests, None where tenants are anybody's claim: whoever named one could use up its limit.

    Raises DefinitionError for routes that nobody could be allowed to call.
    """

    def __init__(
        self, api: Api, anonymous: bool, standings: Standings | None, limit: RequestLimit | None = None
    ) -> None:
        if not anonymous and api.routes and api.roles is None:
            raise DefinitionError(
                "the API's routes name no permissions, and this door is not anonymous: declare them, "
                'api = Api(Roles(admin=EVERYTHING)) and @api.get("/things", permission="read")'
            )
        self._roles = api.roles or Roles()
        self._anonymous = anonymous
        self._standings = standings
        self._limit = limit

    def admit(self, incoming: Incoming) -> Caller:
        """The caller, by the claims of a token that the gateway has verified. Raises AccessRefused, InvalidValue for a
        header that names no tenant where the door is anonymous, TooManyRequests, Unavailable."""
        named = incoming.headers.get(TENANT_HEADER)
        if self._anonymous:
            if named is None:
                raise InvalidValue(TENANT_HEADER, "this header is required: it names the tenant")
            return Caller(Tenant(named, TENANT_HEADER), "anonymous")
        caller = self._by_claims(incoming.claims)
        if named is not None and named != caller.tenant:
            raise AccessRefused(403, "tenant-mismatch", f"{TENANT_HEADER} contradicts the token: leave it out")
        own_limit = self._standings.check(caller) if self._standings is not None else None
        if self._limit is not None:
            self._limit.take(caller.tenant, own_limit)
        return caller

    def allow(self, caller: Caller, route: Route) -> None:
        """Raises AccessRefused where the caller's role lacks the route's permission."""
        if not self._anonymous and not (route.permission and self._roles.allow(caller.role, route.permission)):
            raise AccessRefused(403, "no-permission", f"{route.method} {route.template} is not for this role")

    def _by_claims(self, claims: Mapping[str, Any]) -> Caller:
        """An ID token says who somebody is, not what they may do; those of Cognito differ by `token_use`."""
        use, subject, role = (str(claims.get(name, "")) for name in ("token_use", "sub", "role"))
        if use != "access" and (use or self._standings is not None):
            raise AccessRefused(401, "no-access-token", "this is no access token: send the one for the API")
        try:
            tenant = Tenant(str(claims.get("tenant", "")))
        except InvalidValue:
            raise AccessRefused(401, "no-tenant", "the token names no tenant") from None
        if not subject or not role:
            raise AccessRefused(401, "no-role", "the token names no subject, or no role")
        return Caller(tenant, subject, role, machine=subject == claims.get("client_id"))
