"""The emulator's Cognito and its trigger: what it is asked, and that a trigger which raises refuses the token."""

import http.server
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from botocore.exceptions import ClientError

from local.emulator import PATCHES, Emulator

from .conftest import make_role

pytestmark = pytest.mark.emulator

RAISED = {"errorMessage": "this account has no access", "errorType": "NoAccess", "stackTrace": ["line 1"]}
PASSWORD = "Abcdef123456!"


class Trigger:
    """A function behind the emulator's proxy mode; `raises` is what it does."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.raises = False
        trigger = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                trigger.events.append(event)
                access = {"claimsToAddOrOverride": {"tenant": "acme"}, "scopesToAdd": ["people/extra"]}
                event["response"] = {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": access}}
                body = json.dumps(RAISED if trigger.raises else event).encode()
                self.send_response(502 if trigger.raises else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def trigger() -> Iterator[Trigger]:
    trigger = Trigger()
    yield trigger
    trigger.server.shutdown()
    trigger.server.server_close()


class Pool:
    """A pool that asks the trigger, a user and a machine."""

    def __init__(self, emulator: Emulator, trigger: Trigger) -> None:
        self.emulator, self.cognito = emulator, emulator.client("cognito-idp")
        arn = emulator.client("lambda").create_function(
            FunctionName=f"claims-{trigger.server.server_port}",
            Role=make_role(emulator),
            Runtime="python3.13",
            Handler="a.b",
            Code={"ZipFile": b"PK\x05\x06" + b"\0" * 18},
            Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": trigger.url}},
        )["FunctionArn"]
        config = {"PreTokenGenerationConfig": {"LambdaArn": arn, "LambdaVersion": "V3_0"}}
        self.id = self.cognito.create_user_pool(PoolName="people", LambdaConfig=config)["UserPool"]["Id"]
        scopes = [{"ScopeName": "api", "ScopeDescription": "Call"}]
        self.cognito.create_resource_server(UserPoolId=self.id, Identifier="people", Name="people", Scopes=scopes)
        self.cognito.admin_create_user(UserPoolId=self.id, Username="ann")
        self.cognito.admin_set_user_password(UserPoolId=self.id, Username="ann", Password=PASSWORD, Permanent=True)
        self.browser = self.client(ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"])["ClientId"]
        self.robot = self.client(
            GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=["people/api"],
        )

    def client(self, **settings: Any) -> dict[str, Any]:
        made = self.cognito.create_user_pool_client(UserPoolId=self.id, ClientName="client", **settings)
        return made["UserPoolClient"]

    def sign_in(self) -> dict[str, Any]:
        return self.cognito.admin_initiate_auth(
            UserPoolId=self.id,
            ClientId=self.browser,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ann", "PASSWORD": PASSWORD},
        )["AuthenticationResult"]

    def machine(self) -> tuple[int, dict[str, Any]]:
        named = {"client_id": self.robot["ClientId"], "client_secret": self.robot["ClientSecret"]}
        form = urllib.parse.urlencode({"grant_type": "client_credentials", **named}).encode()
        try:
            with urllib.request.urlopen(f"{self.emulator.url}/oauth2/token", form) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_the_trigger_is_asked_in_the_form_of_version_3(emulator: Emulator, trigger: Trigger) -> None:
    pool = Pool(emulator, trigger)
    signed_in = pool.sign_in()
    event = trigger.events[0]
    assert (event["version"], event["triggerSource"]) == ("3", "TokenGeneration_Authentication")
    assert event["userPoolId"] == pool.id
    assert event["callerContext"]["clientId"] == pool.browser
    assert event["request"]["userAttributes"]["sub"] == claims(signed_in["AccessToken"])["sub"]
    assert claims(signed_in["AccessToken"])["tenant"] == "acme"
    assert "people/extra" in claims(signed_in["AccessToken"])["scope"].split()
    assert "tenant" not in claims(signed_in["IdToken"])
    status, answer = pool.machine()
    assert (status, claims(answer["access_token"])["tenant"]) == (200, "acme")
    event = trigger.events[-1]
    assert event["triggerSource"] == "TokenGeneration_ClientCredentials"
    assert event["callerContext"]["clientId"] == claims(answer["access_token"])["sub"] == pool.robot["ClientId"]


def test_a_trigger_that_raises_refuses_the_token_in_cognitos_words(emulator: Emulator, trigger: Trigger) -> None:
    pool = Pool(emulator, trigger)
    trigger.raises = True
    words = "PreTokenGeneration failed with error this account has no access."
    with pytest.raises(ClientError) as error:
        pool.sign_in()
    told = error.value.response["Error"]
    assert (told["Code"], told["Message"]) == ("UserLambdaValidationException", words)
    assert pool.machine() == (400, {"error": "invalid_grant", "error_description": words})


def test_without_the_patch_it_is_an_error_of_the_server(tmp_path, trigger: Trigger) -> None:
    with Emulator(tmp_path, patches=[each for each in PATCHES if each != "token-triggers"]) as bare:
        pool = Pool(bare, trigger)
        trigger.raises = True
        with pytest.raises(ClientError) as error:
            pool.sign_in()
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_left_to_itself_it_gives_tokens_without_claims(tmp_path, trigger: Trigger) -> None:
    patches = [each for each in PATCHES if each != "token-triggers"]
    with Emulator(tmp_path, patches=patches, environment={"MINISTACK_COGNITO_PRETOKEN_STRICT": ""}) as lenient:
        pool = Pool(lenient, trigger)
        trigger.raises = True
        assert "tenant" not in claims(pool.sign_in()["AccessToken"])
