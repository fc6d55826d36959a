"""Releases that share a process: each answers for itself, and the end of it is nobody's but the one's who caused it."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from sklearn.tree import DecisionTreeClassifier
from unit import runner_models as models

from predictq_broker.messages import JSON
from predictq_registry import Demand, Package, Registry, Trust
from predictq_worker.inference import Limits, Ok
from predictq_worker.runner import Nursery, Question, ReleaseRefused, Runner, RunnerDied, RunnerGone, Sharing
from predictq_worker.runner.linux import private_of

SMALL = 1 << 20
ROWS = [[0.5, 1.0], [2.5, 1.0]]
MANY = 8


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Models whose answers are their own numbers, one that does what it is told, and one too large to share."""
    registry = Registry(str(tmp_path_factory.mktemp("sharing") / "models"))
    for number in range(MANY):
        registry.publish(f"tree-{number}", DecisionTreeClassifier().fit(ROWS, [number, number]), sample=ROWS)
    registry.publish("trap", models.TrapModel(), sample=ROWS)
    large = models.TrapModel()
    large.ballast.append(np.ones(SMALL))
    registry.publish("large", large, sample=ROWS)
    return registry


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(trust=Trust(demand=Demand.NONE)) as nursery:
        yield nursery


class Shared:
    """Releases started side by side; all are closed at the end."""

    def __init__(self, nursery: Nursery, registry: Registry) -> None:
        self.sharing = Sharing(nursery, Limits(), largest=SMALL, load_timeout=60.0)
        self._registry = registry
        self._started: list[Runner] = []

    def package(self, model: str) -> Package:
        return self._registry.fetch(model, 1)

    def start(self, model: str, place: int = 0, *, alone: bool = False) -> Runner:
        self._started.append(self.sharing.start(self.package(model), place, alone=alone))
        return self._started[-1]

    def trees(self) -> list[Runner]:
        return [self.start(f"tree-{number}") for number in range(MANY)]

    def close(self) -> None:
        for runner in self._started:
            runner.close(grace=0.1)


@pytest.fixture
def shared(nursery: Nursery, registry: Registry) -> Iterator[Shared]:
    shared = Shared(nursery, registry)
    yield shared
    shared.close()


def answer(runner: Runner, first: float = 1.0, timeout: float | None = 30.0) -> float:
    (found,) = runner.predict("predict", JSON, [orjson.dumps([[first, 1.0]])], timeout).answers
    assert isinstance(found, Ok), found
    return float(orjson.loads(found.body)[0])


def question(runner: Runner, first: float = 1.0) -> Question:
    return runner.question("predict", JSON, [orjson.dumps([[first, 1.0]])], 30.0)


def test_small_releases_share_a_process_and_each_gives_its_own_answers(shared: Shared) -> None:
    trees = shared.trees()
    assert len({tree.pid for tree in trees}) == 1
    with ThreadPoolExecutor(MANY) as threads:
        asked = [threads.submit(answer, tree) for _ in range(50) for tree in trees]
        assert [future.result(30) for future in asked] == [*range(MANY)] * 50


def test_what_is_large_or_on_trial_or_has_a_second_runner_is_elsewhere(shared: Shared) -> None:
    runners = [
        shared.start("tree-0"),
        shared.start("tree-0", place=1),
        shared.start("tree-1", alone=True),
        shared.start("large"),
    ]
    assert len({runner.pid for runner in runners}) == 4
    assert [runner.shared for runner in runners] == [True, True, False, False]
    assert shared.start("tree-1", place=1).pid == runners[1].pid


def test_one_that_is_closed_is_gone_and_the_others_go_on_until_the_last(shared: Shared) -> None:
    first, second = shared.start("tree-0"), shared.start("tree-1")
    first.close()
    assert not first.alive
    with pytest.raises(RunnerGone):
        answer(first)
    assert answer(second) == 1
    second.close()
    assert not Path(f"/proc/{second.pid}").exists()
    assert answer(shared.start("tree-2")) == 2


def test_the_memory_of_one_that_is_closed_comes_back_while_the_process_goes_on(shared: Shared) -> None:
    trap, tree = shared.start("trap"), shared.start("tree-0")
    for _ in range(3):
        answer(trap, models.GROWS)  # 64 MiB each time
    assert trap.memory() == tree.memory()  # a share each of what the process holds
    before = private_of(trap.pid) or 0
    trap.close()
    assert (private_of(tree.pid) or 0) < before - (150 << 20)
    assert answer(tree) == 0


