"""Slow and silent clients hold no connection for long, and many hold few."""

import socket
from collections.abc import Iterator

import pytest

from local.gateway import LIMITS, Gateway
from local.http_server import Limits

from .gateway_api import Api, opened

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
