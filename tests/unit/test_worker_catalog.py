"""Which release answers: what loads, what is moved, what is given up, and what never is."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence

import pytest
from workers import eventually

from predictq_broker import Code, Delivery, Outcome, Request
from predictq_registry import Route, StoreError, UnknownModel
from predictq_worker.batcher import BatchLimits
from predictq_worker.catalog import Catalog
from predictq_worker.deployment import Deployment
from predictq_worker.metrics import Metrics
from predictq_worker.rollouts import Rollouts
from predictq_worker.runner import ReleaseRefused
from predictq_worker.work import Work


class FakeRegistry:
    """Knows what `production` means for each model: version 1, until it is moved."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.delay: Callable[[str], object] = lambda _: None

    def route(self, model: str, ref: str) -> Route:
        assert ref == "production"
        self.delay(model)
        return Route(self.versions.get(model, 1))

    def routes(self, asked: Sequence[tuple[str, str]]) -> list[Route]:
        return [self.route(*target) for target in asked]

    def earlier(self, _model: str, _ref: str) -> list[int]:
        """It named nothing before."""
        return []


class FakeReplica:
    """A runner of 60 bytes that lives as long as the test wants."""

    def __init__(self) -> None:
        self.alive = True
        self.busy = False

    def start(self) -> None:
        """It needs no thread."""

    def join(self, timeout: float | None = None) -> None:
        """Nothing runs."""

    def kill(self) -> None:
        self.alive = False

    def memory(self) -> int:
        return 60


class FakeLauncher:
    """Brings a deployment to serving, unless that release is to fail."""

    def __init__(self) -> None:
        self.launched: list[Deployment] = []
        self.replicas: dict[tuple[str, int], FakeReplica] = {}
        self.errors: dict[tuple[str, int], Exception] = {}
        self.slow: dict[tuple[str, int], threading.Event] = {}

    def launch(self, deployment: Deployment) -> None:
        self.launched.append(deployment)
        if slow := self.slow.get(deployment.key):
            slow.wait(10)
        if error := self.errors.get(deployment.key):
            raise error
        replica = self.replicas[deployment.key] = FakeReplica()
        deployment.serve([replica])  # type: ignore[list-item]  # all that a deployment asks of it

    def keys(self) -> list[tuple[str, int]]:
        return [deployment.key for deployment in self.launched]


class Bench:
    """A catalog between fakes."""

    def __init__(self, memory_budget: int = 0, fixed: Collection[str] = (), *, keep_previous: bool = True) -> None:
        self.registry, self.launcher = FakeRegistry(), FakeLauncher()
        self.settled: list[Outcome] = []
        self.catalog = Catalog(
            self.registry,  # type: ignore[arg-type]  # all that a catalog asks of it
            self.launcher.launch,
            Rollouts(self.registry, "worker", self.settled.extend, room=10, patience=1.0),  # type: ignore[arg-type]  # as the catalog
            batch_limits=BatchLimits(10, 1 << 20, 0.0),
            settle=self.settled.extend,
            metrics=Metrics(),
            memory_budget=memory_budget,
            keep_previous=keep_previous,
            fixed=fixed,
        )
        self.catalog.start()
        self._others = set(threading.enumerate())

    def load(self, *models: str) -> None:
        """Preload, and wait until it is decided what becomes of that."""
        self.catalog.preload(models)
        self.wait()

    def wait(self) -> None:
        """Until nothing loads, fails or is evicted any more."""
        for thread in set(threading.enumerate()) - self._others:
            thread.join(10)

    def move(self, version: int, model: str = "iris") -> None:
        """Let `production` name that version, and look until it is served."""
        self.registry.versions[model] = version
        for _ in range(3):
            self.catalog.follow()
            self.wait()

    def in_memory(self) -> set[tuple[str, int]]:
        """Which releases take work."""
        return {deployment.key for deployment in self.launcher.launched if deployment.put([])}

    def ask(self, model: str = "iris") -> None:
        request = Request(model, b"[[1]]", id="r1")
        self.catalog.route([Work(Delivery(request, object(), 1, 0.0, time.monotonic(), float("inf")))])

    def version_that_gets(self, model: str = "iris") -> int:
        """Which version is handed a request for `model`."""
        self.ask(model)
        batches = [(deployment.version, deployment.batcher.take(0)) for deployment in self.launcher.launched]
        (version,) = [version for version, batch in batches if batch is not None and batch.works]
        return version


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.wait()
    bench.catalog.stop()


