"""kill -9 and worse while requests flow: nothing is lost, doubled or wrong."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from audit import Audit
from freezing import freeze
from models import Iris
from servers import RedisServer
from slow import SlowToLoad
from workers import WorkerProcess, eventually, workers

from predictq import Client
from predictq_registry import Registry

everywhere = pytest.mark.parametrize("broker_url", ["sqlite", "redis", "rabbitmq"], indirect=True)


@pytest.fixture
def pair(broker_url: str, registry_url: str) -> Iterator[list[WorkerProcess]]:
    with workers(2, broker_url, registry_url, models="iris", lease=1.0) as both:  # both loaded, whoever is asked
        yield both


def exactly_once(audit: Audit) -> None:
    audit.wait_for_all()
    assert (audit.doubled, audit.wrong, dict(audit.codes)) == ([], [], {"ok": audit.accepted})


def ask_in_background(audit: Audit, rounds: int, of: int = 100) -> threading.Thread:
    def ask() -> None:
        for _ in range(rounds):
            audit.ask(of)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


@everywhere
def test_a_killed_worker_loses_doubles_and_spoils_nothing(
    broker_url: str, pair: list[WorkerProcess], trained: Iris
) -> None:
    with Audit(broker_url, trained) as audit:
        asking = ask_in_background(audit, 60)
        eventually(lambda: audit.answered > 1000, "load")
        pair[0].kill()
        asking.join()
        exactly_once(audit)


def test_a_killed_runner_loses_doubles_and_spoils_nothing(
    broker_url: str, pair: list[WorkerProcess], trained: Iris
) -> None:
    with Audit(broker_url, trained) as audit:
        asking = ask_in_background(audit, 60)
        for killed in range(1, 4):
            eventually(lambda k=killed: audit.answered > 1000 * k, "load")  # type: ignore[misc]  # bound now, not later
            (victim,) = eventually(pair[0].runners, "a runner stands")
            os.kill(victim, signal.SIGKILL)
            eventually(lambda v=victim: v not in pair[0].runners(), "it is gone")  # type: ignore[misc]  # as above
        asking.join()
        exactly_once(audit)
        assert pair[0].get("/readyz")[0] == 200


def test_a_nursery_and_a_runner_killed_while_a_release_loads_cost_nobody_an_answer(
    tmp_path: Path, trained: Iris
) -> None:
    url, models = f"sqlite:///{tmp_path}/predictq.db", str(tmp_path / "models")
    Registry(models).publish("iris", SlowToLoad(trained.good), sample=trained.rows, alias="production")
    with workers(1, url, models) as (worker,), Client(url) as client, ThreadPoolExecutor(1) as thread:
        asked = thread.submit(client.predict, "iris", trained.rows, timeout=60)
        (loading,) = eventually(worker.runners, "a runner is loading")
        os.kill(worker.nurseries()[0], signal.SIGKILL)
        os.kill(loading, signal.SIGKILL)
        assert list(asked.result().outputs) == list(trained.good_answers)


@everywhere
def test_a_worker_that_slept_past_its_lease_settles_nothing(broker_url: str, registry_url: str, trained: Iris) -> None:
    with workers(2, broker_url, registry_url, lease=0.5) as (sleeper, _), Audit(broker_url, trained) as audit:
        asking = ask_in_background(audit, 60)
        eventually(lambda: audit.answered > 1000, "load")
        freeze(sleeper.pid)
        asking.join()
        audit.wait_for_all()
        sleeper.signal(signal.SIGCONT)
        audit.ask(500)
        exactly_once(audit)


@everywhere
def test_everybody_killed_and_begun_anew_answers_all(broker_url: str, registry_url: str, trained: Iris) -> None:
    with Audit(broker_url, trained) as audit:
        with workers(2, broker_url, registry_url, lease=0.5) as both:
            asking = ask_in_background(audit, 60)
            eventually(lambda: audit.answered > 500, "load")
            for worker in both:
                worker.kill()
            asking.join()
        with workers(1, broker_url, registry_url, lease=0.5):
            exactly_once(audit)


def test_an_input_that_kills_runners_is_set_aside_alone(broker_url: str, registry_url: str, trained: Iris) -> None:
    from deadly import Deadly

    Registry(registry_url).publish("iris", Deadly(trained.good), sample=trained.rows, alias="production")
    with workers(1, broker_url, registry_url) as (worker,), Audit(broker_url, trained) as audit:
        poison = audit.ask_poison()
        audit.ask(300)
        audit.wait_for_all()
        assert audit.codes["dead_lettered"] == 1
        assert audit.results[poison] == 1
        assert worker.metric('predictq_runner_restarts_total{model="iris"}') == 3
        assert worker.metric('predictq_dead_letters{model="iris"}') == 1


def test_a_redis_that_was_killed_and_came_back_lost_nothing(tmp_path: Path, registry_url: str, trained: Iris) -> None:
    server = RedisServer(tmp_path, appendfsync="always")
    server.start()
    try:
        with workers(2, server.url, registry_url, lease=2.0), Audit(server.url, trained) as audit:
            asking = ask_in_background(audit, 60)
            eventually(lambda: audit.answered > 1000, "load")
            server.kill()
            server.start()
            asking.join()
            audit.wait_for_all()
            assert (audit.wrong, set(audit.codes)) == ([], {"ok"})
            assert audit.doubled == []
    finally:
        server.stop()


def test_workers_heal_a_broker_that_forgot_everything(
    redis_server: RedisServer, registry_url: str, trained: Iris
) -> None:
    redis_server.flush()
    with workers(1, redis_server.url, registry_url, lease=1.0) as (worker,):
        with Audit(redis_server.url, trained) as audit:
            audit.ask(100)
            exactly_once(audit)
        redis_server.flush()
        with Audit(redis_server.url, trained) as audit:
            audit.ask(100)
            exactly_once(audit)
        assert worker.get("/readyz")[0] == 200
