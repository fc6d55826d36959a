"""Shadows: they are asked the same, answer nobody, delay nobody, and are compared with the champion by id."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from bad import EXAMINED, Crashing, Greedy
from models import Iris
from rolling_on import as_before, broker_url, folder, niceness, registry, traffic, two
from rolling_out import begin, meanwhile, reasons
from traffic import Traffic
from workers import WorkerProcess, eventually, python_env

from predictq_registry import Comparison, Registry, together

__all__ = ["as_before", "broker_url", "folder", "registry", "traffic", "two"]


class Partly:
    """Answers as the model it wraps, and otherwise for flowers with long sepals."""

    def __init__(self, model: object) -> None:
        self.model = model

    def predict(self, rows: object) -> object:
        labels = self.model.predict(rows)  # type: ignore[attr-defined]  # as scikit-learn has it
        return np.where(np.asarray(rows)[:, 0] > 7.0, 1, labels)


def compared(registry: Registry, began: int) -> Comparison:
    return together(registry.observations("iris", began).read()).comparison


def test_a_shadow_answers_nobody_and_is_compared_by_id(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris, tmp_path: Path
) -> None:
    version = registry.publish("iris", Partly(trained.good), sample=trained.rows[:EXAMINED]).version
    began = begin(registry, "shadow", version, mirror=1.0, guards={}).began
    eventually(lambda: compared(registry, began).compared > 300, "copies are compared")
    assert {answer.version for answer in traffic.answers} == {1}
    assert all([niceness(runner) for runner in worker.runners()].count(19) == 1 for worker in two)
    found = compared(registry, began)
    flowers = trained.rows.tolist()
    expected = sum(row[0] > 7.0 and label != 1 for row, label in zip(flowers, trained.good_answers, strict=True)) / 150
    assert abs(found.differing / found.compared - expected) < 0.1
    assert {(pair.champion, pair.challenger) for pair in found.worst} == {("[2]", "[1]")}
    registry.rollback("iris", "production")
    assert {answer.route for answer in meanwhile(traffic, later=1.0)} == {""}
    assert traffic.end() == []

    picture = tmp_path / "iris.svg"
    command = [sys.executable, "-m", "predictq_cli", "rollout", "compare", "iris", "--plot", str(picture)]
    command += ["--registry", registry.url]
    ran = subprocess.run(command, env=python_env(), capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.startswith("iris: they agree in "), ran.stderr
    assert found.worst[0].id in ran.stdout
    assert ET.fromstring(picture.read_text()).tag.endswith("svg")  # noqa: S314  we drew it


def test_a_shadow_that_crashes_is_stopped_and_nobody_notices(
    registry: Registry, traffic: Traffic, trained: Iris
) -> None:
    version = registry.publish("iris", Crashing(trained.good, trained.rows), sample=trained.rows[:EXAMINED]).version
    begin(registry, "shadow", version, mirror=1.0, guards={})
    eventually(lambda: registry.route("iris", "production").rollout is None, "it is stopped", timeout=40)
    assert reasons(registry)[-1].startswith("stop: errors: ")
    assert {answer.version for answer in meanwhile(traffic)} == {1}
    assert traffic.end() == []


def test_a_shadow_that_hoards_memory_is_stopped(registry: Registry, traffic: Traffic, trained: Iris) -> None:
    version = registry.publish("iris", Greedy(trained.good, trained.rows), sample=trained.rows[:EXAMINED]).version
    begin(registry, "shadow", version, mirror=1.0, guards={"memory": 1.5})
    eventually(lambda: registry.route("iris", "production").rollout is None, "it is stopped", timeout=40)
    assert reasons(registry)[-1].startswith("stop: memory: ")
    assert traffic.end() == []


def test_a_promoted_shadow_is_loaded_anew_so_that_it_is_as_fast_as_any(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    version = registry.publish("iris", trained.good, sample=trained.rows).version
    rollout = begin(registry, "shadow", version, mirror=1.0)
    eventually(lambda: compared(registry, rollout.began).compared > 50, "copies are compared")
    assert registry.carry_on("iris", "production", rollout, "promote")
    eventually(lambda: {answer.version for answer in meanwhile(traffic)} == {version}, "it answers")
    runners = [runner for worker in two for runner in eventually(worker.runners, "there is a runner")]
    ours = niceness(os.getpid())  # what workers inherit
    eventually(
        lambda: all(niceness(pid) == ours for pid in runners if Path(f"/proc/{pid}").exists()), "no shadow is left"
    )
    assert traffic.end() == []
