"""A process killed at each edge of a request's life, on each engine: nothing is lost, doubled or wrong there either."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit import Audit
from models import Iris
from workers import WorkerProcess, eventually, python_env, workers

from predictq_broker.failpoints import POINTS, VARIABLE, Bomb, Point
from predictq_registry import Registry

IN_THE_WORKER = [point for point in POINTS if point != "in_predict"]


@pytest.fixture(scope="module", params=["sqlite", "redis", "rabbitmq"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('failpoints')}/predictq.db"
    if request.param == "rabbitmq":
        return str(request.getfixturevalue("rabbitmq_server").fresh())
    server = request.getfixturevalue("redis_server")
    server.flush()
    return str(server.url)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, trained: Iris) -> str:
    place = str(tmp_path_factory.mktemp("models"))
    Registry(place).publish("iris", trained.good, sample=trained.rows, alias="production")
    return place


@pytest.fixture(scope="module")
def survivor(url: str, registry: str) -> Iterator[WorkerProcess]:
    """One worker that lives through all of it, and takes over."""
    with workers(1, url, registry, models="iris", lease=1.0, max_batch_rows=20) as (worker,):
        yield worker


@pytest.mark.usefixtures("survivor")
@pytest.mark.parametrize("point", IN_THE_WORKER)
def test_a_worker_killed_at_any_point_loses_doubles_and_spoils_nothing(
    url: str, registry: str, trained: Iris, point: Point
) -> None:
    doomed = WorkerProcess(url, registry, models="iris", lease=1.0, max_batch_rows=20, failpoint=f"{point}:3")
    try:
        doomed.wait_ready()
        with Audit(url, trained) as audit:
            eventually(lambda: audit.ask(200) or doomed.code() is not None, "it comes by and is killed")
            audit.wait_for_all()
            assert doomed.code() == -signal.SIGKILL
            assert (audit.doubled, audit.wrong, dict(audit.codes)) == ([], [], {"ok": audit.accepted})
    finally:
        doomed.close()


def test_runners_killed_before_they_answer_lose_double_and_spoil_nothing(
    url: str, registry: str, trained: Iris
) -> None:
    armed = workers(1, url, registry, models="iris", max_batch_rows=20, failpoint="in_predict:30")
    with armed as (worker,), Audit(url, trained) as audit:
        eventually(lambda: audit.ask(20) or worker.saw("a runner died"), "a runner comes by and is killed")
        audit.wait_for_all()
        assert (audit.doubled, audit.wrong, dict(audit.codes)) == ([], [], {"ok": audit.accepted})


def test_a_point_kills_at_the_time_it_was_told_and_no_sooner() -> None:
    code = "from predictq_broker.failpoints import reached\nfor n in range(9): reached('after_settle'); print(n)"
    armed = python_env(**{VARIABLE: "after_settle:3"})
    ran = subprocess.run([sys.executable, "-uc", code], env=armed, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.split()) == (-signal.SIGKILL, ["0", "1"])


def test_a_point_that_does_not_exist_is_an_error_and_not_a_quiet_test() -> None:
    with pytest.raises(ValueError, match=r"after_recieve.*after_receive"):
        Bomb("after_recieve:1")


def test_every_point_is_passed_somewhere_in_the_product() -> None:
    top = Path(__file__).parents[2]
    source = "\n".join(path.read_text() for part in ("broker", "worker") for path in (top / part).rglob("*.py"))
    assert [point for point in POINTS if f'reached("{point}")' not in source] == []
    assert VARIABLE not in os.environ
