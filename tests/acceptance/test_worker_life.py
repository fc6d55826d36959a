"""A worker's memory, its releases and its end."""

import signal
import time
from pathlib import Path

import pytest
from models import Iris
from servers import RedisServer
from slow import Slow
from workers import WorkerProcess, eventually, workers

from predictq import Client
from predictq_broker import Capacity, Request, connect
from predictq_registry import Registry

ROW = [5.1, 3.5, 1.4, 0.2]
one_broker = pytest.mark.parametrize("broker_url", ["sqlite"], indirect=True)
"""What a worker holds in memory, no broker knows."""


@one_broker
def test_what_was_used_least_recently_gives_its_memory_back(broker_url: str, tmp_path: Path, trained: Iris) -> None:
    registry = Registry(str(tmp_path / "models"))
    for model in ("first", "second"):
        registry.publish(model, trained.good, sample=trained.rows, alias="production")
    with workers(1, broker_url, registry.url, memory_budget=1) as (worker,), Client(broker_url) as client:
        client.predict("first", [ROW], timeout=30)
        (runner_of_first,) = worker.runners()
        client.predict("second", [ROW], timeout=30)
        eventually(lambda: runner_of_first not in worker.runners(), "the first one's runner is gone")
        assert worker.metric('predictq_evictions_total{model="first"}') == 1
        assert worker.metric("predictq_resident_models ") == 1
        assert client.predict("first", [ROW], timeout=30).outputs == [0]


@one_broker
def test_an_alias_that_moves_quickly_ends_where_it_points(broker_url: str, registry_url: str, trained: Iris) -> None:
    registry = Registry(registry_url)
    with workers(1, broker_url, registry_url) as (worker,), Client(broker_url) as client:
        client.predict("iris", [ROW], timeout=30)
        for release in (trained.other, trained.good, trained.other):
            registry.publish("iris", release, sample=trained.rows, alias="production")
        eventually(lambda: client.predict("iris", [ROW], timeout=30).version == 4, "version 4 answers")
        registry.set_alias("iris", "production", 1)
        eventually(lambda: client.predict("iris", [ROW], timeout=30).version == 1, "version 1 answers again")
        eventually(lambda: len(worker.runners()) == 1, "only one release stays in memory")


@one_broker
def test_a_worker_is_ready_only_when_what_it_was_told_to_serve_is_loaded(
    broker_url: str, tmp_path: Path, trained: Iris
) -> None:
    registry = Registry(str(tmp_path / "models"))
    worker = WorkerProcess(broker_url, registry.url, models="iris")
    try:
        eventually(lambda: worker.get("/livez")[0] == 200, "it lives")
        status, page = worker.get("/readyz")
        assert (status, "iris@production is not loaded" in page) == (503, True)
        registry.publish("iris", trained.good, sample=trained.rows, alias="production")
        worker.wait_ready()
    finally:
        worker.close()


def test_a_second_signal_gives_everything_back_and_leaves_at_once(
    broker_url: str, tmp_path: Path, trained: Iris
) -> None:
    registry = Registry(str(tmp_path / "models"))
    registry.publish("iris", Slow(trained.good), sample=trained.rows, alias="production")
    with connect(broker_url) as broker:
        with workers(1, broker_url, registry.url, models="iris", grace=60) as (worker,):
            broker.send([Request("iris", repr([[9.0] * 4]).encode(), id="slow")])
            eventually(lambda: broker.stats("iris").in_flight == 1, "it runs")
            worker.signal(signal.SIGTERM)
            eventually(lambda: worker.saw("worker stops"), "the first signal is heard")
            started = time.monotonic()
            assert worker.stop(timeout=20) == 0
            assert time.monotonic() - started < 15  # the model would have slept for a minute
        consumer = broker.consumer("next")
        (delivery,) = eventually(lambda: consumer.receive({"iris": Capacity(10)}, 1), "the request is there again")
        assert (delivery.request.id, delivery.attempt) == ("slow", 1)
        consumer.close()


def test_a_worker_started_before_its_broker_begins_when_that_comes(tmp_path: Path, registry_url: str) -> None:
    server = RedisServer(tmp_path)
    worker = WorkerProcess(server.url, registry_url, models="iris")
    try:
        eventually(lambda: "the broker does not answer" in worker.get("/readyz")[1], "it says what it waits for")
        with server:
            worker.wait_ready()
            with Client(server.url) as client:
                assert client.predict("iris", [ROW], timeout=30).outputs == [0]
            assert worker.stop() == 0
    finally:
        worker.close()
