"""The gateway's own errors: AWS's limits, and the shape that AWS gives them."""

import threading
from typing import Any

import pytest

from local.gateway import Gateway
from local.invocation import Invocation

from .gateway_api import MEGABYTE, Api, message, ok


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "two hundred"},
        {"statusCode": 99},
        {"statusCode": True},
        {"statusCode": 200, "headers": ["x"]},
        {"statusCode": 200, "headers": {"x": "a\r\nset-cookie: b"}},
        {"statusCode": 200, "headers": {"bad name": "x"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "body": "%%%", "isBase64Encoded": True},
        Invocation("ok", b"not json"),
        Invocation("error", b'{"errorMessage":"secret","stackTrace":["line"]}', {"errorMessage": "secret"}),
        Invocation("timeout", b'{"errorMessage":"timed out"}', {}),
    ],
)
def test_an_answer_that_is_none_is_an_internal_server_error(api: Api, answer: Any) -> None:
    api.answer = answer
    status, headers, body = api.call("GET", "/")
    assert (status, body) == (500, message("Internal Server Error"))
    assert dict(headers)["content-type"] == "application/json"
    assert dict(headers)["apigw-requestid"]


def test_a_function_that_cannot_be_called_is_an_internal_server_error(gateway: Gateway) -> None:
    def invoke(_: bytes) -> Invocation:
        raise LookupError("no function is called x; a detail for the log alone")

    port = int(gateway.open("broken", invoke).rpartition(":")[2])
    assert Api(port).call("GET", "/")[::2] == (500, message("Internal Server Error"))


@pytest.mark.parametrize(
    ("ended", "status", "text"),
    [("throttled", 503, "Service Unavailable"), ("too-large", 413, "Request Entity Too Large")],
)
def test_what_lambda_refuses(api: Api, ended: Any, status: int, text: str) -> None:
    api.answer = Invocation(ended)
    assert api.call("GET", "/")[::2] == (status, message(text))


def test_a_function_that_takes_too_long() -> None:
    done = threading.Event()

    def invoke(_: bytes) -> Invocation:
        done.wait(30)
        return ok({"statusCode": 200})

    with Gateway(integration_seconds=0.05) as gateway:
        port = int(gateway.open("slow", invoke).rpartition(":")[2])
        assert Api(port).call("GET", "/")[::2] == (503, message("Service Unavailable"))
        done.set()


def test_a_body_of_ten_megabytes_is_taken_and_more_is_not(api: Api) -> None:
    assert (
        len(api.event("POST", "/", b"x" * (10 * MEGABYTE), [("content-type", "text/plain")])["body"]) == 10 * MEGABYTE
    )
    too_large = (413, message("Request Entity Too Large"))
    assert api.call("POST", "/", b"x" * (10 * MEGABYTE + 1))[::2] == too_large
    assert api.call("POST", "/", iter([b"x" * MEGABYTE] * 11))[::2] == too_large
    assert len(api.events) == 1


def test_a_head_of_10240_bytes_is_taken_and_more_is_not(api: Api) -> None:
    def call(size: int) -> tuple[int, bytes]:
        start = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: "
        answer = api.raw(start + b"y" * (size - len(start) - 4) + b"\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    assert call(10_240)[0] == 200
    assert call(10_241) == (431, message("Request Header Fields Too Large"))
    assert call(100_000)[0] == 431
    assert len(api.events) == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(api: Api, request_bytes: bytes) -> None:
    head, _, body = api.raw(request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    assert body == message("Bad Request")
    assert not api.events


def test_a_transfer_encoding_that_nobody_decodes_is_not_implemented(api: Api) -> None:
    head, _, body = api.raw(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 501 Not Implemented")
    assert body == message("Not Implemented")