def test_what_cannot_be_preloaded_is_told_once_and_not_at_every_look(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(_model: str) -> None:
        raise UnknownModel("no model 'iris'")

    bench.registry.delay = unknown
    for _ in range(3):
        bench.load("iris")
    assert [vars(record)["why"] for record in caplog.records] == ["no model 'iris'"]
    bench.registry.delay = lambda _model: None
    bench.load("iris")
    assert bench.version_that_gets("iris") == 1


def test_a_release_that_loads_during_a_slow_look_is_what_the_next_look_moves_to(bench: Bench) -> None:
    models = ["iris", *(f"other{n}" for n in range(20))]
    bench.load(*models)
    bench.registry.versions["iris"] = 2
    gone_by = bench.launcher.slow["iris", 2] = threading.Event()

    def loads_meanwhile(model: str) -> None:
        if model == models[-1]:
            gone_by.set()
            bench.wait()

    bench.registry.delay = loads_meanwhile
    for _ in range(3):
        bench.catalog.follow()
    assert bench.version_that_gets("iris") == 2
    assert bench.launcher.keys().count(("iris", 2)) == 1


def test_a_release_serves_as_soon_as_it_has_loaded_without_waiting_for_another_look(bench: Bench) -> None:
    bench.load("iris")
    bench.registry.versions["iris"] = 2
    bench.catalog.follow()
    bench.wait()
    assert bench.version_that_gets("iris") == 2


def test_what_a_ref_named_before_stays_in_memory_and_what_it_named_before_that_is_given_up(bench: Bench) -> None:
    bench.load("iris")
    bench.move(2)
    assert bench.in_memory() == {("iris", 1), ("iris", 2)}
    bench.move(3)
    assert bench.in_memory() == {("iris", 2), ("iris", 3)}
    assert bench.launcher.keys() == [("iris", 1), ("iris", 2), ("iris", 3)]


def test_to_go_back_nothing_is_loaded_and_what_it_went_back_from_is_given_up(bench: Bench) -> None:
    bench.load("iris")
    bench.move(2)
    bench.registry.versions["iris"] = 1
    bench.catalog.follow()
    assert bench.version_that_gets("iris") == 1
    bench.catalog.follow()
    assert bench.in_memory() == {("iris", 1)}
    assert bench.launcher.keys() == [("iris", 1), ("iris", 2)]


def test_what_is_kept_to_go_back_to_is_the_first_to_go_even_if_its_model_is_to_stay() -> None:
    bench = Bench(memory_budget=130, fixed=["iris"])
    bench.load("iris")
    bench.move(2)
    assert bench.in_memory() == {("iris", 1), ("iris", 2)}
    bench.load("other")
    assert bench.in_memory() == {("iris", 2), ("other", 1)}


def test_where_nothing_is_to_be_kept_what_a_ref_named_before_is_given_up() -> None:
    bench = Bench(keep_previous=False)
    bench.load("iris")
    bench.move(2)
    assert bench.in_memory() == {("iris", 2)}


def test_a_release_whose_runner_is_just_replaced_is_not_given_up_for_one_that_does_not_load(bench: Bench) -> None:
    bench.load("iris")
    bench.launcher.replicas["iris", 1].alive = False
    bench.registry.versions["iris"] = 2
    bench.launcher.errors["iris", 2] = ReleaseRefused("the golden rows differ")
    for _ in range(3):
        bench.load("iris")
        bench.catalog.follow()
        bench.wait()
    bench.launcher.replicas["iris", 1].alive = True
    assert bench.version_that_gets("iris") == 1
    assert bench.catalog.ailing(["iris"]) == []


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread"), KeyError("no such model class")]
)
def test_whatever_a_launch_raises_those_who_wait_for_the_release_are_told(bench: Bench, error: Exception) -> None:
    bench.launcher.errors["iris", 1] = error
    bench.ask()
    (outcome,) = eventually(lambda: bench.settled, "it is answered", timeout=5)
    assert outcome.result.status is Code.MODEL_UNAVAILABLE
    assert (str(error) or "MemoryError").encode() in outcome.result.body
    assert bench.catalog.ailing(["iris"])


class Clock:
    """The monotonic clock, which a test can let run ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._real = time.monotonic

    def __call__(self) -> float:
        return self._real() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def try_for(seconds: int, bench: Bench, clock: Clock) -> int:
    """Preload every second for so long; how often it was really tried."""
    before = len(bench.launcher.launched)
    for _ in range(seconds):
        clock.ahead += 1.0
        bench.load("iris")
    return len(bench.launcher.launched) - before


def test_after_a_long_outage_of_the_store_a_release_is_tried_again_within_seconds(bench: Bench, clock: Clock) -> None:
    bench.launcher.errors["iris", 1] = StoreError("the store is away")
    assert try_for(300, bench, clock) > 20
    bench.launcher.errors.clear()
    try_for(6, bench, clock)
    assert bench.catalog.ailing(["iris"]) == []


def test_a_release_that_is_itself_to_blame_is_tried_ever_more_seldom(bench: Bench, clock: Clock) -> None:
    bench.launcher.errors["iris", 1] = ReleaseRefused("the golden rows differ")
    assert 2 <= try_for(300, bench, clock) <= 7


def test_what_the_worker_was_told_to_serve_stays_however_little_memory_there_is() -> None:
    bench = Bench(memory_budget=100, fixed=["a", "b"])
    for _ in range(3):
        bench.load("a", "b")
        bench.catalog.follow()
    assert set(bench.catalog.resident()) == {"a", "b"}
    assert sorted(bench.launcher.keys()) == [("a", 1), ("b", 1)]


def test_for_a_new_release_the_one_used_least_recently_goes_unless_it_is_to_stay() -> None:
    bench = Bench(memory_budget=130, fixed=["told"])
    bench.load("told")
    bench.load("asked")
    bench.load("new")
    assert set(bench.catalog.resident()) == {"told", "new"}


def test_what_is_loaded_for_a_trial_is_to_be_alone_and_what_is_asked_for_need_not_be(bench: Bench) -> None:
    bench.load("iris")
    challenger = bench.catalog.hold("iris", 2)
    bench.wait()
    assert challenger.alone
    assert not bench.catalog.hold("iris", 1).alone
