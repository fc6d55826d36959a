"""Rollouts on RabbitMQ, which hands requests out in a way of its own: a canary promoted, then recreate, under load."""

from collections.abc import Iterator

import pytest
from models import Iris
from rabbitmq import RabbitServer
from rolling_out import begin, meanwhile, reasons, registry, traffic, two
from traffic import Traffic
from workers import WorkerProcess, eventually

from predictq_registry import Registry

__all__ = ["registry", "traffic", "two"]


@pytest.fixture
def broker_url(rabbitmq_server: RabbitServer) -> Iterator[str]:
    url = rabbitmq_server.fresh()
    yield url
    rabbitmq_server.drop(url)


def serves_the_second(worker: WorkerProcess) -> bool:
    return any(told["event"] == "swapped" and told["version"] == 2 for told in list(worker.events))


def test_a_canary_is_promoted_and_the_next_release_recreated_and_nobody_who_asks_is_refused(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    version = registry.publish("iris", trained.good, sample=trained.rows).version
    begin(registry, "canary", version, share=0.3, pause=0.5, least=20, guards={"errors": 0.02})
    eventually(lambda: registry.resolve("iris", "production") == version, "it is promoted")
    assert reasons(registry)[-1].startswith("promote: no guard objects after")
    assert {answer.version for answer in traffic.answers} == {1, version}

    begin(registry, "recreate", 2)
    eventually(lambda: all(map(serves_the_second, two)), "both have swapped")
    eventually(lambda: {answer.version for answer in meanwhile(traffic)} == {2}, "only the new one answers")
    assert traffic.end() == []
    right = {1: trained.good_answers, version: trained.good_answers, 2: trained.other_answers}
    assert all(answer.outputs[0] in right[answer.version] for answer in traffic.answers)
