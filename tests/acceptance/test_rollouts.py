"""Releases that are rolled out while somebody asks without a pause: real workers, real models, and no answer lost."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deadly import Deadly
from models import Iris
from traffic import Traffic
from workers import WorkerProcess, eventually, workers

from predictq_registry import Registry, Rollout


@pytest.fixture
def registry(registry_url: str, trained: Iris) -> Registry:
    """With a second release beside the one in production, which answers otherwise."""
    registry = Registry(registry_url)
    registry.publish("iris", trained.other, sample=trained.rows)
    return registry


@pytest.fixture
def broker_url(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/predictq.db"


@pytest.fixture
def two(broker_url: str, registry: Registry) -> Iterator[list[WorkerProcess]]:
    with workers(2, broker_url, registry.url, models="iris") as started:
        yield started


@pytest.fixture
def traffic(broker_url: str, two: list[WorkerProcess], trained: Iris) -> Iterator[Traffic]:
    assert two
    with Traffic(broker_url, trained.rows.tolist()) as traffic:
        eventually(lambda: len(traffic.answers) > 50, "answers come")
        yield traffic


def begin(registry: Registry, **plan: object) -> None:
    registry.roll_out("iris", "production", Rollout.model_validate({"version": 2, **plan}))


def reasons(registry: Registry) -> list[str]:
    return [f"{change.action}: {change.note}" for change in registry.history("iris", "production")]


def right(traffic: Traffic, trained: Iris) -> bool:
    """Whether each answer is one of the release that it names."""
    answers = {1: set(trained.good_answers), 2: set(trained.other_answers)}
    return all(answer.outputs[0] in answers[answer.version] for answer in list(traffic.answers))


def test_recreate_swaps_every_worker_and_nobody_who_asks_is_refused(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    begin(registry, strategy="recreate")
    eventually(lambda: all(worker.saw("swapped") for worker in two), "both have swapped")
    moment = time.monotonic()
    eventually(lambda: len(traffic.since(moment)) > 50, "it goes on")
    assert {answer.version for answer in traffic.since(moment)} == {2}, "\n".join(
        str(list(e.items())) for w in two for e in w.events
    )
    assert (traffic.errors, right(traffic, trained)) == ([], True)
    assert [len(worker.runners()) for worker in two] == [1, 1]


def test_a_release_that_does_not_load_is_recreated_away_and_the_reason_is_written_down(
    registry: Registry, traffic: Traffic, trained: Iris
) -> None:
    registry.publish("iris", Deadly(trained.good), alias=None)
    release = next(path for path in files_of(registry, 3))
    release.chmod(0o644)
    release.write_bytes(b"altered")
    registry.roll_out("iris", "production", Rollout(strategy="recreate", version=3))
    eventually(lambda: reasons(registry)[-1].startswith("rollback: version 3 does not serve on"), "it goes back")
    moment = time.monotonic()
    eventually(lambda: len(traffic.since(moment)) > 50, "it goes on")
    assert {answer.version for answer in traffic.answers} == {1}
    assert traffic.errors == []


def test_rolling_changes_one_worker_after_the_other_and_then_moves_the_alias(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    begin(registry, strategy="rolling", pause=1.0)
    eventually(lambda: registry.resolve("iris", "production") == 2, "it is promoted")
    told = reasons(registry)
    turns = [note.split()[-1] for note in told if "it is the turn of" in note]
    changed = [note.split()[1] for note in told if "has changed over" in note]
    assert len(set(turns)) == 2
    assert changed == turns
    assert told.index(f"step: {changed[0]} has changed over") < told.index(f"step: it is the turn of {turns[1]}")
    assert told[-1] == "promote: all 2 workers have changed over"
    eventually(lambda: all(worker.saw("swapped") for worker in two), "both follow")
    moment = time.monotonic()
    eventually(lambda: len(traffic.since(moment)) > 50, "it goes on")
    assert {(answer.version, answer.route) for answer in traffic.since(moment)} == {(2, "")}
    assert (traffic.errors, right(traffic, trained)) == ([], True)


def test_one_command_takes_a_rollout_back_within_a_second_on_every_worker(registry: Registry, traffic: Traffic) -> None:
    begin(registry, strategy="rolling", pause=0.1)
    eventually(lambda: len(registry.aliases("iris").rollouts["production"].moved) == 2, "both have changed over")
    registry.rollback("iris", "production", note="changed my mind")
    moment = time.monotonic() + 1.0
    eventually(lambda: len(traffic.since(moment)) > 50, "it goes on")
    assert {(answer.version, answer.route) for answer in traffic.since(moment)} == {(1, "")}
    assert traffic.errors == []


def files_of(registry: Registry, version: int) -> Iterator[Path]:
    """Where the artefact of one release lies."""
    for file in registry.manifest("iris", version).files:
        yield Path(registry.url) / "iris/files" / file.sha256
