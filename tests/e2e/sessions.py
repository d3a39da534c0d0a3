"""What else gets tokens of the laptop's pool: a machine by its secret, a session by its refresh token."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import jwt

from local.cloud import LaptopCloud


class Sessions:
    """None is a token that was refused."""

    def __init__(self, cloud: LaptopCloud) -> None:
        self._cloud, self._cognito = cloud, cloud.client("cognito-idp")
        self._auth = cloud.outputs["operated"]["auth"]

    def of_machine(self, name: str) -> str | None:
        client = self._auth["machines"][name]
        described = self._cognito.describe_user_pool_client(UserPoolId=self._auth["user_pool_id"], ClientId=client)
        named = {"client_id": client, "client_secret": described["UserPoolClient"]["ClientSecret"]}
        form = {"grant_type": "client_credentials", "scope": self._auth["scope"], **named}
        try:
            with urllib.request.urlopen(
                f"{self._cloud.endpoint}/oauth2/token", urllib.parse.urlencode(form).encode()
            ) as answer:
                return json.load(answer)["access_token"]
        except urllib.error.HTTPError as error:
            with error:
                told = error.read().decode()
            if "this account has no access" not in told:
                raise
            return None

    def refreshed(self, session: dict[str, str]) -> dict[str, Any] | None:
        """The claims of the next access token."""
        try:
            answer = self._cognito.initiate_auth(
                ClientId=self._auth["client_id"],
                AuthFlow="REFRESH_TOKEN_AUTH",
                AuthParameters={"REFRESH_TOKEN": session["refresh_token"]},
            )
        except (
            self._cognito.exceptions.UserLambdaValidationException,
            self._cognito.exceptions.NotAuthorizedException,
        ):
            return None
        return claims(answer["AuthenticationResult"]["AccessToken"])


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})
