"""A Cognito user pool with safe settings, and its clients: browsers without a secret, machines with one."""

import hashlib
import re
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from .arguments import Arguments
from .existing import Pool
from .function import Function, account_of
from .scope import Scope

EMAIL = re.compile(r"[^<>@\s]+@[^<>@\s]+|[^<>]+ <[^<>@\s]+@[^<>@\s]+>")
MFA = {"off": "OFF", "optional": "OPTIONAL", "required": "ON"}
SIGN_UP = ("invitation", "open")
TOKEN_MINUTES = 15


class PasswordPolicy(TypedDict):
    """What a password must be; letters of both cases and a number are always asked for."""

    minimum_length: NotRequired[int]
    """The fewest characters, 8 to 99, default 12."""
    symbols: NotRequired[bool]
    """Whether a symbol is asked for too, default false."""
    history: NotRequired[int]
    """How many earlier passwords may not be used again, 0 to 24, default 5."""
    temporary_days: NotRequired[int]
    """How long an invitation holds, 1 to 365 days, default 7."""


@dataclass(frozen=True)
class Settings:
    """The checked form of what a pool is told."""

    password: aws.cognito.UserPoolPasswordPolicyArgsDict
    mfa: str
    invited: bool
    email: aws.cognito.UserPoolEmailConfigurationArgsDict | None


def settings(arguments: Arguments, email_identity_arn: pulumi.Input[str] | None) -> Settings:
    """Read and check `password`, `mfa`, `sign_up` and `email_from`; faults are raised by `arguments.check()`."""
    arguments.nested("password", PasswordPolicy)
    sender = arguments.text("email_from", EMAIL, "an address, or Name <address>", "")
    if bool(sender) != (email_identity_arn is not None):
        arguments.fault("email_from", sender or None, "both it and email_identity_arn, or neither", "add the other")
    email: aws.cognito.UserPoolEmailConfigurationArgsDict | None = None
    if email_identity_arn is not None:
        email = {
            "email_sending_account": "DEVELOPER",
            "from_email_address": sender,
            "source_arn": email_identity_arn,
        }
    return Settings(
        password={
            "minimum_length": arguments.integer("password.minimum_length", 8, 99, 12),
            "require_lowercase": True,
            "require_uppercase": True,
            "require_numbers": True,
            "require_symbols": arguments.flag("password.symbols", False),
            "password_history_size": arguments.integer("password.history", 0, 24, 5),
            "temporary_password_validity_days": arguments.integer("password.temporary_days", 1, 365, 7),
        },
        mfa=MFA[arguments.choice("mfa", MFA, "optional")],
        invited=arguments.choice("sign_up", SIGN_UP, SIGN_UP[0]) == SIGN_UP[0],
        email=email,
    )


def pool(scope: Scope, settings: Settings, trigger: Function) -> aws.cognito.UserPool:
    """The pool, which asks `trigger` for the claims of every token. It needs the function, and the function no pool."""
    return aws.cognito.UserPool(
        scope.child("users"),
        user_pool_tier="ESSENTIALS",
        username_attributes=["email"],
        username_configuration={"case_sensitive": False},
        auto_verified_attributes=["email"],
        user_attribute_update_settings={"attributes_require_verification_before_updates": ["email"]},
        account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
        admin_create_user_config={"allow_admin_create_user_only": settings.invited},
        password_policy=settings.password,
        mfa_configuration=settings.mfa,
        software_token_mfa_configuration=None if settings.mfa == "OFF" else {"enabled": True},
        email_configuration=settings.email,
        lambda_config={"pre_token_generation_config": {"lambda_arn": trigger.arn, "lambda_version": "V3_0"}},
        deletion_protection="ACTIVE" if scope.keep else "INACTIVE",
        tags=scope.tags,
        opts=scope.data_options(),
    )


