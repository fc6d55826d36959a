"""How a consumer on RabbitMQ comes by many models' queues: what is ready is read, the rest is waited for aside."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from predictq_broker.errors import BrokerUnavailable
from predictq_broker.kombu.intake import Intake
from predictq_broker.kombu.link import Count, Fate, Letter, Link, Message
from predictq_broker.kombu.queues import Queue, Queues
from predictq_broker.kombu.scout import Scout
from predictq_broker.port import Capacity, Limits

MODELS = [f"model-{number:03}" for number in range(100)]
WANTS = dict.fromkeys(MODELS, Capacity(10))


class Server:
    """Queues by name, each with what waits in it; nothing is declared before the gate is opened."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[str]] = {}
        self.reading: set[str] = set()
        self.questions: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self.most = self.declaring = 0
        self.lock = threading.Lock()


class FakeLink:
    """A `Link` to that server: what waits comes when it is gathered."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._rooms: dict[str, int] = {}
        self._bell = threading.Event()
        self._tag = 0

    def declare(self, queue: Queue) -> None:
        with self._server.lock:
            self._server.declaring += 1
            self._server.most = max(self._server.most, self._server.declaring)
        assert self._server.gate.wait(60)
        with self._server.lock:
            self._server.declaring -= 1
            self._server.waiting.setdefault(queue.name, [])

    def count(self, name: str) -> Count | None:
        self._server.questions[name] += 1
        waiting = self._server.waiting.get(name)
        return None if waiting is None else Count(len(waiting), name in self._server.reading)

    def delete(self, name: str) -> None:
        self._server.waiting.pop(name)

    def publish(self, letters: Sequence[Letter]) -> list[Fate]:
        return [Fate.STORED for _ in letters]

    def open(self, name: str, window: int) -> None:
        self._rooms[name] = window
        self._server.reading.add(name)

    def shut(self, name: str) -> None:
        self._rooms.pop(name, None)
        self._server.reading.discard(name)

    def room(self, name: str) -> int | None:
        return self._rooms.get(name)

    def gather(self, wait: float) -> list[Message]:
        if not (found := list(self._come())) and wait > 0:
            self._bell.wait(wait)
            self._bell.clear()
            found = list(self._come())
        return found

    def _come(self) -> Iterator[Message]:
        for name, room in list(self._rooms.items()):
            waiting = self._server.waiting.get(name, [])
            for _ in range(min(room, len(waiting))):
                self._tag += 1
                self._rooms[name] -= 1
                yield Message(name, self._tag, {"id": waiting.pop(0), "reply_to": "r"}, {}, b"[[1.0]]")

    def check(self) -> None: ...

    def flush(self) -> None: ...

    def ack(self, tags: Sequence[int]) -> None: ...

    def beat(self) -> None: ...

    def wake(self) -> None:
        self._bell.set()

    def close(self) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.gate.set()


def intake(server: Server) -> Intake:
    queues = Queues(Limits())
    return Intake(FakeLink(server), queues, Scout(lambda: FakeLink(server), queues))


def normal(model: str) -> str:
    return f"predictq.requests.{model}.normal"


def test_of_many_models_one_is_served_though_no_queue_of_the_others_can_be_made_yet(server: Server) -> None:
    server.gate.clear()
    server.waiting[normal(MODELS[-1])] = ["a"]
    assert [arrival.request.id for arrival in intake(server).receive(WANTS, 30)] == ["a"]


def test_no_more_than_four_queues_are_made_at_once(server: Server) -> None:
    server.gate.clear()
    server.waiting[normal(MODELS[-1])] = ["a"]
    reader = intake(server)
    reader.receive(WANTS, 30)
    server.gate.set()
    all_open(reader, server)
    assert server.most <= 4


def test_who_reads_few_models_gets_what_is_urgent_first_though_its_queue_is_opened_last(server: Server) -> None:
    server.waiting |= {f"predictq.requests.iris.{lane}": [lane] for lane in ("low", "normal", "high", "returned")}
    found = intake(server).receive({"iris": Capacity(10)}, 30)
    assert [arrival.request.id for arrival in found] == ["high", "returned", "normal", "low"]


def test_a_read_that_brings_requests_of_one_model_asks_the_server_about_no_other(server: Server) -> None:
    reader = intake(server)
    all_open(reader, server)
    server.questions.clear()
    for _ in range(5):  # more than may be under way at once, so that its queue is opened again
        server.waiting[normal(MODELS[7])] = [str(number) for number in range(10)]
        assert len(reader.receive(WANTS, 30)) == 10
    assert {name.split(".")[2] for name in server.questions} <= {MODELS[7]}


def test_where_no_link_can_be_opened_not_every_queue_of_many_models_is_said_to_be_in_trouble(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[int] = []

    def connect() -> Link:
        tried.append(1)
        raise BrokerUnavailable("too many connections")

    queues = Queues(Limits())
    assert Intake(FakeLink(server), queues, Scout(connect, queues)).receive(WANTS, 0) == []
    assert 1 <= len(tried) <= 4 * 4  # four at once, and once more after each second
    assert len(caplog.records) <= 4 * len(tried)


def all_open(reader: Intake, server: Server) -> None:
    while len(server.reading) < 4 * len(MODELS):
        assert reader.receive(WANTS, 0.01) == []
