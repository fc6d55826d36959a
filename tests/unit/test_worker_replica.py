"""How a replica ends, and how it goes on: only a runner that died by itself is a death."""

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from workers import eventually

from predictq_broker import Code, Delivery, Outcome, Request
from predictq_worker.batcher import Batcher, BatchLimits
from predictq_worker.replica import Replica
from predictq_worker.runner import Predicted, RunnerDied, RunnerGone
from predictq_worker.work import Work


class FakeRunner:
    """Answers everything with `[0]`; a batch of `hang` runs until the runner is closed, and `die` ends it."""

    shared = False

    def __init__(self) -> None:
        self.outstayed = False
        self.busy = threading.Event()
        self._closed = threading.Event()

    @property
    def alive(self) -> bool:
        return not self._closed.is_set()

    def predict(self, _method: str, _content_type: str, bodies: list[bytes], _timeout: float) -> Predicted:
        self.busy.set()
        if b"gone" in bodies and not self._closed.is_set():
            self._closed.set()
            raise RunnerGone("a neighbour ended it")
        if b"hang" in bodies:
            self._closed.wait(10)
        if not self.alive or b"die" in bodies:
            self._closed.set()
            raise RunnerDied("it is gone")
        return Predicted([b"[0]" for _ in bodies], {}, 0.0)

    def close(self, grace: float = 1.0) -> None:
        del grace
        self._closed.set()

    def memory(self) -> int:
        return 1


class Bench:
    """A replica between fakes."""

    def __init__(self) -> None:
        self.batcher = Batcher(BatchLimits(10, 1 << 20, 0.0))
        self.runners = [FakeRunner()]
        self.next_runner = FakeRunner
        self.settled: list[Outcome] = []
        self.answered_before: list[int] = []
        self.deaths: list[str] = []
        manifest: Any = SimpleNamespace(model="iris", version=1, digest="sha256:0")
        runner: Any = self.runners[0]
        self.replica = Replica(
            manifest,
            runner,
            start_runner=self._start,
            batcher=self.batcher,
            settle=self.settled.extend,
            observe=self._observe,
            restarted=self.deaths.append,
            max_losses=1,
            predict_timeout=10.0,
        )
        self.replica.start()

    def _start(self) -> Any:
        self.runners.append(self.next_runner())
        return self.runners[-1]

    def _observe(self, *_: object) -> None:
        self.answered_before.append(len(self.settled))
        if len(self.answered_before) == 1:
            raise RuntimeError("whoever counts fails")

    def ask(self, body: bytes) -> None:
        request = Request("iris", body, id=body.decode())
        self.batcher.put([Work(Delivery(request, object(), 1, 0.0, time.monotonic(), float("inf")))])

    def end(self) -> None:
        self.batcher.clear()
        self.replica.kill()
        self.replica.join(10)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end()


def test_an_end_in_the_midst_of_a_batch_answers_nobody_blames_nobody_and_starts_nothing(bench: Bench) -> None:
    bench.ask(b"hang")
    assert bench.runners[0].busy.wait(10)
    bench.end()
    assert (bench.settled, bench.deaths, len(bench.runners)) == ([], [], 1)
    assert not bench.replica.alive


def test_what_comes_after_the_end_is_neither_run_nor_answered(bench: Bench) -> None:
    bench.replica.kill()
    bench.ask(b"late")
    bench.batcher.close()
    bench.replica.join(10)
    assert (bench.settled, bench.deaths, len(bench.runners)) == ([], [], 1)


def test_a_runner_that_dies_by_itself_is_counted_and_replaced(bench: Bench) -> None:
    for answered, body in enumerate((b"die", b"fine"), 1):
        bench.ask(body)
        eventually(lambda n=answered: len(bench.settled) == n, "it is answered")  # type: ignore[misc]  # bound now
    assert [outcome.result.status for outcome in bench.settled] == [Code.DEAD_LETTERED, Code.OK]
    assert (bench.deaths, len(bench.runners)) == (["iris"], 2)


def test_a_batch_whose_process_a_neighbour_ended_is_answered_by_the_next_and_nobody_is_suspected(bench: Bench) -> None:
    class Sturdy(FakeRunner):
        def predict(self, _method: str, _content_type: str, bodies: list[bytes], _timeout: float) -> Predicted:
            return Predicted([b"[0]" for _ in bodies], {}, 0.0)

    bench.next_runner = Sturdy
    bench.ask(b"gone")
    eventually(lambda: len(bench.settled) == 1, "it is answered")
    assert [outcome.result.status for outcome in bench.settled] == [Code.OK]  # with one loss it would be buried
    assert (bench.deaths, len(bench.runners)) == (["iris"], 2)


def test_a_runner_that_kept_others_waiting_is_replaced_after_its_answer(bench: Bench) -> None:
    bench.runners[0].outstayed = True
    for answered in (1, 2):
        bench.ask(b"%d" % answered)
        eventually(lambda n=answered: len(bench.settled) == n, "it is answered")  # type: ignore[misc]  # bound now
    assert [outcome.result.status for outcome in bench.settled] == [Code.OK, Code.OK]
    assert not bench.runners[0].alive
    assert (bench.deaths, len(bench.runners)) == ([], 2)


def test_a_batch_is_counted_after_it_was_answered_and_whoever_fails_to_count_stops_nobody(bench: Bench) -> None:
    for number in (1, 2):
        bench.ask(b"%d" % number)
        eventually(lambda n=number: len(bench.answered_before) == n, "it is counted")  # type: ignore[misc]  # bound now
    assert bench.answered_before == [1, 2]
    assert [outcome.result.status for outcome in bench.settled] == [Code.OK, Code.OK]
