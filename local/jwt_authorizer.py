"""API Gateway's JWT authorizer: what a token must be, as AWS documents it, and the claims that a function is given."""

import json
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

import jwt

_ALGORITHM = "RS256"  # what user pools sign with
_SECONDS = 5.0


class Unauthorized(Exception):
    """The gateway refuses the request itself: 401 for the token, 403 for its scopes."""

    def __init__(self, status: int, description: str, scopes: Sequence[str] = ()) -> None:
        super().__init__(description)
        self.status = status
        self.message = "Unauthorized" if status == 401 else "Forbidden"
        error = "invalid_token" if status == 401 else "insufficient_scope"
        challenge = f'Bearer scope="{" ".join(scopes)}" error="{error}" error_description="{description}"'
        self.headers = {"www-authenticate": challenge}


class KeySets:
    """Public keys of user pools, asked of the emulator at `endpoint`; a key that is not known is asked for once more.

    No issuer is asked by the address in a token: that would be the caller's to choose.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._keys: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def find(self, issuer: str, key_id: str) -> Any:
        """None where the issuer has no such key."""
        with self._lock:
            if (issuer, key_id) not in self._keys:
                for each in self._read(issuer):
                    self._keys[issuer, each["kid"]] = jwt.PyJWK(each, _ALGORITHM).key
            return self._keys.get((issuer, key_id))

    def _read(self, issuer: str) -> list[dict[str, Any]]:
        pool = issuer.rpartition("/")[2]
        with urllib.request.urlopen(f"{self._endpoint}/{pool}/.well-known/jwks.json", timeout=_SECONDS) as answer:
            return json.load(answer)["keys"]


class JwtAuthorizer:
    """Of one route: `scopes` are those of which a token must have one, none where it needs none."""

    def __init__(self, issuer: str, audiences: Sequence[str], scopes: Sequence[str], keys: KeySets) -> None:
        self._issuer, self._audiences, self._scopes, self._keys = issuer, audiences, scopes, keys

    def claims(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """`claims`, each as text, and `scopes`. Raises Unauthorized."""
        given = headers.get("authorization", "")
        token = given[7:] if given[:7].lower() == "bearer " else given
        try:
            claims = self._verified(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthorized(401, _plain(error)) from None
        audience = claims["aud"] if "aud" in claims else claims.get("client_id")
        named = audience if isinstance(audience, list) else [audience]
        if not set(map(str, named)) & set(self._audiences):
            raise Unauthorized(401, "the token does not have a valid audience")
        scopes = _scopes(claims)
        if self._scopes and not set(scopes) & set(self._scopes):
            raise Unauthorized(403, "the token has none of the scopes of this route", self._scopes)
        return {"claims": {name: _text(value) for name, value in claims.items()}, "scopes": scopes or None}

    def _verified(self, token: str) -> dict[str, Any]:
        key = self._keys.find(self._issuer, str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise jwt.InvalidTokenError("the token's key is none of its issuer's")
        return jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            issuer=self._issuer,
            options={"require": ["exp", "iss"], "verify_aud": False},
        )


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    found = claims.get("scope", claims.get("scp", []))
    return found.split() if isinstance(found, str) else [str(each) for each in found]


def _text(value: Any) -> str:
    """A claim as HTTP APIs hand it on: all are texts, a list is `[a b]`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{' '.join(map(_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _plain(error: Exception) -> str:
    """Fit for a header, and without anything of the token."""
    if isinstance(error, jwt.ExpiredSignatureError):
        return "the token has expired"
    if isinstance(error, jwt.DecodeError) or not isinstance(error, jwt.InvalidTokenError):
        return "the token is not valid"
    return str(error).replace('"', "'")
