"""The proxy does to a connection what each toxic is named for, and counts it: the proof of every network fault."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from faults.chaos.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            return


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(echo) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        yield connection


def asked(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return read(client, len(data))


def read(client: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (more := client.recv(size - len(got))):
        got += more
    return got


def test_without_toxics_all_comes_through(client: socket.socket, proxy: Proxy) -> None:
    data = bytes(range(256)) * 4096
    threading.Thread(target=client.sendall, args=(data,)).start()
    assert read(client, len(data)) == data
    assert proxy.harmed == 0


def test_latency_delays_each_way(client: socket.socket, proxy: Proxy) -> None:
    with proxy.toxic(latency=0.1):
        began = time.monotonic()
        assert asked(client, b"a") == b"a"
        assert time.monotonic() - began >= 0.2
    assert proxy.harmed == 2


def test_a_silent_network_lets_through_in_the_end_what_it_held(client: socket.socket, proxy: Proxy) -> None:
    client.settimeout(0.2)
    with proxy.toxic(timeout=True):
        client.sendall(b"abc")
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert proxy.harmed == 1
    client.settimeout(10)
    assert read(client, 3) == b"abc"


def test_a_limit_cuts_the_connection_within_an_answer(client: socket.socket, proxy: Proxy) -> None:
    with proxy.toxic(limit_data=5):
        assert asked(client, b"abcdefgh") == b"abcde"
    assert proxy.harmed == 1


def test_a_slicer_brings_every_byte_and_its_order(client: socket.socket, proxy: Proxy) -> None:
    with proxy.toxic(slicer=3):
        assert asked(client, b"abcdefgh") == b"abcdefgh"


def test_a_reset_reaches_the_client_as_one(client: socket.socket, proxy: Proxy) -> None:
    assert asked(client, b"a") == b"a"
    assert proxy.reset_peer() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_refused_connection_is_reset_and_the_next_one_is_not(proxy: Proxy) -> None:
    with proxy.toxic(refused=True), pytest.raises(ConnectionResetError):
        _connect_and_read(proxy.port)
    assert proxy.harmed == 1
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as welcome:
        assert asked(welcome, b"a") == b"a"


def _connect_and_read(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.recv(1)
