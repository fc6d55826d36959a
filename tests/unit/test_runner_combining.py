"""Questions of many threads to one process: each gets its own answer, whoever asked for all of them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from workers import eventually

from predictq_worker.runner import Predicted, RunnerDied, RunnerGone
from predictq_worker.runner.combining import Combiner
from predictq_worker.runner.messages import Question


def question(number: int, size: int = 1) -> Question:
    return Question(number, "predict", "application/json", [b"x" * size], 100)


class Process:
    """Answers each question with its number, one turn at a time; the first turn only once it is let go."""

    def __init__(self) -> None:
        self.turns: list[list[int]] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self.on_turn: Callable[[list[int]], None] = lambda _: None
        self._one = threading.Lock()

    def ask(self, questions: Sequence[Question]) -> list[Predicted]:
        assert self._one.acquire(blocking=False), "two turns at once"
        try:
            numbers = [asked.number for asked in questions]
            self.turns.append(numbers)
            self.begun.set()
            assert self.go.wait(10)
            self.on_turn(numbers)
            return [Predicted([b"%d" % number], {}, 0.0) for number in numbers]
        finally:
            self._one.release()


class Bench:
    """A process that is busy with the question 0, and threads that come meanwhile, one after the other."""

    def __init__(self) -> None:
        self.process = Process()
        self.combiner = Combiner(self.process.ask)
        self._threads = ThreadPoolExecutor(40)
        self.answers = [self.ask(0)]
        assert self.process.begun.wait(10)

    def ask(self, number: int, *, alone: bool = False, size: int = 1) -> Callable[[], int]:
        future = self._threads.submit(self.combiner.ask, question(number, size), alone=alone)
        return lambda: int(future.result(10).answers[0].body)

    def come(self, *numbers: int, alone: Sequence[int] = (), size: int = 1) -> None:
        for before, number in enumerate(numbers, len(self.combiner._waiting)):
            self.answers.append(self.ask(number, alone=number in alone, size=size))
            eventually(lambda before=before: len(self.combiner._waiting) == before + 1, "it waits")  # type: ignore[misc]

    def go(self) -> list[int]:
        self.process.go.set()
        return [answer() for answer in self.answers]


def test_those_who_come_while_it_is_busy_are_asked_for_together_and_each_gets_its_own_answer() -> None:
    bench = Bench()
    bench.come(1, 2, 3)
    assert bench.go() == [0, 1, 2, 3]
    assert bench.process.turns == [[0], [1, 2, 3]]


def test_no_turn_is_longer_than_sixteen_questions() -> None:
    bench = Bench()
    bench.come(*range(1, 21))
    assert bench.go() == list(range(21))
    assert list(map(len, bench.process.turns)) == [1, 16, 4]


def test_large_questions_do_not_share_a_turn() -> None:
    bench = Bench()
    bench.come(1, 2, size=600_000)
    bench.go()
    assert bench.process.turns == [[0], [1], [2]]


def test_who_is_to_be_asked_alone_is() -> None:
    bench = Bench()
    bench.come(1, 2, 3, 4, alone=[2])
    assert bench.go() == [0, 1, 2, 3, 4]
    assert bench.process.turns == [[0], [1], [2], [3, 4]]


def test_of_several_nobody_is_blamed_for_the_end_of_the_process_and_of_one_that_one_is() -> None:
    bench = Bench()

    def die(numbers: list[int]) -> None:
        if 2 in numbers:
            raise RunnerDied("it is gone")

    bench.process.on_turn = die
    bench.come(1, 2)
    bench.process.go.set()
    for answer in bench.answers[1:]:
        with pytest.raises(RunnerGone):
            answer()
    with pytest.raises(RunnerDied) as caught:
        bench.combiner.ask(question(2), alone=True)
    assert not isinstance(caught.value, RunnerGone)
    assert bench.ask(1)() == 1


def test_an_interrupted_turn_leaves_nobody_asleep() -> None:
    bench = Bench()

    def interrupt(numbers: list[int]) -> None:
        if 1 in numbers:
            raise KeyboardInterrupt

    bench.process.on_turn = interrupt
    bench.come(1, 2)
    bench.process.go.set()
    with pytest.raises(KeyboardInterrupt):
        bench.answers[1]()
    with pytest.raises(RunnerGone, match="interrupted"):
        bench.answers[2]()
    assert bench.ask(3)() == 3


def test_many_threads_that_ask_all_the_time_never_get_each_others_answers() -> None:
    process = Process()
    process.go.set()
    combiner = Combiner(process.ask)

    def work(first: int) -> None:
        for number in range(first, first + 200):
            (answer,) = combiner.ask(question(number), alone=number % 7 == 0).answers
            assert int(answer.body) == number

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(0, 8000, 1000)))
    assert sum(map(len, process.turns)) == 1600
