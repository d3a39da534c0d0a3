"""The gateway's check of tokens: what API Gateway documents, against keys of our own and against the emulator's."""

import base64
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from local.emulator import Emulator
from local.jwt_authorizer import JwtAuthorizer, KeySets, Unauthorized
from local.routes import Route, RouteTable

ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_mine"
OTHER_ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other"
SCOPES = ["people/api"]


def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEYS = {"us-east-1_mine": {"one": key(), "two": key()}, "us-east-1_other": {"one": key()}}


@pytest.fixture(scope="module")
def pools() -> Iterator[tuple[str, list[str]]]:
    """Key sets over HTTP, as the emulator has them, and what was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            named = KEYS[self.path.split("/")[1]]
            keys = [{**json.loads(_jwk(each)), "kid": kid, "alg": "RS256", "use": "sig"} for kid, each in named.items()]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": keys}).encode())

        def log_message(self, format: str, *args: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def _jwk(private: rsa.RSAPrivateKey) -> str:
    return jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())


@pytest.fixture
def authorizer(pools: tuple[str, list[str]]) -> JwtAuthorizer:
    return JwtAuthorizer(ISSUER, ["browser", "robot"], SCOPES, KeySets(pools[0]))


def claims(**changed: Any) -> dict[str, Any]:
    """An access token's; None leaves one out."""
    usual = {
        "iss": ISSUER,
        "client_id": "browser",
        "sub": "ann",
        "token_use": "access",
        "scope": "openid people/api",
        "iat": int(time.time()),
        "exp": int(time.time()) + 900,
        "tenant": "acme",
    }
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


def signed(pool: str = "us-east-1_mine", kid: str | None = "one", by: Any = None, **changed: Any) -> str:
    private = by or KEYS[pool][kid or "one"]
    return jwt.encode(claims(**changed), private, "RS256", headers={"kid": kid} if kid else None)


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def edited(token: str, **changed: Any) -> str:
    head, body, signature = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(body + "=="))
    return ".".join([head, part({**content, **changed}), signature])


def passed(authorizer: JwtAuthorizer, token: str, prefix: str = "Bearer ") -> dict[str, Any]:
    return authorizer.claims({"authorization": f"{prefix}{token}"})


def refused(authorizer: JwtAuthorizer, token: str) -> tuple[int, str]:
    with pytest.raises(Unauthorized) as error:
        passed(authorizer, token)
    assert token[-20:] not in repr(error.value.headers) or not token
    return error.value.status, error.value.message


def test_claims_are_handed_on_as_texts(authorizer: JwtAuthorizer) -> None:
    content = claims(roles=["a", "b"], flag=True, number=1.5, iat=1000, exp=2**31)
    given = passed(authorizer, jwt.encode(content, KEYS["us-east-1_mine"]["one"], "RS256", headers={"kid": "one"}))
    assert given["scopes"] == ["openid", "people/api"]
    expected = {"tenant": "acme", "roles": "[a b]", "flag": "true", "number": "1.5", "iat": "1000", "exp": str(2**31)}
    assert given["claims"].items() >= expected.items()
    assert all(isinstance(value, str) for value in given["claims"].values())


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
def test_a_token_may_come_with_or_without_bearer(authorizer: JwtAuthorizer, prefix: str) -> None:
    assert passed(authorizer, signed(), prefix)["claims"]["sub"] == "ann"


def test_both_keys_of_a_pool_are_good(authorizer: JwtAuthorizer) -> None:
    assert passed(authorizer, signed(kid="two"))["claims"]["sub"] == "ann"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "browser", "client_id": None},
        {"aud": ["x", "robot"], "client_id": None},
        {"aud": "browser", "client_id": "stranger"},
        {"client_id": "robot"},
        {"nbf": 1000},
        {"scope": None, "scp": ["people/api"]},
    ],
)
def test_what_aws_lets_in(authorizer: JwtAuthorizer, changed: dict[str, Any]) -> None:
    assert passed(authorizer, signed(**changed))["claims"]["sub"] == "ann"


