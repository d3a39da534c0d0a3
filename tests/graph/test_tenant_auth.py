"""TenantAuth: safe settings, no cycle, no secret in clear. Not proven here: what Cognito does with them."""

import json

import pytest

from components import ArgumentError, EventSourcedService, HttpApi, TenantAuth
from local.monitor import Secret
from tests.graph.support import DOMAIN, FUNCTION, deploy, document, shop, strings

POOL, CLIENT = "aws:cognito/userPool:UserPool", "aws:cognito/userPoolClient:UserPoolClient"
TABLE, PERMISSION = "aws:dynamodb/table:Table", "aws:lambda/permission:Permission"
CALLBACK = "https://orders.example.com/"


def people(name="people", **args):
    def program():
        service = EventSourcedService("orders", {"domain": DOMAIN})
        auth = TenantAuth(name, {"domain": service.events["domain"], "callback_urls": [CALLBACK], **args})
        HttpApi("door", {"commands": service.commands, "authorizer": auth.authorizer})

    return deploy(program)


@pytest.fixture(scope="module")
def graph():
    return people(machines=["robot"])


def test_the_pool_is_safe_by_default(graph):
    pool = graph.one(POOL).inputs
    assert pool["userPoolTier"] == "ESSENTIALS"
    assert pool["usernameAttributes"] == ["email"]
    assert pool["usernameConfiguration"] == {"caseSensitive": False}
    assert pool["autoVerifiedAttributes"] == ["email"]
    assert pool["userAttributeUpdateSettings"] == {"attributesRequireVerificationBeforeUpdates": ["email"]}
    assert pool["accountRecoverySetting"] == {"recoveryMechanisms": [{"name": "verified_email", "priority": 1}]}
    assert pool["adminCreateUserConfig"] == {"allowAdminCreateUserOnly": True}
    assert pool["mfaConfiguration"] == "OPTIONAL"
    assert pool["softwareTokenMfaConfiguration"] == {"enabled": True}
    assert pool["deletionProtection"] == "ACTIVE"
    assert pool["passwordPolicy"] == {
        "minimumLength": 12,
        "requireLowercase": True,
        "requireUppercase": True,
        "requireNumbers": True,
        "requireSymbols": False,
        "passwordHistorySize": 5,
        "temporaryPasswordValidityDays": 7,
    }
    assert "schemas" not in pool, "a custom attribute is what somebody could set"


def test_what_may_be_chosen_is():
    pool = people(
        mfa="required",
        sign_up="open",
        password={"minimum_length": 20, "symbols": True, "history": 0, "temporary_days": 1},
        email_from="Orders <orders@example.com>",
        email_identity_arn="arn:aws:ses:eu-west-1:123456789012:identity/example.com",
        operations={"removal": "destroy"},
    ).one(POOL)
    assert pool.inputs["mfaConfiguration"] == "ON"
    assert pool.inputs["adminCreateUserConfig"] == {"allowAdminCreateUserOnly": False}
    assert pool.inputs["passwordPolicy"]["minimumLength"] == 20
    assert pool.inputs["emailConfiguration"] == {
        "emailSendingAccount": "DEVELOPER",
        "fromEmailAddress": "Orders <orders@example.com>",
        "sourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/example.com",
    }
    assert (pool.inputs["deletionProtection"], pool.options.protect) == ("INACTIVE", False)
    off = people(mfa="off").one(POOL).inputs
    assert (off["mfaConfiguration"], off.get("softwareTokenMfaConfiguration")) == ("OFF", None)


def test_a_browser_keeps_no_secret_and_its_tokens_are_short(graph):
    client = graph.one(CLIENT, "people-browser").inputs
    assert client["generateSecret"] is False
    assert client["allowedOauthFlows"] == ["code"]
    assert sorted(client["explicitAuthFlows"]) == ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
    assert client["allowedOauthScopes"] == ["email", "openid", "people/api"]
    assert client["callbackUrls"] == [CALLBACK]
    assert (client["accessTokenValidity"], client["idTokenValidity"], client["refreshTokenValidity"]) == (15, 15, 12)
    units = {"accessToken": "minutes", "idToken": "minutes", "refreshToken": "hours"}
    assert client["tokenValidityUnits"] == units
    assert client["enableTokenRevocation"] is True
    assert client["preventUserExistenceErrors"] == "ENABLED"
    assert client["writeAttributes"] == ["email"]


