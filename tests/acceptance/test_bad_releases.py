"""Releases that must not serve, put under a live alias: they get no request, and whoever owns the alias sees why."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from callers import Load
from elsewhere import ILLNESSES, Elsewhere
from models import Iris
from workers import WorkerProcess, eventually, python_env, workers

from predictq_registry import Registry

FAILED = 'predictq_loads_total{model="iris",outcome="failed"}'


@pytest.fixture
def worker(tmp_path: Path, registry_url: str) -> Iterator[WorkerProcess]:
    url = f"sqlite:///{tmp_path}/predictq.db"
    with workers(1, url, registry_url, load_timeout=3, runner_memory="1g", name="here") as (only,):
        yield only


def models_show(registry_url: str, *options: str) -> str:
    """As on another machine, that has nothing but the registry."""
    command = [sys.executable, "-m", "predictq_cli", "models", "show", "iris", *options]
    env = python_env(PREDICTQ_REGISTRY_URL=registry_url)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("illness", ILLNESSES)
def test_a_release_that_does_not_load_or_answer_or_live_gets_no_request_and_its_owner_sees_why(
    illness: str, tmp_path: Path, registry_url: str, worker: WorkerProcess, trained: Iris
) -> None:
    registry = Registry(registry_url)
    with Load(f"sqlite:///{tmp_path}/predictq.db", trained, callers=4) as load:
        eventually(lambda: load.answered(1) > 50, "answers of version 1")
        registry.publish("iris", Elsewhere(trained.other, illness), sample=trained.rows, alias="production")
        eventually(lambda: worker.metric(FAILED), "it is tried")
        before = load.answered(1)
        eventually(lambda: load.answered(1) > before + 50, "the release before goes on")
    assert (load.failures, load.wrong, load.answered(2)) == ([], 0, 0)
    shown = models_show(registry_url)
    assert ILLNESSES[illness] in shown, shown
    (told,) = json.loads(models_show(registry_url, "--json"))["refusals"]
    assert told["worker"] == "here"
    logged = worker.saw("release does not serve; what served before goes on")
    assert logged
    assert told["why"] == logged["why"]
    assert json.loads(models_show(registry_url, "1", "--json"))["refusals"] == []


def test_a_registry_that_takes_no_notes_stops_nothing(
    tmp_path: Path, registry_url: str, worker: WorkerProcess, trained: Iris
) -> None:
    Path(registry_url, "iris", "refusals").write_text("no folder")  # whatever is written there fails, for any user
    Registry(registry_url).publish("iris", Elsewhere(trained.other, "crashes"), sample=trained.rows, alias="production")
    with Load(f"sqlite:///{tmp_path}/predictq.db", trained, callers=1) as load:
        eventually(lambda: worker.saw("the registry does not take the reason"), "it is tried and not noted")
        eventually(lambda: load.answered(2) + load.answered(1) + len(load.failures) > 0, "somebody is told")
    assert load.answered(2) == 0


def test_a_worker_that_starts_beside_a_bad_release_serves_what_was_served_before_it(
    tmp_path: Path, registry_url: str, trained: Iris
) -> None:
    registry = Registry(registry_url)
    bad = Elsewhere(trained.other, "crashes")
    for _ in range(2):  # neither of which ever served
        registry.publish("iris", bad, sample=trained.rows, alias="production")
    url = f"sqlite:///{tmp_path}/predictq.db"
    with workers(1, url, registry_url, load_timeout=3) as (worker,), Load(url, trained, callers=2) as load:
        eventually(lambda: load.answered(1) > 50, "answers of the last release that serves")
        assert worker.saw("an earlier release serves in its place")
        registry.publish("iris", trained.other, sample=trained.rows, alias="production")
        eventually(lambda: load.answered(4) > 50, "a release that is sound takes its place")
    assert (load.failures, load.wrong) == ([], 0)
