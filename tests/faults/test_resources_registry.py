"""A registry that hangs, is gone, or may not be written to: what serves goes on, and who asks for more is told."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from models import Iris
from mounts import mounted, need_mounts
from workers import WorkerProcess, eventually, workers

from predictq import Client, ModelUnavailable
from predictq_broker import Capacity, Request, connect
from predictq_registry import Registry, StoreError

ROW = [5.1, 3.5, 1.4, 0.2]
HANGING = "faults.hanging_store"
one_broker = pytest.mark.parametrize("broker_url", ["sqlite"], indirect=True)
"""What a worker does about its registry has nothing to do with the broker, but where requests are given back."""


@pytest.fixture
def worker(broker_url: str, registry_url: str) -> Iterator[WorkerProcess]:
    with workers(1, broker_url, registry_url, module=HANGING, lease=1.0) as (worker,), Client(broker_url) as client:
        client.predict("iris", [ROW], timeout=30)
        yield worker


def hanging_model(registry_url: str, model: str) -> Path:
    """A model whose alias table cannot be read to its end; returns the pipe that decides for how long."""
    releases, aliases = Path(registry_url, model, "releases", "1"), Path(registry_url, model, "aliases")
    releases.mkdir(parents=True)
    aliases.mkdir()
    (releases / "manifest.json").touch()
    (aliases / "000000001.json").touch()
    pipe = Path(registry_url, model, "hangs")
    os.mkfifo(pipe)
    return pipe


def answer_the_waiting(pipe: Path) -> None:
    """Whoever hangs goes on, and reads an empty table."""
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


@one_broker
def test_a_registry_that_hangs_for_one_model_holds_up_no_other(
    broker_url: str, registry_url: str, worker: WorkerProcess
) -> None:
    hanging_model(registry_url, "cold")
    with Client(broker_url) as client:
        stuck = client.submit("cold", [ROW])
        for _ in range(20):
            assert client.predict("iris", [ROW], timeout=5).outputs == [0]
        with pytest.raises(ModelUnavailable, match="the registry does not answer") as told:
            stuck.result(timeout=30)
        assert told.value.retry_after > 0
        assert client.predict("iris", [ROW], timeout=5).outputs == [0]
    assert worker.get("/livez")[0] == 200


def test_what_waits_for_a_registry_that_hangs_is_given_back_unharmed_when_the_worker_ends(
    broker_url: str, registry_url: str, worker: WorkerProcess
) -> None:
    hanging_model(registry_url, "cold")
    with connect(broker_url) as broker:
        broker.send([Request("cold", b"[[1]]", id="waits")])
        eventually(lambda: broker.stats("cold").in_flight == 1, "the worker holds it")
        assert worker.stop(timeout=20) == 0
        consumer = broker.consumer("next")
        (delivery,) = consumer.receive({"cold": Capacity(1)}, 1.0)
        assert (delivery.request.id, delivery.attempt) == ("waits", 1)
        consumer.close()


@one_broker
def test_a_worker_starts_beside_a_registry_that_hangs_and_says_what_it_waits_for(
    broker_url: str, registry_url: str
) -> None:
    pipe = hanging_model(registry_url, "iris2")
    worker = WorkerProcess(broker_url, registry_url, models="iris2", module=HANGING)
    try:
        assert worker.url
        status, page = worker.get("/readyz")
        assert (status, "iris2@production is not loaded" in page) == (503, True)
        assert worker.get("/livez")[0] == 200
        answer_the_waiting(pipe)
        assert worker.stop(timeout=20) == 0
    finally:
        worker.close()


@contextmanager
def gone(path: Path) -> Iterator[None]:
    """It is not there for a while; what is asked for fails, as when a file server is away."""
    aside = path.rename(path.with_name("aside"))
    path.symlink_to(path.name)  # a link to itself
    try:
        yield
    finally:
        path.unlink()
        aside.rename(path)


@one_broker
def test_a_registry_that_is_gone_stops_nothing_that_serves_and_is_followed_again_when_it_is_back(
    broker_url: str, registry_url: str, worker: WorkerProcess, trained: Iris
) -> None:
    with Client(broker_url) as client:
        with gone(Path(registry_url)):
            eventually(lambda: "the models cannot be listed" in worker.get("/readyz")[1], "it says what is wrong")
            (runner,) = worker.runners()
            os.kill(runner, 9)  # even a runner that dies meanwhile: the release is in memory
            assert client.predict("iris", [ROW], timeout=20).outputs == [0]
            with pytest.raises(ModelUnavailable, match="iris@other cannot be served"):
                client.predict("iris", [ROW], ref="other", timeout=20)
        worker.wait_ready()
        Registry(registry_url).publish("iris", trained.other, sample=trained.rows, alias="production")
        eventually(lambda: client.predict("iris", [ROW], timeout=20).version == 2, "it follows the alias again")


@one_broker
def test_a_registry_that_may_not_be_written_to_refuses_releases_and_goes_on_serving_them(
    broker_url: str, tmp_path: Path, trained: Iris
) -> None:
    need_mounts()
    registry = Registry(str(tmp_path / "models"))
    registry.publish("iris", trained.good, sample=trained.rows, alias="production")
    with mounted(tmp_path / "read-only", "--bind", "-o", "ro", tmp_path / "models") as read_only:
        only_read = Registry(str(read_only))
        with pytest.raises(StoreError, match="Read-only file system"):
            only_read.publish("iris", trained.other, sample=trained.rows, alias="production")
        with pytest.raises(StoreError, match="Read-only file system"):
            only_read.set_alias("iris", "other", 1)
        with workers(1, broker_url, str(read_only), models="iris"), Client(broker_url) as client:
            assert client.predict("iris", [ROW], timeout=20).outputs == [0]
    assert registry.versions("iris") == [1]
