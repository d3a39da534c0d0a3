"""The response to a function's answer: payload format 2.0."""

import base64
from typing import Any

import pytest

from .gateway_api import Api


def test_a_stated_response(api: Api) -> None:
    api.answer = {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json", "X-Number": 5, "Location": "/a", "Content-Length": "999"},
        "cookies": ["a=1; Path=/", "b=2"],
        "body": '{"é":1}',
    }
    status, headers, body = api.call("POST", "/")
    assert (status, body) == (201, '{"é":1}'.encode())
    named = [pair for pair in headers if pair[0] != "apigw-requestid"]
    assert named == [
        ("content-type", "application/json"),
        ("x-number", "5"),
        ("location", "/a"),
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2"),
        ("content-length", "8"),
    ]
    assert dict(headers)["apigw-requestid"] == api.events[0]["requestContext"]["requestId"]


@pytest.mark.parametrize(
    ("answer", "body"),
    [({"a": [1]}, b'{"a": [1]}'), ("Hello", b"Hello"), ([1, 2], b"[1, 2]"), (None, b"null"), ({}, b"{}")],
)
def test_a_response_is_inferred_where_no_status_is_stated(api: Api, answer: Any, body: bytes) -> None:
    api.answer = answer
    status, headers, found = api.call("GET", "/")
    assert (status, found) == (200, body)
    assert dict(headers)["content-type"] == "application/json"


def test_base64_and_defaults_of_a_stated_response(api: Api) -> None:
    api.answer = {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}
    _, headers, body = api.call("GET", "/")
    assert body == b"\x00\xff"
    assert dict(headers)["content-type"] == "text/plain; charset=utf-8"
    api.answer = {"statusCode": 200}
    assert api.call("GET", "/")[2] == b""


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(api: Api, status: int) -> None:
    api.answer = {"statusCode": status, "body": "ignored"}
    found, headers, body = api.call("GET", "/")
    assert (found, body) == (status, b"")
    assert "content-length" not in dict(headers)


def test_head_tells_the_length_and_sends_no_body(api: Api) -> None:
    answer = api.raw(b"HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: 4" in head
    assert body == b""
    assert api.events[0]["requestContext"]["http"]["method"] == "HEAD"


def test_a_connection_serves_many_requests(api: Api) -> None:
    one = b"GET /%d HTTP/1.1\r\nhost: x\r\n%s\r\n"
    answer = api.raw(one % (1, b"") + one % (2, b"") + one % (3, b"connection: close\r\n"))
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert [event["rawPath"] for event in api.events] == ["/1", "/2", "/3"]
