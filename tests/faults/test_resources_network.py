"""A network between the broker and those who use it that cuts off at any byte, brings one at a time, or goes silent."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import pytest
from audit import Audit
from faults.chaos.proxy import Proxy
from models import Iris
from rabbitmq import RabbitServer
from servers import RedisServer
from workers import eventually, workers

from predictq import Client, PredictqError
from predictq_broker import BrokerUnavailable, Capacity, Code, Delivery, Outcome, Request, Result, connect, new_id
from predictq_broker.port import Broker, Consumer, Inbox

T = TypeVar("T")
RESET = struct.pack("ii", 1, 0)
ROW = [5.1, 3.5, 1.4, 0.2]


class Wire:
    """Passes one connection after the other on to a port, and cuts it after so many more bytes in one direction."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.passed = {"there": 0, "back": 0}
        self.left: dict[str, int] = {}
        self.cuts = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                for source, target, way in ((near, far, "there"), (far, near, "back")):
                    threading.Thread(target=self._pass_on, args=(source, target, way), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, way: str) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.passed[way] += len(data)
                left = self.left.get(way, len(data) + 1)
                target.sendall(data[:left])
                if len(data) >= left:
                    self._cut(source, target)
                    return
                if way in self.left:
                    self.left[way] -= len(data)
        target.close()

    def _cut(self, *ends: socket.socket) -> None:
        self.cuts += 1
        self.left.clear()
        time.sleep(0.001)  # what was passed on is to arrive before the reset
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def insist(call: Callable[[], T]) -> T:
    """As those who use a broker do: again, when the connection broke."""
    for _ in range(3):
        with suppress(BrokerUnavailable):
            return call()
    pytest.fail("it never goes through")


def deliver(asker: Broker, consumer: Consumer, inbox: Inbox) -> Delivery:
    """One request, in the consumer's hands."""
    asker.send([Request("iris", b"[[1]]", id=new_id(), reply_to=inbox.name)])
    (delivery,) = insist(lambda: consumer.receive({"iris": Capacity(1)}, 1.0))
    return delivery


def settle(consumer: Consumer, delivery: Delivery) -> None:
    """Answer it, until the broker has taken the answer."""
    result = Result(delivery.request.id, Code.OK, b"[0]", "iris", 1, "sha256:0")
    insist(lambda: consumer.settle([Outcome(delivery, result)]))


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_connection_cut_at_any_byte_of_a_settling_gives_exactly_one_answer(server: RedisServer, way: str) -> None:
    with Wire(server.port) as wire, connect(server.url) as asker:
        inbox = asker.inbox()
        inbox.expect("iris")
        with connect(f"redis://127.0.0.1:{wire.port}/0") as broker:
            consumer = broker.consumer("worker", lease=60.0)
            settle(consumer, deliver(asker, consumer, inbox))
            settled = deliver(asker, consumer, inbox)
            before = wire.passed[way]
            settle(consumer, settled)
            length = wire.passed[way] - before
            assert len(inbox.receive(1.0)) == 2
            for offset in range(1, length + 1):
                delivery = deliver(asker, consumer, inbox)
                wire.left = {way: offset}
                settle(consumer, delivery)
                assert [result.id for result in inbox.receive(1.0)] == [delivery.request.id], f"cut at {offset}"
            assert wire.cuts >= length - 1
            assert list(inbox.receive(0)) == []
            assert asker.stats("iris")[:2] == (0, 0)
            insist(consumer.close)
        inbox.close()


def test_a_peer_that_vanished_without_a_word_is_noticed_by_both_sides_within_seconds(
    server: RedisServer, registry_url: str, trained: Iris
) -> None:
    with Proxy(server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with workers(1, url, registry_url, models="iris", lease=1.0) as (worker,), Client(url) as client:
            assert client.predict("iris", [ROW], timeout=20).outputs == [0]
            with proxy.toxic(timeout=True):
                eventually(lambda: "does not answer" in worker.get("/readyz")[1], "the worker notices", timeout=30)
                with pytest.raises(PredictqError):
                    client.predict("iris", [ROW], timeout=5)
            assert proxy.harmed > 0
            with Audit(server.url, trained) as audit:
                audit.ask(50)
                audit.wait_for_all()
            worker.wait_ready()
            assert client.predict("iris", [ROW], timeout=20).outputs == [0]


SLOW = {"byte by byte": {"slicer": 1}, "20 kB/s": {"slicer": 64, "bandwidth": 20_000}}


@pytest.mark.parametrize("engine", ["redis", "rabbitmq"])
def test_a_network_that_is_slow_in_any_way_makes_nothing_wrong_or_double(
    engine: str, registry_url: str, trained: Iris, request: pytest.FixtureRequest
) -> None:
    server: RedisServer | RabbitServer = request.getfixturevalue("server" if engine == "redis" else "rabbit")
    with Proxy(server.port) as proxy:
        url = server.url.replace(f":{server.port}/", f":{proxy.port}/")
        with workers(1, url, registry_url, models="iris") as (worker,):
            for how, toxic in SLOW.items():
                before = proxy.harmed
                with proxy.toxic(**toxic), Audit(url, trained) as audit:
                    audit.ask(20)
                    audit.ask(20)
                    audit.wait_for_all()
                    assert (len(audit.results), audit.wrong) == (40, []), how
                    assert set(audit.results.values()) == {1}, how
                    assert worker.get("/readyz")[0] == 200, how
                assert proxy.harmed - before > 100, how


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    with RabbitServer(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server
