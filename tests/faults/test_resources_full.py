"""A Redis without memory, and one that stands still: requests are refused with a reason, and workers drain it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from audit import Audit
from models import Iris
from servers import RedisServer
from workers import WorkerProcess, eventually, workers

from predictq import Client, QueueFull
from predictq_broker import BrokerUnavailable, Limits, Request, connect, new_id
from predictq_broker.port import Broker

ROW = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def worker(server: RedisServer, registry_url: str) -> Iterator[WorkerProcess]:
    with workers(1, server.url, registry_url, models="iris", lease=1.0) as (worker,):
        yield worker


@contextmanager
def without_memory(server: RedisServer) -> Iterator["redis.Redis"]:
    """The server may use no more than half of what it uses now, for a while."""
    with redis.Redis(port=server.port) as admin:
        said: Any = admin.info("memory")
        admin.config_set("maxmemory", said["used_memory"] // 2)
        try:
            yield admin
        finally:
            admin.config_set("maxmemory", 0)


def all_is_well(audit: Audit, worker: WorkerProcess, server: RedisServer) -> None:
    """What was accepted is answered, once; the worker is ready; nothing is left but what has an owner."""
    audit.wait_for_all()
    worker.wait_ready()
    assert (audit.doubled, audit.wrong, set(audit.codes)) == ([], [], {"ok"})
    with connect(server.url) as broker:
        eventually(lambda: broker.stats("iris")[:2] == (0, 0), "nothing waits and nothing is in flight")


def test_workers_drain_a_server_that_has_no_memory_left_and_clients_are_told(
    server: RedisServer, worker: WorkerProcess, trained: Iris
) -> None:
    with Audit(server.url, trained) as audit:
        worker.signal(signal.SIGSTOP)
        audit.ask(2000)
        with without_memory(server) as admin, Client(server.url) as client:
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                admin.set("anything", "x")
            with pytest.raises(QueueFull, match="no room"):
                client.submit("iris", [ROW])
            worker.signal(signal.SIGCONT)
            audit.wait_for_all()
        all_is_well(audit, worker, server)
        with Client(server.url) as client:
            assert client.predict("iris", [ROW], timeout=20).outputs == [0]


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    """The server stands still: it takes connections, as the kernel does that, and answers nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_server_that_stands_still_is_noticed_by_both_sides_and_loses_nothing(
    server: RedisServer, worker: WorkerProcess, trained: Iris
) -> None:
    with Audit(server.url, trained) as audit, connect(server.url) as broker:
        audit.ask(100)
        audit.wait_for_all()
        with frozen(server):
            with pytest.raises(BrokerUnavailable):
                broker.send([Request("iris", b"[[1]]", id=new_id())])  # bounded, or this test hangs
            eventually(lambda: "does not answer" in worker.get("/readyz")[1], "the worker has noticed")
            assert worker.get("/livez")[0] == 200
        audit.ask(100)
        all_is_well(audit, worker, server)


# ── overload ──


def flood(broker: Broker, reply_to: str, count: int) -> tuple[list[str], list[str]]:
    """So many requests at once: the ids accepted, and those refused."""
    row = repr([ROW]).encode()
    requests = [Request("iris", row, id=new_id(), reply_to=reply_to) for _ in range(count)]
    verdicts = broker.send(requests)
    accepted = [request.id for request, verdict in zip(requests, verdicts, strict=True) if verdict == "accepted"]
    return accepted, [name for name in verdicts if name == "queue_full"]


def test_more_than_the_queue_holds_is_refused_at_once_and_what_it_took_is_answered(
    broker_url: str, registry_url: str
) -> None:
    with connect(broker_url, Limits(queue_requests=500)) as broker:
        inbox = broker.inbox()
        inbox.expect("iris")
        accepted, refused = flood(broker, inbox.name, 5000)
        assert (len(accepted), len(refused)) == (500, 4500)
        with workers(1, broker_url, registry_url, models="iris"):
            answered: set[str] = set()

            def all_answered() -> bool:
                answered.update(result.id for result in inbox.receive(0.1))
                return len(answered) == 500

            eventually(all_answered, "what was accepted is answered")
            assert answered == set(accepted)
            assert len(flood(broker, inbox.name, 100)[0]) == 100
        inbox.close()


def test_a_backlog_past_its_deadline_is_answered_without_running_the_model(broker_url: str, registry_url: str) -> None:
    with connect(broker_url) as broker:
        inbox = broker.inbox()
        inbox.expect("iris")
        requests = [Request("iris", b"[[1]]", id=new_id(), reply_to=inbox.name, ttl=0.001) for _ in range(5000)]
        broker.send(requests)
        with workers(1, broker_url, registry_url, models="iris") as (worker,):
            codes: list[str] = []

            def all_answered() -> bool:
                codes.extend(result.status for result in inbox.receive(0.1))
                return len(codes) == 5000

            eventually(all_answered, "all are answered")
            assert set(codes) == {"deadline_exceeded"}
            assert worker.metric("predictq_predict_seconds_count") == 0
        inbox.close()


def test_a_requester_that_never_reads_is_refused_and_nobody_else_is(broker_url: str, registry_url: str) -> None:
    with (
        connect(broker_url, Limits(unread_results=100)) as broker,
        workers(1, broker_url, registry_url, models="iris") as (worker,),
    ):
        deaf, listening = broker.inbox(), broker.inbox()
        for inbox in (deaf, listening):
            inbox.expect("iris")
        assert len(flood(broker, deaf.name, 100)[0]) == 100
        ok = 'predictq_requests_total{model="iris",outcome="ok"'
        eventually(lambda: worker.metric(ok) == 100, "all are answered")
        row = repr([ROW]).encode()
        refused = broker.send([Request("iris", row, id=new_id(), reply_to=deaf.name)])
        assert list(refused) == ["results_full"]
        assert len(flood(broker, listening.name, 50)[0]) == 50
        answered: list[object] = []

        def all_answered() -> bool:
            answered.extend(listening.receive(0.1))
            return len(answered) == 50

        eventually(all_answered, "the one who reads is answered")
        deaf.close()
        listening.close()
