"""User pools and what belongs to them on the laptop: created, changed, deleted, and refused where AWS would."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from local.deployer import DeployError
from local.edges import EdgeError

from .deploying import Laptop
from .test_edges import CODE, judge


@pytest.mark.emulator
def test_a_user_pool_with_all_that_belongs_to_it(laptop: Laptop) -> None:
    def program(minutes: int = 15, length: int = 12, mfa: str = "OPTIONAL", keep: bool = True, **tags: str) -> None:
        pool = aws.cognito.UserPool(
            "people",
            user_pool_tier="ESSENTIALS",
            username_attributes=["email"],
            username_configuration={"case_sensitive": False},
            password_policy={"minimum_length": length, "require_numbers": True},
            mfa_configuration=mfa,
            software_token_mfa_configuration={"enabled": True},
            admin_create_user_config={"allow_admin_create_user_only": True},
            account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
            user_attribute_update_settings={"attributes_require_verification_before_updates": ["email"]},
            tags=tags,
        )
        server = aws.cognito.ResourceServer(
            "people",
            user_pool_id=pool.id,
            identifier="people",
            scopes=[{"scope_name": "api", "scope_description": "Call"}],
        )
        aws.cognito.UserPoolDomain("people", user_pool_id=pool.id, domain=f"people-{laptop.project}".lower())
        client = aws.cognito.UserPoolClient(
            "robot",
            user_pool_id=pool.id,
            generate_secret=True,
            allowed_oauth_flows=["client_credentials"],
            allowed_oauth_flows_user_pool_client=True,
            allowed_oauth_scopes=server.scope_identifiers,
            access_token_validity=minutes,
            token_validity_units={"access_token": "minutes"},
            callback_urls=["https://a.example/"],
        )
        pulumi.export("pool", pool.id)
        pulumi.export("client", client.id)
        pulumi.export("endpoint", pool.endpoint)

    exports = laptop.up(lambda: program(own="1", gone="1")).exports
    cognito, pool = laptop.client("cognito-idp"), exports["pool"]
    assert exports["endpoint"] == f"cognito-idp.us-east-1.amazonaws.com/{pool}"

    def described() -> dict[str, Any]:
        return cognito.describe_user_pool(UserPoolId=pool)["UserPool"]

    def client() -> dict[str, Any]:
        return cognito.describe_user_pool_client(UserPoolId=pool, ClientId=exports["client"])["UserPoolClient"]

    there = described()
    assert there["Policies"]["PasswordPolicy"]["MinimumLength"] == 12
    assert there["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert there["UserAttributeUpdateSettings"] == {"AttributesRequireVerificationBeforeUpdate": ["email"]}
    assert (there["MfaConfiguration"], there["UserPoolTier"]) == ("OPTIONAL", "ESSENTIALS")
    assert cognito.list_tags_for_resource(ResourceArn=there["Arn"])["Tags"] == {"own": "1", "gone": "1"}
    made = client()
    assert (made["AllowedOAuthScopes"], made["AccessTokenValidity"]) == (["people/api"], 15)
    assert (made["AllowedOAuthFlows"], made["CallbackURLs"]) == (["client_credentials"], ["https://a.example/"])
    laptop.up(lambda: program(minutes=5, length=20, mfa="OFF", own="2"))
    assert laptop.verbs()["robot"] == "update"
    assert (described()["MfaConfiguration"], client()["AccessTokenValidity"]) == ("OFF", 5)
    assert described()["Policies"]["PasswordPolicy"]["MinimumLength"] == 20
    assert cognito.list_tags_for_resource(ResourceArn=there["Arn"])["Tags"] == {"own": "2"}
    assert made["ClientSecret"]
    for file in laptop.home.rglob("*"):
        assert not file.is_file() or made["ClientSecret"] not in file.read_text(), f"a secret in clear in {file}"
    with pytest.raises(DeployError, match="holds data, and the program no longer registers it"):
        laptop.up(lambda: None)
    laptop.up(lambda: None, replace_data=True)
    assert pool not in {each["Id"] for each in cognito.list_user_pools(MaxResults=60)["UserPools"]}


class World:
    """A pool with its trigger, and an API that accepts its tokens; each test changes one thing."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed

    def __call__(self) -> None:
        get = self.changed.get
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = aws.iam.Role("claims", assume_role_policy=json.dumps({"Statement": [trust]}))
        function = aws.lambda_.Function("claims", role=role.arn, code=CODE, handler="a.b", runtime="python3.13")
        pools = [
            aws.cognito.UserPool(
                name,
                lambda_config={"pre_token_generation_config": {"lambda_arn": function.arn, "lambda_version": "V3_0"}}
                if name == "mine"
                else None,
            )
            for name in ("mine", "other")
        ]
        clients = [aws.cognito.UserPoolClient(f"client-{n}", user_pool_id=pool.id) for n, pool in enumerate(pools)]
        if get("permitted", True):
            aws.lambda_.Permission(
                "pool",
                function=function.name,
                action="lambda:InvokeFunction",
                principal=get("principal", "cognito-idp.amazonaws.com"),
                source_arn=pools[get("source", 0)].arn,
            )
        api = aws.apigatewayv2.Api("api", protocol_type="HTTP")
        issuer = get("issuer", pulumi.Output.concat("https://", pools[0].endpoint))
        aws.apigatewayv2.Authorizer(
            "authorizer",
            api_id=api.id,
            authorizer_type="JWT",
            identity_sources=["$request.header.Authorization"],
            jwt_configuration={"issuer": issuer, "audiences": [clients[get("audience", 0)].id]},
        )


def test_a_world_that_aws_accepts() -> None:
    judge(World())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"permitted": False}, "UserPool 'mine' trigger -> Function 'claims': no Permission lets cognito-idp"),
        ({"source": 1}, "no Permission lets cognito-idp.amazonaws.com invoke the function with aws:SourceArn"),
        ({"principal": "apigateway.amazonaws.com"}, "no Permission lets cognito-idp"),
        (
            {"issuer": "https://login.example.com"},
            "Authorizer 'authorizer' accepts tokens of https://login.example.com",
        ),
        ({"audience": 1}, "accepts the audience .*client-1.*, which is no client of UserPool 'mine'"),
    ],
)
def test_a_world_that_aws_would_refuse(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(EdgeError, match=message):
        judge(World(**changed))


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("authorizer", "message"),
    [
        ({"authorizer_type": "REQUEST"}, "authorizerType is 'REQUEST'"),
        ({"identity_sources": ["$request.querystring.token"]}, "identitySources is"),
    ],
)
def test_an_authorizer_that_the_gateway_does_not_serve(laptop: Laptop, authorizer: Any, message: str) -> None:
    def program() -> None:
        api = aws.apigatewayv2.Api("api", protocol_type="HTTP")
        usual = {"authorizer_type": "JWT", "identity_sources": ["$request.header.Authorization"]}
        aws.apigatewayv2.Authorizer("authorizer", api_id=api.id, **{**usual, **authorizer})

    with pytest.raises(DeployError, match=message):
        laptop.up(program)
