"""Whose credentials a function has, who may ask for them, and when they are renewed."""

import http.client
import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from local.credentials import Credentials
from local.emulator import Emulator

from .conftest import allow, make_role, make_table
from .handlers import Make


def test_a_handler_acts_under_its_functions_own_role(emulator: Emulator, function: Make) -> None:
    mine, other = make_table(emulator), make_table(emulator)
    arn = emulator.client("dynamodb").describe_table(TableName=mine)["Table"]["TableArn"]
    made = function(
        """
        import boto3
        def handler(table, context):
            boto3.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "a"}})
            return boto3.client("sts").get_caller_identity()["Arn"]
        """,
        allow(["dynamodb:PutItem"], [arn]),
        timeout=20,
    )
    name = made.spec.role_arn.rsplit("/", 1)[-1]
    assert made.answer(mine) == f"arn:aws:sts::{emulator.account}:assumed-role/{name}/{name}"
    denied = made(other)
    assert denied.error is not None
    assert "AccessDeniedException" in denied.error["errorMessage"]


def test_credentials_are_for_the_holder_of_a_living_sandboxs_token(function: Make) -> None:
    made = function(
        """
        import os
        def handler(event, context):
            if event == "die": os._exit(1)
            names = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
            return [os.environ[name] for name in names]
        """
    )
    url, token = made.answer()

    def ask(**headers: str) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection(url.split("/")[2])
        connection.request("GET", "/credentials", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body) if answer.status == 200 else {}

    status, held = ask(Authorization=token)
    assert status == 200
    assert set(held) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert datetime.fromisoformat(held["Expiration"]) > datetime.now(UTC)
    assert ask()[0] == 403
    assert ask(Authorization="guessed")[0] == 403
    assert ask(Authorization=token, Origin="http://evil.example")[0] == 403
    assert ask(Authorization=token, Host="evil.example")[0] == 403
    made("die")
    assert ask(Authorization=token)[0] == 403


def test_credentials_are_renewed_before_they_end(emulator: Emulator) -> None:
    now = datetime.now(UTC)
    held = Credentials(emulator, now=lambda: now)
    role = make_role(emulator)
    first = held.of(role)
    assert held.of(role) is first
    now = first.expires - timedelta(minutes=19)
    assert held.of(role).token != first.token


def test_a_role_that_does_not_exist_is_an_error(emulator: Emulator) -> None:
    with pytest.raises(ClientError, match=r"cannot be found|NoSuchEntity|AccessDenied"):
        Credentials(emulator).of(f"arn:aws:iam::{emulator.account}:role/nobody")
