"""Which route of an HTTP API answers a request."""

import json

import pytest

from local.routes import Route, RouteTable

KEYS = ("$default", "POST /{proxy+}", "GET /things/{id}", "GET /things/new", "ANY /things/{id}/parts", "GET /{a}/{b}")


def event(method: str, path: str) -> bytes:
    return json.dumps({"rawPath": path, "requestContext": {"http": {"method": method}}}).encode()


@pytest.mark.parametrize(
    ("method", "path", "key", "variables"),
    [
        ("POST", "/things/1", "POST /{proxy+}", {"proxy": "things/1"}),
        ("GET", "/things/1", "GET /things/{id}", {"id": "1"}),
        ("GET", "/things/new", "GET /things/new", None),
        ("PUT", "/things/1/parts", "ANY /things/{id}/parts", {"id": "1"}),
        ("GET", "/shelves/2", "GET /{a}/{b}", {"a": "shelves", "b": "2"}),
        ("GET", "/", "$default", None),
        ("DELETE", "/things/1", "$default", None),
    ],
)
def test_the_most_specific_route_answers(method: str, path: str, key: str, variables: dict[str, str] | None) -> None:
    chosen = RouteTable([Route(k, f"function of {k}") for k in KEYS]).choose(event(method, path))
    assert chosen is not None
    function, content = chosen[0], json.loads(chosen[1])
    assert function == f"function of {key}"
    assert content["routeKey"] == content["requestContext"]["routeKey"] == key
    assert content.get("pathParameters") == variables


def test_without_a_route_there_is_no_function() -> None:
    assert RouteTable([Route("GET /things", "f")]).choose(event("GET", "/other")) is None


def test_one_default_route_passes_the_event_as_it_is() -> None:
    assert RouteTable([Route("$default", "f")]).choose(b"not even JSON") == ("f", b"not even JSON")