NOW = int(time.time())
A_WEEK = 7 * 24 * 3600  # a run of the tests may take hours
FORGED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no JWT": lambda: "abc",
    "three parts of nothing": lambda: "a.b.c",
    "no algorithm": lambda: ".".join([part({"alg": "none", "kid": "one"}), part(claims()), ""]),
    "no algorithm, differently": lambda: ".".join([part({"alg": "nOnE", "kid": "one"}), part(claims()), "AAAA"]),
    "the public key as a secret": lambda: jwt.encode(claims(), "x" * 32, "HS256", headers={"kid": "one"}),
    "a head without end": lambda: f"{base64.urlsafe_b64encode(b'[' * 6000).decode()}.{part(claims())}.AAAA",
    "a head that is no object": lambda: f"{part([])}.{part(claims())}.AAAA",
    "letters outside ASCII": lambda: "é.é.é",
    "another algorithm": lambda: jwt.encode(claims(), KEYS["us-east-1_mine"]["one"], "RS512", headers={"kid": "one"}),
    "another key": lambda: signed(by=key()),
    "another key of the pool": lambda: signed(kid="two", by=KEYS["us-east-1_mine"]["one"]),
    "no key id": lambda: signed(kid=None),
    "an unknown key id": lambda: signed(kid="three", by=KEYS["us-east-1_mine"]["one"]),
    "another pool": lambda: signed("us-east-1_other", iss=OTHER_ISSUER),
    "another pool that says it is this one": lambda: signed("us-east-1_other"),
    "edited claims": lambda: edited(signed(), tenant="other"),
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "expired": lambda: signed(exp=NOW - 1),
    "no expiry": lambda: signed(exp=None),
    "no issuer": lambda: signed(iss=None),
    "another issuer": lambda: signed(iss=OTHER_ISSUER),
    "not yet": lambda: signed(nbf=NOW + A_WEEK),
    "issued later": lambda: signed(iat=NOW + A_WEEK),
    "another audience": lambda: signed(client_id="stranger"),
    "another audience first": lambda: signed(aud="stranger"),
    "no audience": lambda: signed(client_id=None),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_what_aws_refuses(authorizer: JwtAuthorizer, forge: Callable[[], str]) -> None:
    assert refused(authorizer, forge()) == (401, "Unauthorized")


@pytest.mark.parametrize("changed", [{"scope": None}, {"scope": "openid email"}, {"scope": "people/api2"}])
def test_a_token_without_the_routes_scope_is_forbidden(authorizer: JwtAuthorizer, changed: dict[str, Any]) -> None:
    """An ID token has no scopes at all."""
    assert refused(authorizer, signed(**changed)) == (403, "Forbidden")


def test_the_header_says_why(authorizer: JwtAuthorizer) -> None:
    with pytest.raises(Unauthorized) as error:
        passed(authorizer, signed(client_id="stranger"))
    assert error.value.headers["www-authenticate"] == (
        'Bearer scope="" error="invalid_token" error_description="the token does not have a valid audience"'
    )


def test_keys_are_asked_for_once_and_never_where_a_token_says(pools: tuple[str, list[str]]) -> None:
    endpoint, asked = pools
    authorizer = JwtAuthorizer(ISSUER, ["browser"], [], KeySets(endpoint))
    asked.clear()
    for _ in range(5):
        passed(authorizer, signed())
    assert asked == ["/us-east-1_mine/.well-known/jwks.json"]
    refused(authorizer, signed("us-east-1_other", kid="one", iss=OTHER_ISSUER))
    head = {"alg": "RS256", "kid": "four", "jku": "http://127.0.0.1:9/keys", "jwk": json.loads(_jwk(key()))}
    refused(authorizer, ".".join([part(head), part(claims()), "AAAA"]))
    assert set(asked) == {"/us-east-1_mine/.well-known/jwks.json"}


def test_a_route_hands_on_the_claims_of_its_caller_and_no_others(authorizer: JwtAuthorizer) -> None:
    table = RouteTable([Route("$default", "f", authorizer)])
    content = {
        "rawPath": "/",
        "headers": {"authorization": f"Bearer {signed()}"},
        "requestContext": {"http": {"method": "GET"}, "authorizer": {"jwt": {"claims": {"tenant": "forged"}}}},
    }
    chosen = table.choose(json.dumps(content).encode())
    assert chosen is not None
    assert chosen[0] == "f"
    assert json.loads(chosen[1])["requestContext"]["authorizer"]["jwt"]["claims"]["tenant"] == "acme"
    del content["headers"]["authorization"]
    with pytest.raises(Unauthorized):
        table.choose(json.dumps(content).encode())


@pytest.mark.emulator
def test_the_emulators_own_tokens_are_verified(emulator: Emulator) -> None:
    cognito = emulator.client("cognito-idp")
    tokens, issuers, clients = [], [], []
    for name in ("one", "two"):
        pool = cognito.create_user_pool(PoolName=name)["UserPool"]["Id"]
        flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        made = cognito.create_user_pool_client(UserPoolId=pool, ClientName=name, ExplicitAuthFlows=flows)
        client = made["UserPoolClient"]["ClientId"]
        cognito.admin_create_user(UserPoolId=pool, Username="ann")
        cognito.admin_set_user_password(UserPoolId=pool, Username="ann", Password="Abcdef123456!", Permanent=True)
        signed_in = cognito.admin_initiate_auth(
            UserPoolId=pool,
            ClientId=client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ann", "PASSWORD": "Abcdef123456!"},
        )["AuthenticationResult"]
        tokens.append(signed_in)
        issuers.append(f"https://cognito-idp.us-east-1.amazonaws.com/{pool}")
        clients.append(client)
    authorizer = JwtAuthorizer(issuers[0], clients, [], KeySets(emulator.url))
    assert passed(authorizer, tokens[0]["AccessToken"])["claims"]["token_use"] == "access"
    assert passed(authorizer, tokens[0]["IdToken"])["claims"]["token_use"] == "id"
    assert refused(authorizer, edited(tokens[0]["AccessToken"], sub="bob")) == (401, "Unauthorized")
    assert refused(authorizer, tokens[1]["AccessToken"]) == (401, "Unauthorized")