def test_what_the_process_holds_is_measured_once_for_all_in_it(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    trees, measured = shared.trees(), list[int]()

    def measure(pid: int) -> int:
        measured.append(pid)
        return MANY << 20

    monkeypatch.setattr("predictq_worker.runner.host.private_of", measure)
    monkeypatch.setattr("predictq_worker.runner.host._STAYS_TRUE", 60.0)
    assert {tree.memory() for tree in trees} == {1 << 20}
    assert len(measured) == 1
    trees[0].close()  # then there is less
    trees[1].memory()
    assert len(measured) == 2


def test_the_end_of_the_process_is_the_end_of_all_in_it_and_nobody_is_blamed_who_did_not_ask(shared: Shared) -> None:
    tree, trap = shared.start("tree-0"), shared.start("trap")
    answer(trap)
    with pytest.raises(RunnerDied) as caught:
        answer(trap, models.KILLS_ITSELF)
    assert not isinstance(caught.value, RunnerGone)  # it was asked alone, since nobody else asked
    assert not tree.alive
    with pytest.raises(RunnerGone):
        answer(tree)
    again, trapped = shared.start("tree-0"), shared.start("trap")
    assert (again.shared, trapped.shared) == (True, False)
    assert (answer(again), answer(trapped)) == (0, 2)


def test_those_who_are_asked_together_each_give_their_own_answer(shared: Shared) -> None:
    trees = shared.trees()
    answers = Runner.predict_together([(tree, question(tree)) for tree in reversed(trees)])
    assert [outputs.answers for outputs in answers] == [[Ok(b"[%d]" % n)] for n in reversed(range(MANY))]


def test_of_those_who_were_asked_together_the_one_that_kills_is_found_by_asking_alone(shared: Shared) -> None:
    trees, trap = shared.trees(), shared.start("trap")
    answer(trap)
    killing = (trap, question(trap, models.KILLS_ITSELF))
    asked = [(trees[0], question(trees[0])), killing, (trees[1], question(trees[1]))]
    with pytest.raises(RunnerGone):
        Runner.predict_together(asked)
    assert not any(runner.may_join for runner, _ in asked)
    with pytest.raises(RunnerGone):
        answer(trees[3])
    again = shared.start("trap")
    neighbours = shared.trees()
    assert again.shared
    assert not again.may_join
    with pytest.raises(RunnerDied) as caught:
        answer(again, models.KILLS_ITSELF)
    assert not isinstance(caught.value, RunnerGone)
    assert not shared.start("trap").shared
    with pytest.raises(RunnerGone):
        answer(neighbours[3])
    assert answer(shared.start("tree-3")) == 3


def test_one_that_hangs_is_killed_and_has_a_process_of_its_own_from_then_on(shared: Shared) -> None:
    tree, trap = shared.start("tree-0"), shared.start("trap")
    with pytest.raises(RunnerDied, match=r"no answer within 0\.2 s"):
        answer(trap, models.HANGS, timeout=0.2)
    assert not tree.alive
    assert not shared.start("trap").shared


def test_one_that_keeps_the_others_waiting_has_outstayed(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = shared.start("tree-0")
    answer(tree)
    assert not tree.outstayed
    monkeypatch.setattr("predictq_worker.runner.runner_handle._LONG", 0.0)
    answer(tree)
    assert tree.outstayed
    tree.close()
    assert not shared.start("tree-0").shared


def test_one_that_dies_while_it_is_loaded_may_do_so_alone(registry: Registry, shared: Shared) -> None:
    tree = shared.start("tree-0")
    registry.publish("deadly", models.TrapModel(), sample=ROWS)
    package = registry.fetch("deadly", 1)
    host = shared.sharing._host(0)
    os.kill(tree.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(shared.sharing.start, package)
        while not host._asked:
            os.sched_yield()
        os.kill(tree.pid, signal.SIGKILL)
        runner = starting.result(30)
    assert not runner.shared
    assert answer(runner) == 2
    runner.close()
    with pytest.raises(RunnerGone):
        answer(tree)
    assert answer(shared.start("tree-0")) == 0


def test_one_that_takes_too_long_to_load_may_do_so_alone(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = shared.start("tree-0")
    monkeypatch.setattr("predictq_worker.runner.sharing._LOADS_WITHIN", 0.0)
    slow = shared.start("tree-1")
    assert not slow.shared
    assert answer(slow) == 1
    with pytest.raises(RunnerGone):
        answer(tree)


def test_one_that_is_refused_leaves_the_others_as_they_were(shared: Shared) -> None:
    tree = shared.start("tree-0")
    package = shared.package("tree-1")
    name = next(iter(package.files))
    spoiled = replace(package, files={**package.files, name: b"x" * len(package.files[name])})
    with pytest.raises(ReleaseRefused):
        shared.sharing.start(spoiled)
    assert answer(tree) == 0
    assert shared.start("tree-1").pid == tree.pid


def test_nothing_is_shared_unless_that_is_wanted(nursery: Nursery, registry: Registry) -> None:
    sharing = Sharing(nursery, Limits(), largest=0, load_timeout=60.0)
    runners = [sharing.start(registry.fetch(f"tree-{number}", 1)) for number in range(2)]
    assert runners[0].pid != runners[1].pid
    for runner in runners:
        runner.close()
