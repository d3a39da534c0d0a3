"""Tokens that somebody would like to be good: made with the emulator's own keys where nothing else would do."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from local.cloud import LaptopCloud

PASSWORD = "Abcdef123456!"


class Forger:
    """`good` are the tokens of somebody who may do everything; each method answers a token that is not good."""

    def __init__(self, cloud: LaptopCloud, good: dict[str, str]) -> None:
        self._cloud, self._good = cloud, good
        self._pool = cloud.outputs["operated"]["auth"]["user_pool_id"]
        keys = cloud.home / "emulator" / "state" / "cognito-pool-keys"
        self._key = load_pem_private_key((keys / f"{self._pool}-access.pem").read_bytes(), None)
        self._claims = jwt.decode(good["access_token"], options={"verify_signature": False})
        self._header = jwt.get_unverified_header(good["access_token"])
        self._other_pools_token = ""

    @property
    def subject(self) -> str:
        return self._claims["sub"]

    def all(self) -> dict[str, Callable[[], str]]:
        return {
            "no token": lambda: "",
            "expired": lambda: self.signed(iat=int(time.time()) - 1800, exp=int(time.time()) - 1),
            "no algorithm": lambda: f"{part({**self._header, 'alg': 'none'})}.{part(self._claims)}.",
            "another key": self.by_another_key,
            "another pool": self.of_another_pool,
            "edited claims": self.edited,
            "ID token": lambda: self._good["id_token"],
            "ID token with a scope": lambda: self.signed(token_use="id"),
            "another audience": lambda: self.signed(client_id="somebody-elses"),
            "no tenant": lambda: self.signed(tenant=None),
            "a tenant that can't be": lambda: self.signed(tenant="a#b"),
            "no role": lambda: self.signed(role=None),
            "a role that nobody gave": lambda: self.signed(role="owner"),
            "a user that is none": lambda: self.signed(sub=str(uuid.uuid4())),
            "no scope": lambda: self.signed(scope="openid"),
        }

    def signed(self, **changed: Any) -> str:
        """By the pool itself: what the trigger would never have said."""
        claims = {name: value for name, value in {**self._claims, **changed}.items() if value is not None}
        return jwt.encode(claims, self._key, "RS256", headers={"kid": self._header["kid"]})  # pyright: ignore

    def by_another_key(self) -> str:
        own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return jwt.encode(self._claims, own, "RS256", headers={"kid": self._header["kid"]})

    def edited(self) -> str:
        head, _, signature = self._good["access_token"].split(".")
        return ".".join([head, part({**self._claims, "role": "admin", "tenant": "other"}), signature])

    def of_another_pool(self) -> str:
        """A real token, of a pool that anybody may make."""
        if not self._other_pools_token:
            cognito = self._cloud.client("cognito-idp")
            pool = cognito.create_user_pool(PoolName="other")["UserPool"]["Id"]
            flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
            made = cognito.create_user_pool_client(UserPoolId=pool, ClientName="other", ExplicitAuthFlows=flows)
            cognito.admin_create_user(UserPoolId=pool, Username="eve")
            cognito.admin_set_user_password(UserPoolId=pool, Username="eve", Password=PASSWORD, Permanent=True)
            self._other_pools_token = cognito.admin_initiate_auth(
                UserPoolId=pool,
                ClientId=made["UserPoolClient"]["ClientId"],
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": "eve", "PASSWORD": PASSWORD},
            )["AuthenticationResult"]["AccessToken"]
        return self._other_pools_token


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
