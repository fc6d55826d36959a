"""One thread feeds all who share a process: each gets its own answers, and whoever is in trouble goes on alone."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from workers import eventually

from predictq_broker import Code, Delivery, Outcome, Request
from predictq_worker.batcher import Batcher, BatchLimits
from predictq_worker.feeder import Feeder
from predictq_worker.replica import Replica
from predictq_worker.runner import Predicted, Question, Runner, RunnerDied, RunnerGone
from predictq_worker.work import Work


class Process:
    """Answers each question with its number; while it is held, it does not answer."""

    def __init__(self) -> None:
        self.pid = 1
        self.alive = True
        self.turns: list[list[int]] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.deadly: set[int] = set()

    def ask(self, numbers: Sequence[int]) -> None:
        self.turns.append(list(numbers))
        assert self.goes_on.wait(10)
        if not self.alive:
            raise RunnerGone("it had ended")
        if self.deadly.intersection(numbers):
            self.alive = False
            raise RunnerDied("it is gone") if len(numbers) == 1 else RunnerGone("it is gone")


class SharedRunner:
    """A release in a process: what `Runner` is to its feeder."""

    shared = True
    seconds = 0.0

    def __init__(self, process: Process, number: int, *, suspect: bool = False) -> None:
        self.process, self.number, self.suspect = process, number, suspect
        self.pid = process.pid
        self.outstayed = False
        self.closed = False

    @property
    def alive(self) -> bool:
        return self.process.alive and not self.closed

    @property
    def may_join(self) -> bool:
        return self.alive and not self.suspect and not self.outstayed

    def question(self, method: str, content_type: str, bodies: Sequence[bytes], timeout: float) -> Question:
        return Question(self.number, method, content_type, bodies, 100, timeout)

    def predict(self, _method: str, _content_type: str, bodies: Sequence[bytes], _timeout: float) -> Predicted:
        self.process.ask([self.number])
        self.suspect = False
        return self.answer(bodies)

    def answer(self, bodies: Sequence[bytes]) -> Predicted:
        return Predicted([b"%d" % self.number for _ in bodies], {}, self.seconds)

    def close(self, grace: float = 1.0) -> None:
        del grace
        self.closed = True


def _together(asked: Sequence[tuple[Any, Question]]) -> list[Predicted]:
    asked[0][0].process.ask([runner.number for runner, _ in asked])
    return [runner.answer(question.bodies) for runner, question in asked]


class Bench:
    """Releases that share a process; one that starts anew gets the next process."""

    def __init__(self, count: int, wait: float = 0.0) -> None:
        self.process = Process()
        self.settled: list[Outcome] = []
        self.deaths: list[str] = []
        self.feeder = Feeder(self.settled.extend)
        self.batchers = [Batcher(BatchLimits(10, 1 << 20, wait)) for _ in range(count)]
        self.replicas = [self._replica(number) for number in range(count)]
        for replica in self.replicas:
            replica.start()

    def _replica(self, number: int) -> Replica:
        manifest: Any = SimpleNamespace(model=f"m{number}", version=1, digest=f"sha256:{number}")
        runner: Any = SharedRunner(self.process, number)
        return Replica(
            manifest,
            runner,
            start_runner=lambda: self._start(number),
            batcher=self.batchers[number],
            settle=self.settled.extend,
            observe=lambda *_: None,
            restarted=self.deaths.append,
            max_losses=1,
            predict_timeout=10.0,
            feeder=self.feeder,
        )

    def _start(self, number: int) -> Any:
        if not self.process.alive:
            self.process = Process()
        return SharedRunner(self.process, number, suspect=True)

    def ask(self, *numbers: int, size: int = 1) -> None:
        for number in numbers:
            request = Request(f"m{number}", b"x" * size, id=f"r{number}")
            delivery = Delivery(request, object(), 1, 0.0, time.monotonic(), float("inf"))
            self.batchers[number].put([Work(delivery)])

    def hold(self, first: int) -> None:
        """Let the process be busy with one question."""
        self.process.goes_on.clear()
        self.ask(first)
        eventually(lambda: self.process.turns == [[first]], "it is asked")

    def answered(self, count: int) -> dict[str, bytes]:
        eventually(lambda: len(self.settled) >= count, "all are answered")
        assert len(self.settled) == count
        return {outcome.delivery.request.model: outcome.result.body for outcome in self.settled}

    def end(self) -> None:
        for batcher, replica in zip(self.batchers, self.replicas, strict=True):
            batcher.clear()
            replica.kill()
        for replica in self.replicas:
            replica.join(10)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setattr(Runner, "predict_together", staticmethod(_together))
    made: list[Bench] = []

    def make(count: int, wait: float = 0.0) -> Bench:
        made.append(Bench(count, wait))
        return made[-1]

    yield make
    for some in made:
        some.end()


MakeBench = Callable[..., Bench]


def test_those_to_whom_work_comes_meanwhile_are_asked_together_and_each_gets_its_own_answer(bench: MakeBench) -> None:
    some = bench(4)
    some.hold(0)
    some.ask(1, 2, 3)
    some.process.goes_on.set()
    assert some.answered(4) == {f"m{number}": b"%d" % number for number in range(4)}
    assert some.process.turns == [[0], [1, 2, 3]]


def test_no_turn_is_longer_than_sixteen_questions(bench: MakeBench) -> None:
    some = bench(21)
    some.hold(0)
    some.ask(*range(1, 21))
    some.process.goes_on.set()
    some.answered(21)
    assert list(map(len, some.process.turns)) == [1, 16, 4]


def test_large_questions_do_not_share_a_turn(bench: MakeBench) -> None:
    some = bench(3)
    some.hold(0)
    some.ask(1, 2, size=600_000)
    some.process.goes_on.set()
    some.answered(3)
    assert some.process.turns == [[0], [1], [2]]


def test_of_several_nobody_is_blamed_for_the_end_of_the_process_and_each_is_asked_alone(bench: MakeBench) -> None:
    some = bench(3)
    some.hold(0)
    some.process.deadly = {1}
    some.ask(1, 2)
    some.process.goes_on.set()
    assert some.answered(3)["m1"] == b"1"
    assert {outcome.result.status for outcome in some.settled} == {Code.OK}  # with one loss it would be buried
    assert sorted(some.deaths) == ["m1", "m2"]


def test_whoever_was_in_trouble_is_asked_together_with_others_again(bench: MakeBench) -> None:
    some = bench(3)
    some.hold(0)
    some.process.deadly = {1}
    some.ask(1, 2)
    some.process.goes_on.set()
    some.answered(3)
    eventually(lambda: len(some.feeder._members) == 3, "all have come back")
    some.process.goes_on.clear()
    asked = len(some.process.turns)
    some.ask(1)
    eventually(lambda: len(some.process.turns) == asked + 1, "it is asked")
    some.ask(2, 0)
    some.process.goes_on.set()
    some.answered(6)
    assert sorted(number for turn in some.process.turns[asked:] for number in turn) == [0, 1, 2]


def test_one_question_of_which_the_process_died_is_blamed(bench: MakeBench) -> None:
    some = bench(2)
    some.process.deadly = {1}
    some.ask(1)
    some.answered(1)
    assert some.settled[0].result.status is Code.DEAD_LETTERED
    some.ask(0)
    assert some.answered(2)["m0"] == b"0"


def test_a_process_that_ended_while_nobody_asked_is_replaced_before_anybody_does(bench: MakeBench) -> None:
    some = bench(2)
    before = some.process
    before.alive = False
    some.feeder._next_look = 0.0
    some.ask(0)
    eventually(lambda: all(replica.alive for replica in some.replicas), "both have a runner")
    assert some.process is not before
    assert some.answered(1) == {"m0": b"0"}


def test_one_that_kept_others_waiting_leaves_and_the_others_stay(bench: MakeBench) -> None:
    some = bench(2)
    runner: Any = some.replicas[0]._supervisor.runner
    runner.outstayed = True
    some.ask(0, 1)
    assert some.answered(2) == {"m0": b"0", "m1": b"1"}
    assert runner.closed


def test_what_is_drained_is_answered_and_then_its_runner_goes(bench: MakeBench) -> None:
    some = bench(2)
    some.hold(0)
    some.ask(1)
    some.batchers[1].close()
    assert some.replicas[1].alive
    some.process.goes_on.set()
    some.replicas[1].join(10)
    assert not some.replicas[1].alive
    assert some.answered(2)["m1"] == b"1"
    some.ask(0)
    some.answered(3)


def test_its_thread_ends_with_its_last_member_and_begins_with_the_next(bench: MakeBench) -> None:
    some = bench(1)
    some.ask(0)
    some.answered(1)
    some.end()
    eventually(lambda: not some.feeder._runs, "nobody is fed")
    some.batchers[0] = Batcher(BatchLimits(10, 1 << 20, 0.0))
    some.replicas[0] = some._replica(0)
    some.replicas[0].start()
    some.ask(0)
    some.answered(2)


def test_a_replica_that_lets_batches_fill_up_has_a_thread_of_its_own(bench: MakeBench) -> None:
    some = bench(2, wait=0.001)
    some.ask(0, 1)
    some.answered(2)
    assert not some.feeder._members


def test_a_defect_answers_what_was_asked_and_stops_nobody(bench: MakeBench) -> None:
    some = bench(2)

    def defect() -> None:
        raise ValueError("a bug")

    some.replicas[1]._supervisor.runner.outstayed = True
    some.replicas[1]._supervisor.move_out = defect
    some.ask(1)
    some.answered(1)
    assert some.settled[0].result.status is Code.INTERNAL
    some.ask(0)
    assert some.answered(2)["m0"] == b"0"


def test_a_process_that_cannot_be_asked_leaves_no_request_without_an_end(bench: MakeBench) -> None:
    some = bench(2)
    some.hold(0)
    some.ask(1)
    process, ask = some.process, some.process.ask

    def fail(numbers: Sequence[int]) -> None:
        if 1 in numbers:
            raise OSError("no more descriptors")
        ask(numbers)

    process.ask = fail  # type: ignore[method-assign]
    process.goes_on.set()
    some.answered(2)
    assert [outcome.result.status for outcome in some.settled] == [Code.OK, Code.INTERNAL]
    some.ask(0)
    some.answered(3)


def test_without_a_thread_to_be_had_a_release_in_trouble_says_so_and_is_tried_again(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = bench(2)
    runner: Any = some.replicas[1]._supervisor.runner
    runner.suspect = True
    with monkeypatch.context() as patched:

        def none(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        patched.setattr(Replica, "_run_alone", none)
        some.ask(1)
        some.answered(1)
    assert some.settled[0].result.status is Code.MODEL_UNAVAILABLE
    some.ask(1)
    assert some.answered(2)["m1"] == b"1"
    assert some.settled[1].result.status is Code.OK
