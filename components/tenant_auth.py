"""TenantAuth: who users and machines are, to which tenant they belong, and tokens that say so."""

import re
from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import alarms, environment, existing, overrides, permissions, storage, user_pool
from .arguments import NAME, Arguments
from .existing import ExistingTable, ExistingUserPool
from .function import Function
from .handles import Authorizer, Domain, Handle, OperatedAuth, Tenants
from .overrides import FunctionSettings
from .scope import Operations, Scope, operated
from .user_pool import PasswordPolicy

URL = re.compile(r"https://[^\s#]+|http://localhost(:\d+)?(/[^\s#]*)?")
PREFIX = re.compile(r"(?!.*(aws|amazon|cognito))[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
TRIGGER_TIMEOUT = 5  # Cognito waits no longer
REFUSED_SIGN_INS = 20  # each is an error of the trigger; so many within five minutes are worth a look
SCOPE = "api"
OF_A_POOL = ["email_from", "email_identity_arn", "mfa", "password", "sign_up"]
"""Arguments that say what a pool of ours is like."""


class TenantAuthArgs(TypedDict):
    """Arguments of TenantAuth."""

    domain: pulumi.Input[Domain]
    """The `domain` in the `commands` of a service: its package has the trigger's code too."""
    callback_urls: list[str]
    """Where a browser may come back to after signing in; https, or http on localhost."""
    logout_urls: NotRequired[list[str]]
    """Where a browser may come back to after signing out, default nowhere."""
    machines: NotRequired[list[str]]
    """Names of machines; each gets a client with a secret, which `aws cognito-idp describe-user-pool-client` shows."""
    sign_up: NotRequired[str]
    """Who may make an account: "invitation" (default), by administrators alone, or "open"; none has a tenant yet."""
    mfa: NotRequired[str]
    """Whether users show a code of an authenticator app: "off", "optional" (default) or "required"."""
    password: NotRequired[PasswordPolicy]
    """What a password must be."""
    session_hours: NotRequired[int]
    """How long a browser gets new tokens without signing in again, 1 to 8760, default 12."""
    domain_prefix: NotRequired[str]
    """The first label of the sign-in pages' host, unique in its region; default one made of the pool's id."""
    email_from: NotRequired[str]
    """The sender of invitations and codes, default Cognito's own, who sends 50 a day."""
    email_identity_arn: NotRequired[pulumi.Input[str]]
    """The SES identity that sends them; required with `email_from`."""
    user_pool: NotRequired[ExistingUserPool]
    """Your own user pool, whose owner lets it call the `claims_function`. Default: one is made."""
    table: NotRequired[ExistingTable]
    """Your own table for tenants and their members. Default: one is made."""
    functions: NotRequired[Mapping[str, FunctionSettings]]
    """What to change of the function "claims"; Cognito waits 5 seconds for it."""
    operations: NotRequired[Operations]
    """How it is operated."""


class TenantAuth(pulumi.ComponentResource):
    """A user pool, its clients, a table of tenants and members, and the trigger that puts these into access tokens."""

    authorizer: pulumi.Output[Authorizer]
    """What doors need to accept its tokens: give it to HttpApi."""
    tenants: pulumi.Output[Tenants]
    """The table of tenants and their members."""
    claims_function: pulumi.Output[str]
    """The ARN of the function that a pool asks for the claims of each token: the trigger of your own `user_pool`."""
    operated: pulumi.Output[OperatedAuth]
    """What administers it: export it for the `foldstack` command."""

    def __init__(self, name: str, args: TenantAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        arguments = Arguments("TenantAuth", name, args, TenantAuthArgs)
        operations = operated(arguments)
        callbacks = arguments.names("callback_urls", URL, "https://..., or http://localhost...", None)
        logouts = arguments.names("logout_urls", URL, "https://..., or http://localhost...", [])
        machines = arguments.names("machines", NAME, "a-z, 0-9 and -, from a letter, at most 32", [])
        allowed = "a-z, 0-9 and -, without aws, amazon, cognito"
        prefix = arguments.text("domain_prefix", PREFIX, allowed, "")
        own_table = existing.table(arguments, "table")
        own_pool = existing.user_pool(arguments, "user_pool", OF_A_POOL)
        has_pages = own_pool is not None and own_pool.sign_in_url is not None
        if not prefix and not has_pages and not PREFIX.fullmatch(name):
            arguments.fault("domain_prefix", None, allowed, f"give one: {name!r} can't be the start of one")
        session = arguments.integer("session_hours", 1, 8760, 12)
        settings = user_pool.settings(arguments, args.get("email_identity_arn"))
        functions = overrides.functions(arguments, ("claims",), longest={"claims": TRIGGER_TIMEOUT})
        arguments.check()

        super().__init__("foldstack:index:TenantAuth", name, {**args}, opts)
        domain = pulumi.Output.from_input(args["domain"])
        scope = operations.scope(self, name, domain["service"], functions)
        api_scope = f"{name}/{SCOPE}"

        table = own_table or storage.table(scope, "tenants", storage.TENANT_KEYS, key_arn=scope.key_arn)
        trigger = _trigger(scope, domain, table, api_scope)
        pool = own_pool or user_pool.pool(scope, settings, trigger)
        user_pool.let_ask(scope, pool, trigger)
        clients = user_pool.Clients(scope, pool, name, SCOPE)
        browser = clients.browser(callbacks, logouts, session)
        machine_ids = {each: clients.machine(each).id for each in machines}

        authorizer: Authorizer = {
            "issuer": pulumi.Output.concat("https://", pool.endpoint),
            "audience": [browser.id, *machine_ids.values()],
            "scopes": [api_scope],
            "user_pool_id": pool.id,
            "tenants_table_name": table.name,
            "tenants_table_arn": table.arn,
            "tenants_key_arn": scope.key_arn or "",
        }
        operated_auth: OperatedAuth = {
            "tenants_table": table.name,
            "user_pool_id": pool.id,
            "client_id": browser.id,
            "callback_url": callbacks[0],
            "scope": api_scope,
            "machines": machine_ids,
            "sign_in_url": user_pool.sign_in_url(scope, pool, prefix),
        }
        self.authorizer = pulumi.Output.from_input(authorizer)
        self.tenants = pulumi.Output.from_input(Tenants(table_name=table.name, table_arn=table.arn))
        self.claims_function = trigger.arn
        self.operated = pulumi.Output.from_input(operated_auth)
        self.register_outputs(
            {
                "authorizer": self.authorizer,
                "tenants": self.tenants,
                "claims_function": self.claims_function,
                "operated": self.operated,
            }
        )


def _trigger(scope: Scope, domain: Handle, table: existing.Table | aws.dynamodb.Table, api_scope: str) -> Function:
    """It is not told the pool, which names it: the event says which pool asks."""
    code = {key: domain[key] for key in Domain.__annotations__}
    function = Function(
        scope,
        "claims",
        handler="foldstack.handlers.claims.handler",
        domain={**code, "environment": {}},
        variables=environment.claiming(table.name, api_scope),
        statements=permissions.read_membership(table.arn, scope.key_arn),
        timeout=TRIGGER_TIMEOUT,
        memory_mb=1024,
        alarmed=False,
    )
    alarms.on_errors(scope, "claims", function.name, threshold=REFUSED_SIGN_INS)
    return function