def let_ask(scope: Scope, pool: Pool | aws.cognito.UserPool, trigger: Function) -> None:
    """Let the pool, and no other, ask for claims."""
    aws.lambda_.Permission(
        scope.child("claims-permission"),
        action="lambda:InvokeFunction",
        function=trigger.name,
        principal="cognito-idp.amazonaws.com",
        source_arn=pool.arn,
        source_account=account_of(pool.arn),
        opts=scope.options(),
    )


def sign_in_url(scope: Scope, pool: Pool | aws.cognito.UserPool, prefix: str) -> pulumi.Input[str]:
    """The address of the pool's sign-in pages; unless it has some, they are made, at `prefix`."""
    if isinstance(pool, Pool) and pool.sign_in_url is not None:
        return pool.sign_in_url
    pages = aws.cognito.UserPoolDomain(
        scope.child("domain"),
        user_pool_id=pool.id,
        domain=prefix or pool.id.apply(lambda id_: _prefix(scope.name, id_)),
        opts=scope.options(),
    )
    region = pool.arn.apply(lambda arn: arn.split(":")[3])
    return pulumi.Output.concat("https://", pages.domain, ".auth.", region, ".amazoncognito.com")


class Clients:
    """Makes clients of a pool, and the resource server that gives their access tokens the scope of the API."""

    def __init__(self, scope: Scope, pool: Pool | aws.cognito.UserPool, identifier: str, scope_name: str) -> None:
        self._scope, self._pool = scope, pool
        self._api_scope = f"{identifier}/{scope_name}"
        self._server = aws.cognito.ResourceServer(
            scope.child("server"),
            user_pool_id=pool.id,
            identifier=identifier,
            scopes=[{"scope_name": scope_name, "scope_description": "Call the API"}],
            opts=scope.options(),
        )

    def browser(self, callbacks: list[str], logouts: list[str], session_hours: int) -> aws.cognito.UserPoolClient:
        """A client that can keep no secret: the code flow, which a browser guards by PKCE, or SRP. The URLs to come
        back to after signing in, and out."""
        return aws.cognito.UserPoolClient(
            self._scope.child("browser"),
            user_pool_id=self._pool.id,
            generate_secret=False,
            explicit_auth_flows=["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"],
            allowed_oauth_flows_user_pool_client=True,
            allowed_oauth_flows=["code"],
            allowed_oauth_scopes=["email", "openid", self._api_scope],
            supported_identity_providers=["COGNITO"],
            callback_urls=callbacks,
            default_redirect_uri=callbacks[0],
            logout_urls=logouts or None,
            access_token_validity=TOKEN_MINUTES,
            id_token_validity=TOKEN_MINUTES,
            refresh_token_validity=session_hours,
            token_validity_units={"access_token": "minutes", "id_token": "minutes", "refresh_token": "hours"},
            enable_token_revocation=True,
            prevent_user_existence_errors="ENABLED",
            read_attributes=["email", "email_verified"],
            write_attributes=["email"],
            opts=self._scope.options(self._server),
        )

    def machine(self, name: str) -> aws.cognito.UserPoolClient:
        """A client with a secret, for the client credentials grant alone: no user signs in by it."""
        return aws.cognito.UserPoolClient(
            self._scope.child(f"machine-{name}"),
            user_pool_id=self._pool.id,
            generate_secret=True,
            # Where none are named, Cognito allows SRP. To refresh, a machine has no token.
            explicit_auth_flows=["ALLOW_REFRESH_TOKEN_AUTH"],
            allowed_oauth_flows_user_pool_client=True,
            allowed_oauth_flows=["client_credentials"],
            allowed_oauth_scopes=[self._api_scope],
            access_token_validity=TOKEN_MINUTES,
            token_validity_units={"access_token": "minutes"},
            enable_token_revocation=True,
            prevent_user_existence_errors="ENABLED",
            opts=self._scope.options(self._server),
        )


def _prefix(name: str, pool_id: str) -> str:
    """Nobody else's in the region, since no other pool has the id."""
    return f"{name[:50]}-{hashlib.sha256(pool_id.encode()).hexdigest()[:10]}"
