"""The gateway: events and responses of payload format 2.0, AWS's limits and error shapes, bounded clients."""

import base64
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.gateway import LIMITS, Gateway
from local.http_server import Limits
from local.invocation import Invocation

from .conftest import Function

MEGABYTE = 1024 * 1024


@dataclass
class Api:
    """A door to a function that remembers its events and answers what it is told."""

    port: int = 0
    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    answer: Any = field(default_factory=lambda: {"statusCode": 200, "body": "fine"})

    def invoke(self, payload: bytes) -> Invocation:
        self.events.append(json.loads(payload))
        return self.answer if isinstance(self.answer, Invocation) else ok(self.answer)

    def call(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers or []:
            connection.putheader(name, value)
        if isinstance(body, bytes):
            connection.putheader("content-length", str(len(body)))
        elif body is not None:
            connection.putheader("transfer-encoding", "chunked")
        connection.endheaders(body, encode_chunked=body is not None and not isinstance(body, bytes))
        answer = connection.getresponse()
        found = (answer.status, answer.getheaders(), answer.read())
        connection.close()
        return found

    def event(self, *call: Any, **more: Any) -> dict[str, Any]:
        assert self.call(*call, **more)[0] == 200
        return self.events[-1]

    def raw(self, data: bytes) -> bytes:
        """What comes back on one connection until the server closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def ok(answer: Any) -> Invocation:
    return Invocation("ok", json.dumps(answer).encode())


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(account="123456789012") as running:
        yield running


@pytest.fixture
def api(gateway: Gateway) -> Api:
    return opened(gateway)


def opened(gateway: Gateway) -> Api:
    made = Api()
    made.url = gateway.open("shop", made.invoke)
    made.port = int(made.url.rpartition(":")[2])
    return made


def message(text: str) -> bytes:
    return json.dumps({"message": text}).encode()


# ---- the event


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


@pytest.mark.parametrize("target", ["/%zz", "/%", "/%f", "/%ff", "/?a=%zz", "/?a=%ff"])
def test_escapes_that_cannot_be_decoded_are_refused(api: Api, target: str) -> None:
    status, _, body = api.call("GET", target)
    assert (status, body) == (400, message("Bad Request"))
    assert not api.events


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


# ---- the response


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


# ---- the gateway's own errors


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


# ---- slow and silent clients


SHORT = Limits(LIMITS.head, LIMITS.body, idle=0.1, head_seconds=0.1, body_seconds=0.1, connections=2)


@pytest.fixture
def impatient() -> Iterator[Api]:
    with Gateway(limits=SHORT) as running:
        yield opened(running)


def test_a_silent_connection_is_closed(impatient: Api) -> None:
    assert impatient.raw(b"") == b""
    kept = impatient.raw(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert kept.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("sent", [b"GET / HT", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc"])
def test_a_client_that_stops_half_way_is_told_so(impatient: Api, sent: bytes) -> None:
    assert impatient.raw(sent).startswith(b"HTTP/1.1 408 Request Timeout")
    assert not impatient.events


def test_there_are_only_so_many_connections() -> None:
    with Gateway(limits=Limits(connections=2)) as gateway:
        api = opened(gateway)
        address = ("127.0.0.1", api.port)
        with socket.create_connection(address) as first, socket.create_connection(address) as second:
            for kept in (first, second):
                kept.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                assert kept.recv(1000).startswith(b"HTTP/1.1 200")
            with socket.create_connection(address, timeout=30) as third:
                try:
                    refused = third.recv(1000)
                except ConnectionResetError:
                    refused = b""
            assert refused == b""


# ---- doors


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
