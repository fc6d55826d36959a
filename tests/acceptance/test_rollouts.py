"""Recreate and rolling while somebody asks without a pause: real workers, real models, and no answer lost."""

from pathlib import Path

from models import Iris
from rolling_out import begin, broker_url, meanwhile, reasons, registry, traffic, two
from traffic import Traffic
from workers import WorkerProcess, eventually

from predictq_registry import Registry

__all__ = ["broker_url", "registry", "traffic", "two"]


def right(traffic: Traffic, trained: Iris) -> bool:
    """Whether each answer is one of the release that it names."""
    answers = {1: set(trained.good_answers), 2: set(trained.other_answers)}
    return all(answer.outputs[0] in answers[answer.version] for answer in list(traffic.answers) if not answer.error)


def test_recreate_swaps_every_worker_and_nobody_who_asks_is_refused(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    begin(registry, "recreate")
    eventually(lambda: all(worker.saw("swapped") for worker in two), "both have swapped")
    eventually(lambda: {answer.version for answer in meanwhile(traffic)} == {2}, "only the new one answers")
    assert (traffic.end(), right(traffic, trained)) == ([], True)
    assert [len(worker.runners()) for worker in two] == [1, 1]


def test_a_release_that_does_not_load_is_recreated_away_and_the_reason_is_written_down(
    registry: Registry, traffic: Traffic
) -> None:
    for file in registry.manifest("iris", 2).files:
        artefact = Path(registry.url) / "iris/files" / file.sha256
        artefact.chmod(0o644)
        artefact.write_bytes(b"altered")
    begin(registry, "recreate")
    eventually(lambda: reasons(registry)[-1].startswith("rollback: version 2 does not serve on"), "it goes back")
    assert {answer.version for answer in meanwhile(traffic)} == {1}
    assert traffic.end() == []


def test_rolling_changes_one_worker_after_the_other_and_then_moves_the_alias(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    begin(registry, "rolling", pause=1.0)
    eventually(lambda: registry.resolve("iris", "production") == 2, "it is promoted")
    told = reasons(registry)
    turns = [note.split()[-1] for note in told if "it is the turn of" in note]
    changed = [note.split()[1] for note in told if "has changed over" in note]
    assert len(set(turns)) == 2
    assert changed == turns
    assert told.index(f"step: {changed[0]} has changed over") < told.index(f"step: it is the turn of {turns[1]}")
    assert told[-1] == "promote: all 2 workers have changed over"
    eventually(lambda: all(worker.saw("swapped") for worker in two), "both follow")
    assert {(answer.version, answer.route) for answer in meanwhile(traffic)} == {(2, "")}
    assert (traffic.end(), right(traffic, trained)) == ([], True)


def test_one_command_takes_a_rollout_back_within_a_second_on_every_worker(registry: Registry, traffic: Traffic) -> None:
    begin(registry, "rolling", pause=0.1)
    eventually(lambda: len(registry.aliases("iris").rollouts["production"].moved) == 2, "both have changed over")
    registry.rollback("iris", "production", note="changed my mind")
    assert {(answer.version, answer.route) for answer in meanwhile(traffic, later=1.0)} == {(1, "")}
    assert traffic.end() == []
