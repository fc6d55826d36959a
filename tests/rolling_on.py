"""As `rolling_out`, but the registry and the two workers last for a module: what a test began is over when it ends."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from models import Iris
from rolling_out import meanwhile, traffic
from traffic import Traffic
from workers import WorkerProcess, eventually, workers

from predictq_registry import Registry

__all__ = ["as_before", "broker_url", "folder", "niceness", "registry", "traffic", "two"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rolling-on")


@pytest.fixture(scope="module")
def broker_url(folder: Path) -> str:
    return f"sqlite:///{folder}/predictq.db"


@pytest.fixture(scope="module")
def registry(folder: Path, trained: Iris) -> Registry:
    registry = Registry(str(folder / "models"))
    registry.publish("iris", trained.good, sample=trained.rows, alias="production")
    return registry


@pytest.fixture(scope="module")
def two(broker_url: str, registry: Registry) -> Iterator[list[WorkerProcess]]:
    """Two workers that serve the champion."""
    with workers(2, broker_url, registry.url, models="iris") as started:
        yield started


@pytest.fixture(autouse=True)
def as_before(registry: Registry, two: list[WorkerProcess], traffic: Traffic) -> None:
    """Version 1 answers, alone, from one runner of each worker that is nice to nobody."""
    if registry.resolve("iris", "production") != 1:
        registry.set_alias("iris", "production", 1)
    ours = niceness(os.getpid())  # what workers inherit
    eventually(lambda: [[niceness(pid) for pid in worker.runners()] for worker in two] == [[ours]] * 2, "one runner")
    eventually(lambda: {(answer.version, answer.route) for answer in meanwhile(traffic)} == {(1, "")}, "version 1")
    traffic.answers.clear()


def niceness(pid: int) -> int | None:
    """None if it is gone."""
    try:
        return os.getpriority(os.PRIO_PROCESS, pid)
    except ProcessLookupError:
        return None
