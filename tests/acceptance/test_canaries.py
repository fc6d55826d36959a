"""Canaries: a good release is promoted by itself, a bad one is stopped by itself, and nobody who asks pays for it."""

from typing import Any

import pytest
from bad import EXAMINED, Crashing, Failing, Greedy, Sluggish, Wrong
from models import Iris
from rolling_on import as_before, broker_url, folder, registry, traffic, two
from rolling_out import begin, meanwhile, reasons
from traffic import Traffic
from workers import eventually

from predictq_registry import Registry, point

__all__ = ["as_before", "broker_url", "folder", "registry", "traffic", "two"]


def publish(registry: Registry, trained: Iris, model: Any) -> int:
    """A release whose golden rows it answers well."""
    return registry.publish("iris", model, sample=trained.rows[:EXAMINED]).version


def test_a_good_release_gets_a_growing_share_of_the_keys_and_is_promoted(
    registry: Registry, traffic: Traffic, trained: Iris
) -> None:
    version = publish(registry, trained, trained.good)
    plan = {"share": 0.2, "steps": (0.5,), "pause": 3.0, "least": 20, "guards": {"slower": 8.0}}
    rollout = begin(registry, "canary", version, **plan)
    eventually(lambda: registry.resolve("iris", "production") == version, "it is promoted", timeout=60)
    first = [answer for answer in traffic.answers if answer.route]
    assert {answer.route for answer in first} == {"champion", "challenger"}
    salt = f"iris/{rollout.began}"
    for answer in first:
        place = point(salt, answer.key)
        assert (answer.route == "challenger") <= (place < 0.5)
        assert answer.version == (version if answer.route == "challenger" else 1)
    told = reasons(registry)
    assert told[-2].endswith("it gets 50%")
    assert told[-1].startswith("promote: no guard objects after")
    eventually(lambda: {answer.route for answer in meanwhile(traffic)} == {""}, "the rollout is over")
    assert traffic.end() == []


@pytest.mark.parametrize(
    ("kind", "guard"),
    [
        (Sluggish, "slower: "),
        (Wrong, "outputs: "),
        (Failing, "errors: "),
        (Crashing, "errors: "),
        (Greedy, "memory: "),
    ],
)
def test_a_bad_release_is_stopped_by_itself_for_the_right_reason_and_fails_nobody(
    registry: Registry, traffic: Traffic, trained: Iris, kind: Any, guard: str
) -> None:
    version = publish(registry, trained, kind(trained.good, trained.rows))
    guards = {"slower": 8.0, "memory": 1.5}
    begin(registry, "canary", version, share=0.3, steps=(0.6,), pause=20.0, least=20, guards=guards)
    eventually(lambda: registry.route("iris", "production").rollout is None, "it is stopped", timeout=60)
    assert reasons(registry)[-1].startswith(f"stop: {guard}")
    assert registry.resolve("iris", "production") == 1
    assert {answer.version for answer in meanwhile(traffic, later=1.0)} == {1}
    assert traffic.end() == []
