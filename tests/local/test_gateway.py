"""The gateway's doors: one for each API, and a real function behind one."""

from collections.abc import Callable

import pytest

from local.gateway import Gateway

from .conftest import Function
from .gateway_api import MEGABYTE, Api, message, ok


def test_each_api_has_a_door_of_its_own(gateway: Gateway) -> None:
    ports = []
    for name in ("one", "two"):
        url = gateway.open(name, lambda _, name=name: ok({"statusCode": 200, "body": name}))
        assert url == gateway.url(name)
        ports.append(int(url.rpartition(":")[2]))
    assert [Api(port).call("GET", "/")[2] for port in ports] == [b"one", b"two"]
    with pytest.raises(ValueError, match="already serves an API called 'one'"):
        gateway.open("one", lambda _: ok(None))
    gateway.close("one")
    with pytest.raises(ConnectionRefusedError):
        Api(ports[0]).call("GET", "/")
    assert Api(ports[1]).call("GET", "/")[0] == 200


def test_a_function_behind_the_gateway(gateway: Gateway, function: Callable[..., Function]) -> None:
    made = function(
        """
        import json
        def handler(event, context):
            if event["rawPath"] == "/boom": raise RuntimeError("a secret detail")
            return {"statusCode": 200, "body": json.dumps(event["rawPath"])}
        """
    )
    port = int(gateway.open("real", lambda event: made.host.invoke(made.spec.name, event)).rpartition(":")[2])
    api = Api(port)
    assert api.call("GET", "/x")[::2] == (200, b'"/x"')
    assert api.call("GET", "/boom")[::2] == (500, message("Internal Server Error"))
    # Ten megabytes pass the gateway; six are what the function takes.
    assert api.call("POST", "/x", b"x" * (7 * MEGABYTE))[::2] == (413, message("Request Entity Too Large"))
    assert "a secret detail" in made.log
