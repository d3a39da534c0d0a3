"""The emulator's way in to the functions, and that nothing else is open."""

import http.client
import json
from typing import Any

import pytest

from local.emulator import Emulator
from local.function_host import FunctionHost

from .handlers import Make


def test_the_emulators_invoke_reaches_the_same_sandboxes(emulator: Emulator, function: Make) -> None:
    made = function("import os\ndef handler(event, context): return [event, os.getpid()]")
    _, pid = made.answer()
    lambdas = emulator.client("lambda")
    lambdas.create_function(
        FunctionName=made.spec.name,
        Runtime="python3.13",
        Role=made.spec.role_arn,
        Handler=made.spec.handler,
        Code={"ZipFile": EMPTY_ZIP},
        Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": f"{made.host.url}/fn/{made.spec.name}"}},
    )
    answer = lambdas.invoke(FunctionName=made.spec.name, Payload=b'{"a": 1}')
    assert json.loads(answer["Payload"].read()) == [{"a": 1}, pid]


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


@pytest.mark.parametrize(
    ("path", "status"), [("/fn/unknown", 404), ("/other", 404), ("/fn/", 404), ("/credentials", 403)]
)
def test_other_paths_of_the_host_are_closed(host: FunctionHost, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(host.url.rpartition(":")[2]))
    connection.request("POST", path, b"{}")
    assert connection.getresponse().status == status
    connection.close()


def test_an_error_of_the_function_is_an_error_on_the_way_in(function: Make) -> None:
    made = function("def handler(event, context): raise KeyError(event)")
    connection = http.client.HTTPConnection("127.0.0.1", int(made.host.url.rpartition(":")[2]))
    connection.request("POST", f"/fn/{made.spec.name}", b'"x"')
    answer = connection.getresponse()
    body: dict[str, Any] = json.loads(answer.read())
    connection.close()
    assert (answer.status, body["errorType"]) == (502, "KeyError")
