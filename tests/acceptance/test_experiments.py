"""An A/B experiment from its beginning to its report, through real workers and the command line."""

import contextlib
import io
import json
import threading
from pathlib import Path

import pytest
from rolling_out import begin, broker_url, registry, two
from workers import eventually, workers

from predictq import Client, InvalidInput
from predictq_cli.__main__ import run
from predictq_registry import Registry, point

__all__ = ["broker_url", "registry", "two"]

ROW = [[5.1, 3.5, 1.4, 0.2]]


def reported(registry: Registry) -> dict[str, dict[str, float]]:
    """What the command says."""
    written = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(written, "utf-8", write_through=True)) as told:
        assert run(["experiment", "report", "iris", "--json", "--registry", registry.url]) == 0
        told.detach()
    return dict(json.loads(written.getvalue()))


@pytest.mark.usefixtures("two")
def test_each_key_keeps_its_arm_and_the_report_joins_what_came_of_it(registry: Registry, broker_url: str) -> None:
    began = begin(registry, "ab", share=0.5).began
    keys = [f"user-{n}" for n in range(60)]
    with Client(broker_url) as client:
        eventually(lambda: client.predict("iris", ROW, key=keys[0]).route, "the experiment has begun")
        eventually(
            lambda: {client.predict("iris", ROW, key=key).route for key in keys} == {"champion", "challenger"},
            "both arms answer",
        )
        answers = {key: client.predict("iris", ROW, key=key) for key in keys}
        for key, answer in answers.items():
            arm = "challenger" if point(f"iris/{began}", key) < 0.5 else "champion"
            assert (answer.route, answer.version) == (arm, 2 if arm == "challenger" else 1)
            client.feedback(answer, 3.0 if arm == "challenger" else 1.0)
        again = next(iter(answers.values()))
        client.feedback(again.id, 3.0 if again.route == "challenger" else 1.0, model="iris")
    challengers = sum(answer.route == "challenger" for answer in answers.values())
    eventually(lambda: reported(registry)["challenger"]["outcomes"] == challengers, "the outcomes are joined")
    report = reported(registry)
    assert report["champion"]["outcomes"] == len(keys) - challengers
    assert report["champion"]["exposed"] >= report["champion"]["outcomes"]
    assert report["effect"] == {"difference": 2.0, "low": 2.0, "high": 2.0, "degrees": 0.0}


@pytest.mark.usefixtures("two")
def test_an_outcome_that_cannot_be_kept_is_refused_with_the_reason(broker_url: str) -> None:
    with Client(broker_url) as client:
        answer = client.predict("iris", ROW)
        with pytest.raises(InvalidInput, match="no experiment of 'iris' was ever begun"):
            client.feedback(answer, 1.0)
        with pytest.raises(InvalidInput, match="an id alone does not say of which model"):
            client.feedback(answer.id, 1.0)
        with pytest.raises(InvalidInput, match="outcomes are reported as"):
            client.predict("iris", [[1.0]], ref="feedback")


def test_outcomes_outlive_the_worker_that_took_them(registry: Registry, broker_url: str) -> None:
    with workers(1, broker_url, registry.url, models="iris") as (worker,), Client(broker_url) as client:
        begin(registry, "ab", share=0.5)
        answer = eventually(lambda: (a := client.predict("iris", ROW, key="ann")).route and a, "it has begun")
        client.feedback(answer, 7.0)
        worker.kill()
    outcomes = [segment.outcomes for segment in registry.experiment("iris", registry.newest_experiment("iris")).read()]
    assert {answer.id: 7.0} in outcomes


def test_an_outcome_that_a_worker_cannot_write_down_goes_to_another_when_it_stops(
    registry: Registry, broker_url: str
) -> None:
    with workers(1, broker_url, registry.url, models="iris", grace=600) as (worker,), Client(broker_url) as client:
        begin(registry, "ab", share=0.5)
        answer = eventually(lambda: (a := client.predict("iris", ROW, key="ann")).route and a, "it has begun")
        experiments = Path(registry.url, "iris", "experiments")
        eventually(experiments.exists, "who was shown what is written down")
        experiments.rename(kept := experiments.with_name("kept"))
        experiments.write_text("no folder")  # whatever is written there fails, for any user
        reporting = threading.Thread(target=client.feedback, args=(answer, 7.0), kwargs={"timeout": 120})
        reporting.start()
        eventually(lambda: worker.saw("cannot write down an experiment yet"), "it tries")
        assert worker.stop() == 0
        experiments.unlink()
        kept.rename(experiments)
        with workers(1, broker_url, registry.url, models="iris"):
            reporting.join(60)
    outcomes = [segment.outcomes for segment in registry.experiment("iris", registry.newest_experiment("iris")).read()]
    assert {answer.id: 7.0} in outcomes
