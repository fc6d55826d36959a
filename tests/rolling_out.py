"""What tests of rollouts stand on: a registry with a champion, two workers, and somebody who asks all the time."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from models import Iris
from traffic import Answer, Traffic
from workers import WorkerProcess, eventually, workers

from predictq_registry import Registry, Rollout

__all__ = ["begin", "broker_url", "meanwhile", "reasons", "registry", "traffic", "two"]


@pytest.fixture
def registry(registry_url: str, trained: Iris) -> Registry:
    """With a second release beside the one in production, which answers otherwise."""
    registry = Registry(registry_url)
    registry.publish("iris", trained.other, sample=trained.rows)
    return registry


@pytest.fixture
def broker_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/predictq.db"


@pytest.fixture
def two(broker_url: str, registry: Registry) -> Iterator[list[WorkerProcess]]:
    """Two workers that serve the champion."""
    with workers(2, broker_url, registry.url, models="iris") as started:
        yield started


@pytest.fixture
def traffic(broker_url: str, two: list[WorkerProcess], trained: Iris) -> Iterator[Traffic]:
    """Four threads that ask the workers."""
    assert two
    with Traffic(broker_url, trained.rows.tolist()) as traffic:
        eventually(lambda: len(traffic.answers) > 50, "answers come")
        yield traffic


def begin(registry: Registry, strategy: str, version: int = 2, **plan: Any) -> Rollout:
    """Roll that version out to production."""
    wanted = Rollout.model_validate({"strategy": strategy, "version": version, **plan})
    registry.roll_out("iris", "production", wanted)
    rollout = registry.route("iris", "production").rollout
    assert rollout is not None
    return rollout


def reasons(registry: Registry) -> list[str]:
    """What was done to production, and why."""
    return [f"{change.action}: {change.note}" for change in registry.history("iris", "production")]


def meanwhile(traffic: Traffic, later: float = 0.0, count: int = 50) -> list[Answer]:
    """Some answers to what is asked from `later` seconds after now."""
    moment = time.monotonic() + later
    return eventually(lambda: (found := traffic.since(moment))[count:] and found, "it goes on")
