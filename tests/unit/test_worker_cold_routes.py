"""Requests for what nobody asked for before, and a registry that takes its time or never answers."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from workers import eventually

from predictq_broker import Code, Delivery, Outcome, Request
from predictq_registry import Route, StoreError, UnknownModel
from predictq_worker.batcher import BatchLimits
from predictq_worker.bounded_registry import BoundedRegistry
from predictq_worker.catalog import Catalog
from predictq_worker.deployment import Deployment
from predictq_worker.metrics import Metrics
from predictq_worker.rollouts import Rollouts
from predictq_worker.work import Work


class HangingRegistry:
    """Answers at once, except for models that it is told to hang on."""

    def __init__(self) -> None:
        self.hangs: dict[str, threading.Event] = {}
        self.asked: list[str] = []

    def route(self, model: str, _ref: str) -> Route:
        self._think(model)
        if model == "unknown":
            raise UnknownModel("there is no such model")
        return Route(1)

    def fetch(self, model: str, _version: int) -> str:
        self._think(model)
        return "package"

    def listed(self) -> list[str]:
        self._think("")
        return ["iris"]

    def _think(self, model: str) -> None:
        self.asked.append(model)
        if model in self.hangs:
            self.hangs[model].wait(30)


@pytest.fixture
def registry() -> Iterator[HangingRegistry]:
    registry = HangingRegistry()
    yield registry
    for event in registry.hangs.values():
        event.set()


def bounded(registry: Any, within: float = 0.05) -> BoundedRegistry:
    return BoundedRegistry(registry, fetch_within=within, answer_within=within)


# ── the registry, asked for so long and no longer ──


def test_a_registry_that_hangs_counts_as_away(registry: HangingRegistry) -> None:
    registry.hangs["slow"] = threading.Event()
    with pytest.raises(StoreError, match=r"does not answer within 0\.05 s"):
        bounded(registry).route("slow", "production")


def test_files_that_take_long_are_told_as_such_and_keep_nobody_from_following_the_model(
    registry: HangingRegistry,
) -> None:
    asks = bounded(registry)
    arrive = registry.hangs["slow"] = threading.Event()
    with pytest.raises(
        StoreError, match=r"not here after 0\.05 s \(PREDICTQ_LOAD_TIMEOUT\), and are still being fetched"
    ):
        asks.fetch("slow", 2)
    with pytest.raises(StoreError, match="its files are still being fetched"):
        asks.fetch("slow", 2)
    del registry.hangs["slow"]
    assert asks.route("slow", "production") == Route(1)
    arrive.set()
    eventually(lambda: not asks._files.hanging, "they have come")
    assert asks.fetch("slow", 2) == "package"


def test_while_a_question_hangs_others_about_the_same_model_are_not_asked(registry: HangingRegistry) -> None:
    asks = bounded(registry)
    registry.hangs["slow"] = threading.Event()
    with pytest.raises(StoreError):
        asks.route("slow", "production")
    with pytest.raises(StoreError, match="still does not answer"):
        asks.route("slow", "other")
    assert registry.asked == ["slow"]
    assert asks.route("iris", "production") == Route(1)


def test_a_registry_that_came_back_is_asked_again(registry: HangingRegistry) -> None:
    asks = bounded(registry)
    registry.hangs["slow"] = threading.Event()
    with pytest.raises(StoreError):
        asks.route("slow", "production")
    registry.hangs.pop("slow").set()
    eventually(lambda: not asks._answers.hanging, "the hanging question ends")
    assert asks.route("slow", "production") == Route(1)


def test_however_many_models_hang_only_a_few_threads_hang_with_them(registry: HangingRegistry) -> None:
    asks = bounded(registry, within=0.01)
    for n in range(20):
        registry.hangs[f"slow-{n}"] = threading.Event()
        with pytest.raises(StoreError):
            asks.route(f"slow-{n}", "production")
    assert len(registry.asked) == 4


def test_many_routes_are_asked_for_together_and_each_has_its_answer_or_its_error(registry: HangingRegistry) -> None:
    asked = [(f"model-{n:03}", "production") for n in range(120)]
    asked[60] = ("unknown", "production")
    found = bounded(registry, within=5.0).routes(asked)
    assert isinstance(found[60], UnknownModel)
    assert [route for route in found if route == Route(1)] == [Route(1)] * 119
    assert registry.asked == [model for model, _ in asked]


def test_a_route_that_hangs_leaves_those_asked_for_with_it_unknown_and_no_others(registry: HangingRegistry) -> None:
    registry.hangs["model-060"] = threading.Event()
    found = bounded(registry, within=0.2).routes([(f"model-{n:03}", "production") for n in range(120)])
    assert [isinstance(route, StoreError) for route in found] == [False] * 50 + [True] * 50 + [False] * 20


def test_what_the_registry_raises_is_raised(registry: HangingRegistry) -> None:
    with pytest.raises(UnknownModel):
        bounded(registry, within=5.0).route("unknown", "production")


def test_a_machine_without_another_thread_is_a_store_that_cannot_be_asked(
    registry: HangingRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(StoreError, match="can't start new thread"):
        bounded(registry).route("iris", "production")


# ── the catalog ──


class Bench:
    """A catalog whose releases never finish loading: what is queued for them stays there."""

    def __init__(self, registry: HangingRegistry, within: float) -> None:
        self.settled: list[Outcome] = []
        self.launched: list[str] = []
        self.loading = threading.Event()
        self.catalog = Catalog(
            bounded(registry, within),
            self._launch,
            Rollouts(bounded(registry, within), "worker", self.settled.extend, room=10, patience=1.0),
            batch_limits=BatchLimits(10, 1 << 20, 0.0),
            settle=self.settled.extend,
            metrics=Metrics(),
            memory_budget=0,
            keep_previous=False,
        )
        self.catalog.start()

    def _launch(self, deployment: Deployment) -> None:
        self.launched.append(deployment.model)
        self.loading.wait(30)

    def ask(self, model: str, name: str = "r1") -> None:
        request = Request(model, b"[[1]]", id=name)
        self.catalog.route([Work(Delivery(request, object(), 1, 0.0, time.monotonic(), float("inf")))])

    def stop(self) -> list[str]:
        """Ids of what had not begun."""
        self.loading.set()
        return sorted(work.delivery.request.id for work in self.catalog.stop())


def test_a_registry_that_hangs_holds_up_only_those_who_ask_for_something_new(registry: HangingRegistry) -> None:
    bench = Bench(registry, within=30.0)
    bench.ask("iris", "a")
    eventually(lambda: bench.catalog._routes, "the route is open")
    registry.hangs["slow"] = threading.Event()
    asking = threading.Thread(target=lambda: [bench.ask("slow", "b"), bench.ask("iris", "c")])
    asking.start()
    asking.join(5)
    assert not asking.is_alive()
    eventually(lambda: "slow" in registry.asked, "the registry is asked")
    assert bench.stop() == ["a", "b", "c"]


def test_those_who_wait_for_a_registry_that_hangs_are_answered_after_a_while(registry: HangingRegistry) -> None:
    bench = Bench(registry, within=0.05)
    registry.hangs["slow"] = threading.Event()
    bench.ask("slow", "a")
    bench.ask("slow", "b")
    eventually(lambda: len(bench.settled) == 2, "both are answered")
    assert {outcome.result.status for outcome in bench.settled} == {Code.MODEL_UNAVAILABLE}
    assert b"slow@production cannot be served: the registry does not answer within" in bench.settled[0].result.body
    assert bench.settled[0].result.retry_after > 0
    assert bench.stop() == []


def test_when_the_registry_answers_late_those_who_waited_get_what_they_asked_for(registry: HangingRegistry) -> None:
    bench = Bench(registry, within=30.0)
    registry.hangs["slow"] = threading.Event()
    bench.ask("slow", "a")
    eventually(lambda: "slow" in registry.asked, "the registry is asked")
    bench.ask("slow", "b")
    registry.hangs["slow"].set()
    eventually(lambda: bench.catalog._routes, "the route is open")
    assert (bench.stop(), bench.settled) == (["a", "b"], [])


def test_a_machine_without_another_thread_answers_and_tries_anew(
    registry: HangingRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(registry, within=5.0)
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("load-"):
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    bench.ask("iris", "a")
    eventually(lambda: bench.settled, "it is answered")
    assert bench.settled[0].result.status is Code.MODEL_UNAVAILABLE
    monkeypatch.undo()
    bench.ask("iris", "b")
    eventually(lambda: bench.launched == ["iris"], "it is loaded after all")
    assert bench.stop() == ["b"]
