"""Secrets of the program, read from Secrets Manager when something first asks for them."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from ..kernel.errors import DefinitionError, Unavailable
from .store_errors import ask, error_code


class SecretNotSet(Unavailable):
    """The secret is there, and waits for a person to give it a value. Never remembered: it is read again."""


class Secrets:
    """`client` makes a Secrets Manager client; `arns` maps names to ARNs. A value is kept for the sandbox's life."""

    def __init__(self, client: Callable[[], Any], arns: Mapping[str, str]) -> None:
        self._client = client
        self._arns = arns
        self._values: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """The secret's text. Raises SecretNotSet, StoreTimeout, StoreThrottled, or DefinitionError for a name that
        the function was not given."""
        if name not in self._values:
            self._values[name] = self._read(name)
        return self._values[name]

    def _read(self, name: str) -> str:
        arn = self._arns.get(name)
        if arn is None:
            raise DefinitionError(
                f"no secret {name!r}: this function has {', '.join(sorted(self._arns)) or 'none'}; "
                "list it in the `secrets` of the EventSourcedService"
            )
        try:
            text = ask(self._client().get_secret_value, SecretId=arn).get("SecretString")
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            text = None
        if text is None:
            raise SecretNotSet(
                f"the secret {name} has no text yet; set it: aws secretsmanager put-secret-value --secret-id {arn}"
            )
        return text
