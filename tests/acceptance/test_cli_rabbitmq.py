"""What the command tells of a broker that cannot list its queues."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rabbitmq import RabbitServer
from servers import free_port
from workers import python_env

from predictq_broker import Request, connect

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def url(rabbitmq_server: RabbitServer) -> Iterator[str]:
    """Where a request for `iris` and one for `unpublished` wait."""
    url = rabbitmq_server.fresh()
    with connect(url) as broker:
        for model in ("iris", "unpublished"):
            broker.send([Request(model, b"[[1]]", id=model)])
    yield url
    rabbitmq_server.drop(url)


@pytest.fixture
def run(registry_url: str, tmp_path: Path) -> Run:
    def run(*arguments: str, broker: str) -> "subprocess.CompletedProcess[str]":
        env = python_env(PREDICTQ_BROKER_URL=broker, PREDICTQ_REGISTRY_URL=registry_url)
        command = [sys.executable, "-m", "predictq_cli", *arguments]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)

    return run


def test_queues_are_those_of_the_registrys_models_and_it_says_so(url: str, run: Run) -> None:
    told = run("queues", "--json", broker=url)
    assert [(queue["model"], queue["queued"]) for queue in json.loads(told.stdout)] == [("iris", 1)]
    assert "cannot list its queues" in told.stderr


def test_queues_of_models_that_are_named_are_told(url: str, run: Run) -> None:
    told = run("queues", "unpublished", "--json", broker=url)
    assert [(queue["model"], queue["queued"]) for queue in json.loads(told.stdout)] == [("unpublished", 1)]
    assert told.stderr == ""


def test_the_doctor_finds_requests_that_nobody_reads(url: str, run: Run) -> None:
    told = run("doctor", broker=url)
    assert told.returncode == 1
    assert "1 requests to iris wait, and no worker reads them" in " ".join(told.stdout.split())


def test_the_doctor_does_not_say_that_a_server_answers_that_is_not_there(run: Run) -> None:
    told = run("doctor", broker=f"amqp://127.0.0.1:{free_port()}/")
    assert told.returncode == 1
    assert "cannot be reached" in told.stdout
    assert "/ answers" not in told.stdout
