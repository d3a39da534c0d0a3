"""Secrets: read when asked for, kept once known."""

import pytest
from foldstack.aws.secrets import SecretNotSet, Secrets
from foldstack.kernel.errors import DefinitionError, Unavailable

from .fakes import Watched


@pytest.mark.emulator
def test_a_secret_is_read_once_and_only_when_asked_for(emulator):
    client = Watched(emulator.client("secretsmanager"))
    arn = emulator.client("secretsmanager").create_secret(Name="library-key", SecretString="open")["ARN"]
    secrets = Secrets(lambda: client, {"key": arn})
    assert client.calls == []
    assert [secrets("key"), secrets("key")] == ["open", "open"]
    assert client.calls == ["get_secret_value"]


@pytest.mark.emulator
def test_a_secret_that_waits_for_its_value_is_asked_for_again(emulator):
    client = emulator.client("secretsmanager")
    arn = client.create_secret(Name="library-waiting")["ARN"]
    secrets = Secrets(lambda: client, {"key": arn})
    with pytest.raises(SecretNotSet, match="put-secret-value") as caught:
        secrets("key")
    assert isinstance(caught.value, Unavailable), "what needs it is tried again later"
    client.put_secret_value(SecretId=arn, SecretString="now")
    assert secrets("key") == "now"


def test_a_secret_that_was_not_given_names_those_that_were():
    with pytest.raises(DefinitionError, match="no secret 'other': this function has a, b"):
        Secrets(lambda: None, {"b": "arn", "a": "arn"})("other")
