"""The event of a request: payload format 2.0."""

import base64
import socket

import pytest

from .gateway_api import Api


def test_the_event_of_a_request(api: Api) -> None:
    headers = [
        ("User-Agent", "tester"),
        ("X-Many", "one"),
        ("X-Many", "two"),
        ("Content-Type", "application/json"),
        ("Cookie", "a=1; b=2"),
        ("Cookie", "c=3"),
        ("Connection", "keep-alive"),
    ]
    event = api.event("POST", "/my/path?p=1&p=2&q=%20x", b'{"a":1}', headers)
    context = event.pop("requestContext")
    sent = event.pop("headers")
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path",
        "rawQueryString": "p=1&p=2&q=%20x",
        "queryStringParameters": {"p": "1,2", "q": " x"},
        "cookies": ["a=1", "b=2", "c=3"],
        "body": '{"a":1}',
        "isBase64Encoded": False,
    }
    authority = f"127.0.0.1:{api.port}"
    trace = sent.pop("x-amzn-trace-id")
    assert trace.startswith("Root=1-")
    assert sent == {
        "host": authority,
        "user-agent": "tester",
        "x-many": "one,two",
        "content-type": "application/json",
        "content-length": "7",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": str(api.port),
        "x-forwarded-proto": "http",
    }
    assert context.pop("timeEpoch") > 1_700_000_000_000
    assert context.pop("time").endswith(" +0000")
    assert context.pop("requestId")
    assert context.pop("domainPrefix")
    assert context == {
        "accountId": "123456789012",
        "apiId": "shop",
        "domainName": authority,
        "http": {
            "method": "POST",
            "path": "/my/path",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "tester",
        },
        "routeKey": "$default",
        "stage": "$default",
    }


def test_what_is_not_in_the_request_is_not_in_the_event(api: Api) -> None:
    event = api.event("GET", "/")
    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & set(event)
    assert event["rawQueryString"] == ""


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a%2Fb", "/a/b"),
        ("/%E2%82%AC", "/€"),
        ("/a%23b%3Fc", "/a#b?c"),
        ("/%00", "/\x00"),
        ("//a//", "//a//"),
        ("/a+b", "/a+b"),
        ("http://elsewhere.example/a?b", "/a"),
    ],
)
def test_the_path_is_decoded(api: Api, target: str, path: str) -> None:
    assert api.event("GET", target)["rawPath"] == path


def test_the_raw_query_is_not_decoded(api: Api) -> None:
    event = api.event("GET", "/?a=%2F&b=c+d&e&f=%E2%82%AC")
    assert event["rawQueryString"] == "a=%2F&b=c+d&e&f=%E2%82%AC"
    assert event["queryStringParameters"] == {"a": "/", "b": "c d", "e": "", "f": "€"}


@pytest.mark.parametrize("path", ["/%zz", "/%", "/%f", "/%ff", "/a%2Fb%zz"])
def test_a_path_that_cannot_be_decoded_is_passed_on_as_it_came(api: Api, path: str) -> None:
    event = api.event("GET", path)
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == path


def test_a_parameter_that_cannot_be_decoded_is_passed_on_as_it_came(api: Api) -> None:
    event = api.event("GET", "/?a=%zz&b=%ff+&c=%&%ff=d&e=%20+")
    assert event["rawQueryString"] == "a=%zz&b=%ff+&c=%&%ff=d&e=%20+"
    assert event["queryStringParameters"] == {"a": "%zz", "b": "%ff+", "c": "%", "%ff": "d", "e": "  "}


def test_the_domain_name_is_where_the_gateway_listens(api: Api) -> None:
    for target in ("/", "http://elsewhere.example/"):
        api.raw(f"GET {target} HTTP/1.1\r\nhost: elsewhere.example\r\nconnection: close\r\n\r\n".encode())
        assert api.events[-1]["headers"]["host"] == "elsewhere.example"
        assert api.events[-1]["requestContext"]["domainName"] == f"127.0.0.1:{api.port}"


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/csv; charset=utf-8", "application/json", "application/xml", "application/javascript"]
)
def test_a_body_of_text_comes_as_text(api: Api, kind: str) -> None:
    event = api.event("POST", "/", "é".encode(), [("content-type", kind)])
    assert (event["body"], event["isBase64Encoded"]) == ("é", False)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("content-type", "application/x-www-form-urlencoded")],
        [("content-type", "image/png")],
        [("content-type", "application/problem+json")],
    ],
)
def test_any_other_body_comes_as_base64(api: Api, headers: list[tuple[str, str]]) -> None:
    event = api.event("POST", "/", b"a=1", headers)
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"a=1", True)


def test_text_that_is_not_utf8_comes_as_base64(api: Api) -> None:
    event = api.event("POST", "/", b"\xff\xfe", [("content-type", "text/plain")])
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\xff\xfe", True)


def test_a_chunked_body_comes_whole(api: Api) -> None:
    event = api.event("POST", "/", iter([b"ab", b"cd"]), [("content-type", "text/plain")])
    assert event["body"] == "abcd"
    assert event["headers"]["content-length"] == "4"
    assert "transfer-encoding" not in event["headers"]


def test_a_client_that_waits_to_be_told_to_go_on_is_told(api: Api) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as connection:
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"ok")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
