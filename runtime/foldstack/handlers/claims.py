"""Entry point of Cognito's pre-token-generation trigger, version V3_0: the tenant and the role of an access token come
from the tenants table, never from what a user can set."""

from typing import Any

from aws_lambda_powertools import Logger

from ..aws import clients
from ..aws.environment import Environment
from ..aws.tenants import granted
from ..kernel.errors import AccessRefused, InvalidValue
from . import cold_start

MACHINES = "TokenGeneration_ClientCredentials"
USERS = frozenset(
    f"TokenGeneration_{each}"
    for each in ("HostedAuth", "Authentication", "NewPasswordChallenge", "AuthenticateDevice", "RefreshTokens")
)

log = Logger()
environment = Environment.read()


class NoAccess(Exception):
    """Cognito refuses the token, and shows this text: `PreTokenGeneration failed with error ...`."""


@log.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The event with claims for the access token, and for a user's the scope that the API asks for.

    Raises NoAccess for whoever is unknown or suspended, or of a tenant that is, always with the same words; the log
    says why. What the table can't answer now is raised as it is: Cognito asks again, then refuses.
    """
    machine = event["triggerSource"] == MACHINES
    subject = event["callerContext"]["clientId"] if machine else event["request"]["userAttributes"].get("sub", "")
    try:
        if not machine and event["triggerSource"] not in USERS:
            raise InvalidValue("triggerSource", f"is none that is known here: {event['triggerSource']}")
        member = granted(clients.client("dynamodb"), environment.tenants_table, subject, machine=machine)
    except (AccessRefused, InvalidValue) as error:
        log.warning("no token", subject=subject, machine=machine, reason=str(error))
        raise NoAccess("this account has no access") from None
    access: dict[str, Any] = {"claimsToAddOrOverride": {"tenant": str(member.tenant), "role": member.role}}
    if not machine:
        access["scopesToAdd"] = [environment.api_scope]
    event["response"] = {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": access}}
    return event


cold_start.over()
