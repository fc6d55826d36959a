"""Who stays in memory, who goes for whom, and how many load at once."""

import threading
import time
from collections.abc import Callable

import pytest
from workers import eventually

from predictq_broker import Delivery, Request
from predictq_worker.batcher import Batcher, BatchLimits
from predictq_worker.deployment import Deployment
from predictq_worker.loads import Loads
from predictq_worker.metrics import Metrics
from predictq_worker.residency import Residency
from predictq_worker.work import Work


class Holder:
    """A runner that holds so many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.busy = False
        self.alive = True

    def start(self) -> None:
        """It needs no thread."""

    def join(self, timeout: float | None = None) -> None:
        """It is gone at once."""

    def memory(self) -> int:
        return self.size


class Memory:
    """What is in memory, and a residency that keeps to a budget."""

    def __init__(self, budget: int, fixed: tuple[str, ...] = ()) -> None:
        self.there: list[Deployment] = []
        self.residency = Residency(
            budget,
            deployments=lambda: list(self.there),
            forget=self._forget,
            spare=lambda _: False,
            fixed=fixed,
            metrics=Metrics(),
        )

    def _forget(self, deployment: Deployment) -> bool:
        if deployment not in self.there:
            return False
        self.there.remove(deployment)
        return True

    def load(self, model: str, size: int, meanwhile: Callable[[], object] = lambda: None, *, files: int = 0) -> Holder:
        deployment, holder = Deployment(model, 1, Batcher(BatchLimits(10, 1 << 20, 0.0))), Holder(size)
        self.there.append(deployment)
        self.residency.expect(deployment)
        meanwhile()
        deployment.serve([holder], kept=files)  # type: ignore[list-item]  # all that is asked of it
        self.residency.loaded(deployment)
        return holder

    def use(self, model: str) -> None:
        (deployment,) = (deployment for deployment in self.there if deployment.model == model)
        deployment.put([])

    def models(self) -> set[str]:
        return {deployment.model for deployment in self.there}


def work() -> Work:
    return Work(Delivery(Request("a", b"[[1]]", id="r"), object(), 1, 0.0, time.monotonic(), float("inf")))


def test_who_was_used_least_recently_goes() -> None:
    memory = Memory(100)
    for model in ("a", "b"):
        memory.load(model, 40)
    memory.use("a")
    memory.load("c", 40)
    assert memory.models() == {"a", "c"}


def test_room_is_made_before_a_release_loads_so_that_the_budget_holds_meanwhile() -> None:
    memory = Memory(100)
    memory.load("a", 40)
    memory.load("b", 40)
    seen: list[set[str]] = []
    memory.load("c", 40, meanwhile=lambda: seen.append(memory.models()))
    assert seen == [{"b", "c"}]


def test_what_a_release_held_the_last_time_is_what_it_is_expected_to_hold() -> None:
    memory = Memory(100)
    memory.load("large", 90)
    memory.load("small", 20)
    assert memory.models() == {"small"}
    seen: list[set[str]] = []
    memory.load("large", 90, meanwhile=lambda: seen.append(memory.models()))
    assert seen == [{"large"}]


def test_a_release_that_is_idle_goes_before_one_that_works_though_that_is_older() -> None:
    memory = Memory(100)
    memory.load("works", 40).busy = True
    memory.load("idle", 40)
    memory.load("new", 40)
    assert memory.models() == {"works", "new"}


def test_what_has_work_queued_is_not_idle() -> None:
    memory = Memory(100)
    memory.load("queued", 40)
    memory.there[0].put([work()])
    memory.load("idle", 40)
    memory.load("new", 40)
    assert memory.models() == {"queued", "new"}


def test_where_all_work_all_the_time_a_newcomer_waits_a_second_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictq_worker.residency._PATIENCE", 0.05)
    memory = Memory(100)
    for model in ("a", "b"):
        memory.load(model, 40).busy = True
    memory.load("new", 40)
    assert memory.models() == {"b", "new"}


def test_what_serves_is_not_given_up_for_its_successor() -> None:
    memory = Memory(60)
    memory.load("a", 40)
    memory.load("a", 40)
    assert [deployment.model for deployment in memory.there] == ["a", "a"]


def test_a_release_that_grows_is_noticed_once_it_was_used() -> None:
    memory = Memory(100)
    memory.load("idle", 40)
    grows = memory.load("grows", 40)
    grows.size = 90
    memory.residency.look()
    assert memory.residency.resident() == {"idle": 40, "grows": 40}
    memory.use("grows")
    memory.use("idle")
    memory.residency.look()
    assert memory.residency.resident() == {"idle": 40}  # of those that are too large together, the one used longest ago


def test_a_release_larger_than_the_budget_loads_alone() -> None:
    memory = Memory(100)
    memory.load("a", 40)
    memory.load("huge", 1000)
    assert memory.models() == {"huge"}


def test_a_release_larger_than_the_budget_stays_until_another_is_asked_for_and_the_log_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = Memory(100)
    memory.load("huge", 1000)
    (told,) = [record for record in caplog.records if record.msg == "larger than all that releases may hold"]
    assert (vars(told)["model"], vars(told)["memory"], vars(told)["budget"]) == ("huge", 1000, 100)
    for _ in range(2):
        memory.use("huge")
        memory.residency.look()
        assert memory.models() == {"huge"}
    memory.load("a", 40)
    assert memory.models() == {"a"}


def test_the_files_that_the_worker_keeps_of_a_release_count_as_its_memory() -> None:
    memory = Memory(100)
    memory.load("a", 20, files=40)
    memory.load("b", 20, files=40)
    assert memory.residency.resident() == {"b": 60}


def test_what_was_named_stays() -> None:
    memory = Memory(100, fixed=("named",))
    memory.load("named", 60)
    memory.load("a", 60)
    memory.load("b", 60)
    assert memory.models() == {"named", "b"}


def test_few_releases_load_at_once_and_the_rest_in_order() -> None:
    gate, loaded, begun = threading.Semaphore(0), list[str](), list[str]()

    def load(deployment: Deployment) -> None:
        begun.append(deployment.model)
        gate.acquire(timeout=10)
        loaded.append(deployment.model)

    loads = Loads(load)
    for n in range(20):
        loads.put(Deployment(f"m{n:02}", 1, Batcher(BatchLimits(10, 1, 0.0))))
    eventually(lambda: len(begun) == 4, "four begin")
    assert loads.crowded
    assert begun == ["m00", "m01", "m02", "m03"]
    gate.release(20)
    eventually(lambda: len(loaded) == 20, "all are loaded")
    assert begun == sorted(begun)
    assert not loads.crowded
