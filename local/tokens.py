"""Access tokens of the laptop's user pool, got as a browser gets them: the code flow, guarded by PKCE."""

import base64
import hashlib
import http.client
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from foldstack.kernel.errors import OperationRefused

from .operations.members import Auth, Members

_SECONDS = 30.0
_SPARE = 120  # seconds that a token has still to live to be handed out again


class Tokens:
    """`endpoint` is the emulator's. Tenants and users that are asked for are made; a user's password is new each time,
    and nobody learns it."""

    def __init__(self, client: Any, endpoint: str, auth: Auth, roles: tuple[str, ...]) -> None:
        self._cognito, self._endpoint = client("cognito-idp"), endpoint
        self._auth, self._roles = auth, roles
        self._members = Members(client, auth, roles)
        self._kept: dict[tuple[str, str, str | None], dict[str, str]] = {}

    def of(self, tenant: str, user: str = "somebody", role: str | None = None) -> dict[str, str]:
        """`access_token`, `id_token` and `refresh_token`, the last ones while they live. `user` is an e-mail address,
        or the name in one that is made up. Without a role a user keeps the one it has, and a new one has the domain's
        first. Raises OperationRefused where the token is refused.
        """
        asked = tenant, user, role
        if asked not in self._kept or _lives(self._kept[asked]["access_token"]) < _SPARE:
            self._kept[asked] = self._sign_in(self._known(tenant, user, role))
        return self._kept[asked]

    def _known(self, tenant: str, user: str, role: str | None) -> str:
        """The user's address."""
        email = user if "@" in user else f"{user}@{tenant}.example"
        self._members.add_tenant(tenant)
        there = self._members.role(email)
        if there is None:
            self._members.invite(email, tenant, role or self._roles[0], send=False)
        elif role not in (None, there):
            self._members.set_role(email, role)
        return email

    def _sign_in(self, email: str) -> dict[str, str]:
        password = f"{secrets.token_urlsafe(24)}-aA1"
        self._cognito.admin_set_user_password(
            UserPoolId=self._auth.user_pool_id, Username=email, Password=password, Permanent=True
        )
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        client = {"client_id": self._auth.client_id, "redirect_uri": self._auth.callback_url}
        asked = {"response_type": "code", "scope": f"openid email {self._auth.scope}"}
        guarded = {"code_challenge": challenge, "code_challenge_method": "S256"}
        status, location, _ = self._post(
            "/login", {**client, **asked, **guarded, "username": email, "password": password}
        )
        if status != 302:
            raise OperationRefused(f"{email} could not sign in: the sign-in page answered {status}")
        code = parse_qs(urlsplit(location).query)["code"][0]
        grant = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        status, _, body = self._post("/oauth2/token", {**client, **grant})
        answer = json.loads(body)
        if status != 200:
            raise OperationRefused(f"{email} gets no token: {answer.get('error_description') or answer['error']}")
        return answer

    def _post(self, path: str, form: dict[str, str]) -> tuple[int, str, bytes]:
        """Status, location and body."""
        where = urlsplit(self._endpoint)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_SECONDS)
        try:
            kind = {"content-type": "application/x-www-form-urlencoded"}
            connection.request("POST", path, urlencode(form), kind)
            answer = connection.getresponse()
            return answer.status, answer.getheader("location") or "", answer.read()
        finally:
            connection.close()


def _lives(token: str) -> float:
    """For how many seconds."""
    return jwt.decode(token, options={"verify_signature": False})["exp"] - time.time()
