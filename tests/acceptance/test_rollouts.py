"""Recreate and rolling while somebody asks without a pause: real workers, real models, and no answer lost."""

from pathlib import Path

from models import Iris
from rolling_on import as_before, broker_url, folder, registry, traffic, two
from rolling_out import begin, meanwhile, reasons
from slow import SlowToLoad
from traffic import Traffic
from workers import WorkerProcess, eventually

from predictq_registry import Registry

__all__ = ["as_before", "broker_url", "folder", "registry", "traffic", "two"]


def challenger(registry: Registry, trained: Iris) -> int:
    """One more release, which answers otherwise than version 1."""
    return registry.publish("iris", trained.other, sample=trained.rows).version


def right(traffic: Traffic, trained: Iris) -> bool:
    """Whether each answer is one of the release that it names."""
    answers = (set(trained.other_answers), set(trained.good_answers))
    return all(
        answer.outputs[0] in answers[answer.version == 1] for answer in list(traffic.answers) if not answer.error
    )


def swaps(two: list[WorkerProcess]) -> list[int]:
    """How often each worker has swapped so far."""
    return [[line["event"] for line in list(worker.events)].count("swapped") for worker in two]


def test_recreate_swaps_every_worker_and_nobody_who_asks_is_refused(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    before, version = swaps(two), challenger(registry, trained)
    begin(registry, "recreate", version)
    eventually(lambda: swaps(two) == [count + 1 for count in before], "both have swapped")
    eventually(lambda: {answer.version for answer in meanwhile(traffic)} == {version}, "only the new one answers")
    assert (traffic.end(), right(traffic, trained)) == ([], True)
    assert [len(worker.runners()) for worker in two] == [1, 1]


def test_a_release_that_does_not_load_is_recreated_away_and_the_reason_is_written_down(
    registry: Registry, traffic: Traffic, trained: Iris
) -> None:
    trained.other.steps[-1][1].altered = True  # so that its file is its own
    version = challenger(registry, trained)
    del trained.other.steps[-1][1].altered
    for file in registry.manifest("iris", version).files:
        artefact = Path(registry.url) / "iris/files" / file.sha256
        artefact.chmod(0o644)
        artefact.write_bytes(b"altered")
    begin(registry, "recreate", version)
    reason = f"rollback: version {version} does not serve on"
    eventually(lambda: reasons(registry)[-1].startswith(reason), "it goes back")
    assert {answer.version for answer in meanwhile(traffic)} == {1}
    assert traffic.end() == []


def test_rolling_changes_one_worker_after_the_other_and_then_moves_the_alias(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    before, history, version = swaps(two), len(reasons(registry)), challenger(registry, trained)
    begin(registry, "rolling", version, pause=1.0)
    eventually(lambda: registry.resolve("iris", "production") == version, "it is promoted")
    told = reasons(registry)[history:]
    turns = [note.split()[-1] for note in told if "it is the turn of" in note]
    changed = [note.split()[1] for note in told if "has changed over" in note]
    assert len(set(turns)) == 2
    assert changed == turns
    assert told.index(f"step: {changed[0]} has changed over") < told.index(f"step: it is the turn of {turns[1]}")
    assert told[-1] == "promote: all 2 workers have changed over"
    eventually(lambda: swaps(two) == [count + 1 for count in before], "both follow")
    assert {(answer.version, answer.route) for answer in meanwhile(traffic)} == {(version, "")}
    assert (traffic.end(), right(traffic, trained)) == ([], True)


def test_one_command_takes_a_release_back_within_a_second_on_every_worker_however_slowly_it_loads(
    registry: Registry, traffic: Traffic, two: list[WorkerProcess], trained: Iris
) -> None:
    for model in (SlowToLoad(trained.good), trained.other):  # published and live, without a rollout
        before = swaps(two)
        version = registry.publish("iris", model, sample=trained.rows, alias="production").version
        eventually(lambda seen=before: swaps(two) == [count + 1 for count in seen], "both serve it")  # type: ignore[misc]  # bound now
    assert {answer.version for answer in meanwhile(traffic, later=2.0)} == {version}  # and has done for some looks
    registry.rollback("iris", "production", note="it is not better")
    assert {answer.version for answer in meanwhile(traffic, later=1.0)} == {version - 1}
    assert traffic.end() == []


def test_one_command_takes_a_rollout_back_within_a_second_on_every_worker(
    registry: Registry, traffic: Traffic, trained: Iris
) -> None:
    begin(registry, "rolling", challenger(registry, trained), pause=0.1)
    eventually(lambda: len(registry.aliases("iris").rollouts["production"].moved) == 2, "both have changed over")
    registry.rollback("iris", "production", note="changed my mind")
    assert {(answer.version, answer.route) for answer in meanwhile(traffic, later=1.0)} == {(1, "")}
    assert traffic.end() == []
