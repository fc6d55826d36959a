"""Releases that must not serve, put under a live alias: they get no request, and whoever owns the alias sees why."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from callers import Load
from elsewhere import ILLNESSES, Elsewhere
from models import Iris
from workers import WorkerProcess, eventually, workers

from predictq_cli.__main__ import run
from predictq_registry import Registry


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, trained: Iris) -> Path:
    """A folder with a queue and a registry whose model `iris` has one release, in production."""
    folder = tmp_path_factory.mktemp("bad-releases")
    Registry(str(folder / "models")).publish("iris", trained.good, sample=trained.rows, alias="production")
    return folder


@pytest.fixture(scope="module")
def worker(place: Path) -> Iterator[WorkerProcess]:
    """It lives through all of them."""
    settings = {"load_timeout": 3, "runner_memory": "1g", "name": "here"}
    with workers(1, f"sqlite:///{place}/predictq.db", str(place / "models"), **settings) as (only,):
        yield only


def refusal(worker: WorkerProcess, version: int) -> dict[str, Any] | None:
    event = "release does not serve; what served before goes on"
    return next((told for told in list(worker.events) if told["event"] == event and told["version"] == version), None)


@pytest.mark.parametrize("illness", ILLNESSES)
def test_a_release_that_does_not_load_or_answer_or_live_gets_no_request_and_its_owner_sees_why(
    illness: str, place: Path, worker: WorkerProcess, trained: Iris, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(str(place / "models"))

    def models_show(*options: str) -> str:
        """As on another machine, that has nothing but the registry."""
        assert run(["models", "show", "iris", *options, "--registry", registry.url]) == 0
        return capsys.readouterr().out

    with Load(f"sqlite:///{place}/predictq.db", trained, callers=4) as load:
        eventually(lambda: load.answered(1) > 50, "answers of version 1")
        bad = registry.publish("iris", Elsewhere(trained.other, illness), sample=trained.rows, alias="production")
        logged = eventually(lambda: refusal(worker, bad.version), "it is tried")
        before = load.answered(1)
        eventually(lambda: load.answered(1) > before + 50, "the release before goes on")
    assert (load.failures, load.wrong, load.answered(bad.version)) == ([], 0, 0)
    shown = models_show()
    assert ILLNESSES[illness] in shown, shown
    (told,) = json.loads(models_show("--json"))["refusals"]
    assert told["worker"] == "here"
    assert told["why"] == logged["why"]
    assert json.loads(models_show("1", "--json"))["refusals"] == []
    registry.set_alias("iris", "production", 1)


def test_a_registry_that_takes_no_notes_stops_nothing(tmp_path: Path, registry_url: str, trained: Iris) -> None:
    url = f"sqlite:///{tmp_path}/predictq.db"
    Path(registry_url, "iris", "refusals").write_text("no folder")  # whatever is written there fails, for any user
    Registry(registry_url).publish("iris", Elsewhere(trained.other, "crashes"), sample=trained.rows, alias="production")
    with workers(1, url, registry_url, load_timeout=3) as (worker,), Load(url, trained, callers=1) as load:
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