def test_a_machine_has_a_secret_and_no_user_signs_in_by_it(graph):
    client = graph.one(CLIENT, "people-machine-robot").inputs
    assert client["generateSecret"] is True
    assert client["allowedOauthFlows"] == ["client_credentials"]
    assert client["explicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    assert client["allowedOauthScopes"] == ["people/api"]
    assert (client["accessTokenValidity"], client["tokenValidityUnits"]) == (15, {"accessToken": "minutes"})
    assert "callbackUrls" not in client
    assert [each.name for each in people().of(CLIENT)] == ["people-browser"]


def test_clients_wait_for_the_scope_that_they_name(graph):
    server = graph.one("aws:cognito/resourceServer:ResourceServer")
    assert [each["scopeName"] for each in server.inputs["scopes"]] == ["api"]
    for client in graph.of(CLIENT):
        assert server.urn in client.dependencies


def test_the_trigger_asks_for_claims_in_version_3_and_only_the_pool_may_call_it(graph):
    pool, function = graph.one(POOL), graph.one(FUNCTION, "people-claims")
    config = {"lambdaArn": function.outputs["arn"], "lambdaVersion": "V3_0"}
    assert pool.inputs["lambdaConfig"] == {"preTokenGenerationConfig": config}
    permission = graph.one(PERMISSION, "people-claims-permission").inputs
    assert permission["principal"] == "cognito-idp.amazonaws.com"
    assert permission["sourceArn"] == pool.outputs["arn"]
    assert permission["sourceAccount"] == "123456789012"
    assert function.inputs["timeout"] <= 5, "Cognito waits no longer"


def test_the_trigger_is_not_told_the_pool(graph):
    """Else each would wait for the other. What a resource depends on, and what that does, never leads back to it."""
    by_urn = {each.urn: each for each in graph.resources}
    pool = graph.one(POOL)

    def needed(urn, seen=frozenset()):
        assert urn not in seen, "a cycle"
        each = by_urn[urn]
        named = {*each.dependencies, *(d for listed in each.property_dependencies.values() for d in listed)}
        return named.union(*(needed(other, seen | {urn}) for other in named if other in by_urn))

    assert pool.urn not in needed(graph.one(FUNCTION, "people-claims").urn)
    assert graph.one(FUNCTION, "people-claims").urn in needed(pool.urn)


def test_only_administrators_write_the_table_of_tenants(graph):
    table = graph.one(TABLE, "people-tenants")
    allowed = {}
    for policy in graph.of("aws:iam/rolePolicy:RolePolicy"):
        for statement in document(policy.inputs["policy"]):
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            if any(each.startswith(table.outputs["arn"]) for each in resources):
                allowed[policy.name] = statement["Action"]
    assert allowed == {
        "people-claims-policy": ["dynamodb:GetItem"],
        "door-router-policy": ["dynamodb:BatchGetItem"],
    }


def test_the_door_asks_for_a_token_of_the_pool_and_a_scope_that_no_id_token_has(graph):
    pool, table = graph.one(POOL), graph.one(TABLE, "people-tenants")
    authorizer = graph.one("aws:apigatewayv2/authorizer:Authorizer")
    assert authorizer.inputs["jwtConfiguration"] == {
        "issuer": f"https://{pool.outputs['endpoint']}",
        "audiences": [each.id for each in graph.of(CLIENT)],
    }
    for route in graph.of("aws:apigatewayv2/route:Route"):
        assert route.inputs["authorizationType"] == "JWT"
        assert route.inputs["authorizerId"] == authorizer.id
        assert route.inputs["authorizationScopes"] == ["people/api"]
    variables = graph.one(FUNCTION, "door-router").inputs["environment"]["variables"]
    assert variables["FOLDSTACK_TENANTS_TABLE"] == table.outputs["name"]


def test_no_secret_is_in_clear():
    """A client's secret is an output of its resource alone, which the engine keeps encrypted."""
    for graph in (people(machines=["robot"]), shop("local"), shop("dev")):
        secrets = {each.outputs["clientSecret"] for each in graph.of(CLIENT)}
        assert len(secrets) == len(graph.of(CLIENT)) > 0
        for each in graph.of(CLIENT):
            assert "clientSecret" in each.options.additional_secret_outputs
        for each in graph.resources:
            assert not secrets & set(strings(_open(each.inputs))), each
            if each.type != CLIENT:
                assert not secrets & set(strings(_open(each.outputs))), each
        assert not secrets & set(strings(_open(graph.exports)))


def _open(value):
    """With what is in JSON; a Secret hides what it holds."""
    if isinstance(value, dict):
        return {key: _open(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_open(each) for each in value]
    if isinstance(value, str) and value.startswith("{"):
        return [value, _open(json.loads(value))]
    return "secret" if isinstance(value, Secret) else value


def test_the_sign_in_pages_have_an_address_that_is_nobody_elses(graph):
    domain = graph.one("aws:cognito/userPoolDomain:UserPoolDomain").inputs["domain"]
    assert domain.startswith("people-")
    assert len(domain) <= 63
    assert (
        people(domain_prefix="sign-in").one("aws:cognito/userPoolDomain:UserPoolDomain").inputs["domain"] == "sign-in"
    )


@pytest.mark.parametrize(
    ("args", "paths"),
    [
        ({"callback_urls": []}, {"callback_urls"}),
        ({"callback_urls": ["http://orders.example.com/"]}, {"callback_urls[0]"}),
        ({"callback_urls": ["http://localhost.example.com/"]}, {"callback_urls[0]"}),
        ({"logout_urls": ["ftp://x"], "mfa": "on", "sign_up": "all"}, {"logout_urls[0]", "mfa", "sign_up"}),
        ({"machines": ["Robot"], "session_hours": 0}, {"machines[0]", "session_hours"}),
        ({"password": {"minimum_length": 7, "lenght": 9}}, {"password.minimum_length", "password.lenght"}),
        ({"email_from": "orders@example.com"}, {"email_from"}),
        ({"email_identity_arn": "arn:aws:ses:eu-west-1:123456789012:identity/example.com"}, {"email_from"}),
        ({"domain_prefix": "my-aws-login"}, {"domain_prefix"}),
        ({"name": "aws-login"}, {"domain_prefix"}),
    ],
)
def test_faults_are_told_together(args, paths):
    with pytest.raises(ArgumentError) as error:
        people(**args)
    assert {fault.path for fault in error.value.faults} == paths


def test_localhost_is_for_development():
    client = people(callback_urls=["http://localhost:3000/back", "http://localhost"]).one(CLIENT)
    assert client.inputs["defaultRedirectUri"] == "http://localhost:3000/back"
