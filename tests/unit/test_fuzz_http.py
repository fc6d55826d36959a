"""The probe server: whatever is sent to its port, it says something sound or nothing, and serves the next one."""

import socket
import urllib.request
from collections.abc import Iterator

import pytest
from fuzzing import effort, flipped
from hypothesis import given
from hypothesis import strategies as st

from predictq_worker.http import HttpServer, Page

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
REQUESTS = [
    GET,
    b"POST /livez HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    b"GET /livez HTTP/9.9\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nX: y\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"\0" * 99,
    b"\r\n" * 99,
]
LONG = [
    b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    b"GET /livez HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
]
sent = st.sampled_from(REQUESTS)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    server = HttpServer("127.0.0.1:0", {"/livez": lambda: Page.verdict([])})
    yield server
    server.close()


@given(sent | flipped(sent) | st.binary(max_size=60))
@effort(100, 3_000)
def test_any_bytes_get_an_answer_or_none_and_the_next_one_is_served(server: HttpServer, data: bytes) -> None:
    say(server, data)


@pytest.mark.parametrize("data", LONG, ids=["line", "many headers", "long header"])
def test_what_is_too_long_is_refused_and_the_next_one_is_served(server: HttpServer, data: bytes) -> None:
    say(server, data)


def say(server: HttpServer, data: bytes) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
        except ConnectionError:  # it closed before it had read all
            answer = b""
    assert answer.startswith((b"HTTP/1.", b"<!DOCTYPE", b"{", b"/metrics, ")) or not answer  # HTTP 0.9 has no head
    with urllib.request.urlopen(f"{server.url}/livez", timeout=15) as page:
        assert page.status == 200


def test_one_who_says_nothing_holds_up_nobody(server: HttpServer) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    silent = [socket.create_connection((host, int(port)), timeout=15) for _ in range(20)]
    try:
        with urllib.request.urlopen(f"{server.url}/livez", timeout=5) as page:
            assert page.status == 200
    finally:
        for connection in silent:
            connection.close()
