"""A worker in trouble: its broker away when it is to end, an address it cannot have, a registry it cannot read."""

import signal
import subprocess
import sys
from pathlib import Path

from models import Iris
from servers import RedisServer
from slow import Slow
from workers import WorkerProcess, eventually, python_env, workers

from predictq_broker import Broker, Capacity, Delivery, Request, connect
from predictq_registry import Registry

ROW = [5.1, 3.5, 1.4, 0.2]
SLEEPS = repr([[9.0] * 4]).encode()


def all_of(broker: Broker, count: int) -> dict[str, Delivery]:
    """So many requests, taken over from whoever is gone."""
    consumer = broker.consumer("next", lease=0.5)
    found: dict[str, Delivery] = {}

    def complete() -> bool:
        consumer.renew()
        consumer.reclaim()
        found.update((delivery.request.id, delivery) for delivery in consumer.receive({"iris": Capacity(10)}, 0.05))
        return len(found) == count

    eventually(complete, f"{count} requests are there again")
    consumer.close()
    return found


def test_a_worker_that_is_to_end_while_its_broker_is_away_ends_in_order_and_loses_nothing(
    tmp_path: Path, trained: Iris
) -> None:
    registry = Registry(str(tmp_path / "models"))
    registry.publish("iris", Slow(trained.good), sample=trained.rows, alias="production")
    with RedisServer(tmp_path, "always") as server:
        settings = {"models": "iris", "lease": 0.5, "grace": 0.5, "max_batch_rows": 1}
        with workers(1, server.url, registry.url, **settings) as (worker,), connect(server.url) as broker:
            broker.send([Request("iris", SLEEPS, id=name) for name in ("runs", "waits", "waits-too")])
            eventually(lambda: broker.stats("iris").in_flight == 3, "one runs, two wait here")
            server.kill()
            worker.signal(signal.SIGTERM)
            assert worker.stop(timeout=20) == 0
            assert not [event for event in worker.events if "Traceback" in event["event"]]
        server.start()
        with connect(server.url) as broker:
            assert set(all_of(broker, 3)) == {"runs", "waits", "waits-too"}


def test_a_broker_that_is_back_in_time_gets_everything_back_unharmed(tmp_path: Path, trained: Iris) -> None:
    registry = Registry(str(tmp_path / "models"))
    registry.publish("iris", Slow(trained.good), sample=trained.rows, alias="production")
    with RedisServer(tmp_path, "always") as server:
        settings = {"models": "iris", "lease": 30, "grace": 30, "max_batch_rows": 1, "max_deliveries": 1}
        with workers(1, server.url, registry.url, **settings) as (worker,), connect(server.url) as broker:
            broker.send([Request("iris", SLEEPS, id=name) for name in ("runs", "waits")])
            eventually(lambda: broker.stats("iris").in_flight == 2, "one runs, one waits here")
            server.kill()
            worker.signal(signal.SIGTERM)
            eventually(lambda: worker.saw("cannot give back yet"), "it notices")
            server.start()
            worker.signal(signal.SIGTERM)  # in a hurry: the batch that runs is given back as well
            assert worker.stop(timeout=20) == 0
        with connect(server.url) as broker:
            found = all_of(broker, 2)
            assert {name: delivery.attempt for name, delivery in found.items()} == {"runs": 1, "waits": 1}
            assert broker.stats("iris").dead == 0


def test_an_http_address_that_cannot_be_had_is_told_before_any_request_is_taken(
    broker_url: str, registry_url: str
) -> None:
    with connect(broker_url) as broker:
        broker.send([Request("iris", repr([ROW]).encode(), id="a")])
        env = python_env(
            PREDICTQ_BROKER_URL=broker_url,
            PREDICTQ_REGISTRY_URL=registry_url,
            PREDICTQ_MODELS="iris",
            PREDICTQ_HTTP="192.0.2.1:9400",  # an address for documentation: no machine has it
        )
        command = [sys.executable, "-m", "predictq_cli", "worker"]
        ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode != 0
        assert "Traceback" not in ended.stderr
        assert "cannot serve HTTP on 192.0.2.1:9400" in ended.stderr.strip().splitlines()[-1]
        assert broker.stats("iris")[:2] == (1, 0)
        consumer = broker.consumer("next")
        (delivery,) = consumer.receive({"iris": Capacity(1)}, 0)
        assert delivery.attempt == 1
        consumer.close()


def test_a_worker_that_cannot_read_its_registry_says_so_and_is_ready_when_it_can(
    broker_url: str, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.symlink_to("models")  # a link to itself: whatever is done with it fails, for any user
    worker = WorkerProcess(broker_url, str(models))
    try:
        eventually(lambda: "the models cannot be listed" in worker.get("/readyz")[1], "it says what is wrong")
        assert worker.get("/readyz")[0] == 503
        models.unlink()
        models.mkdir()
        worker.wait_ready()
    finally:
        worker.close()
