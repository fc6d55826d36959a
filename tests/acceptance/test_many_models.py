"""More models than memory has room for, on demand: real workers, real runners, memory as the kernel counts it."""

import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from models import Iris
from sklearn.tree import DecisionTreeClassifier
from workers import WorkerProcess, eventually, workers

from predictq import Client
from predictq_registry import Registry
from predictq_worker.runner.linux import private_of

ROW = [5.1, 3.5, 1.4, 0.2]
MODELS = 40
HOT = 4
BUDGET = 160 << 20
"""Room for about ten: each runner holds 15 MB of its own, most of it pages of the libraries that Python wrote to."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, trained: Iris) -> str:
    """A registry of models each of which answers with a number of its own."""
    url = str(tmp_path_factory.mktemp("many") / "models")
    for number in range(MODELS):
        model = DecisionTreeClassifier().fit(trained.rows, [number] * len(trained.rows))
        Registry(url).publish(name(number), model, sample=trained.rows[:2], alias="production")
    return url


def name(number: int) -> str:
    return f"model-{number:02}"


def held(worker: WorkerProcess) -> int:
    """Bytes that end with its runners, by the kernel's own count."""
    return sum(private_of(runner) or 0 for runner in worker.runners())


def ask(client: Client, number: int) -> bool:
    return bool(client.predict(name(number), [ROW], timeout=90).outputs == [number])


def shuffled(seed: int) -> Iterator[int]:
    """Every model, in some order, and between any two of them one of the few that are hot."""
    order = list(range(MODELS))
    random.Random(seed).shuffle(order)  # noqa: S311  any order will do
    for place, number in enumerate(order):
        yield number
        yield place % HOT


@pytest.mark.parametrize("broker_url", ["sqlite"], indirect=True)  # whose memory it is, no broker knows
def test_one_worker_answers_for_any_model_within_its_memory_and_keeps_what_is_hot(broker_url: str, many: str) -> None:
    with (
        workers(1, broker_url, many, models="*", memory_budget=BUDGET) as (worker,),
        Client(broker_url) as client,
        ThreadPoolExecutor(4) as threads,
    ):
        right, most = 0, 0
        asked = [number for seed in range(2) for number in shuffled(seed)]
        for answer in threads.map(lambda number: ask(client, number), asked):
            right += answer
            most = max(most, held(worker))
        assert right == len(asked)
        assert most < 1.2 * BUDGET  # one that is leaving, beside one that comes
        resident = worker.metric("predictq_resident_models ")
        assert 5 <= resident < 20
        eventually(lambda: len(worker.runners()) == resident, "whoever was evicted has ended")
        assert worker.metric("predictq_evictions_total") > MODELS
        assert sum(worker.metric(f'predictq_loads_total{{model="{name(hot)}"') for hot in range(HOT)) < 3 * HOT


def test_of_two_workers_the_one_that_holds_a_model_gets_its_requests(broker_url: str, many: str) -> None:
    few = range(8)
    with workers(2, broker_url, many) as both, Client(broker_url) as client:
        for _ in range(10):
            assert all(ask(client, number) for number in few)
        loads = sum(worker.metric("predictq_loads_total") for worker in both)
        assert loads <= 1.5 * len(few)  # and not twice: each by the one who came first, but for a look at a bad moment


def test_small_models_share_a_process_which_may_die_and_cost_nobody_an_answer(broker_url: str, many: str) -> None:
    with (
        workers(1, broker_url, many, models="*", memory_budget=BUDGET, share_below="1m") as (worker,),
        Client(broker_url) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        asked = [number for seed in range(2) for number in shuffled(seed)]
        assert all(threads.map(lambda number: ask(client, number), asked))
        assert worker.metric("predictq_resident_models ") == MODELS  # six times what fits with a process for each
        (process,) = worker.runners()
        assert held(worker) < BUDGET / 2
        answers = threads.map(lambda number: ask(client, number), asked)
        os.kill(process, signal.SIGKILL)
        assert all(answers)
        assert worker.metric("predictq_runner_restarts_total") >= 1
        assert process not in worker.runners()
