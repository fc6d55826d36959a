"""How answers reach the broker when it will not take them, or not all of them."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from workers import eventually

from predictq_broker import BrokerRefused, BrokerUnavailable, Capacity, Code, Delivery, Outcome, Request, Result
from predictq_worker.ledger import Ledger
from predictq_worker.metrics import Metrics
from predictq_worker.settler import Settler


class FakeConsumer:
    """Takes every answer, but refuses those of certain models, or all while it is away; it waits for `answers`."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.is_away = False
        self.calls = 0
        self.taken: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.answers = threading.Event()
        self.answers.set()
        self.fails_once: Exception | None = None

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        self.calls += 1
        self.threads.add(threading.current_thread())
        assert self.answers.wait(20)
        error, self.fails_once = self.fails_once, None
        if error is not None:
            raise error
        if self.is_away:
            raise BrokerUnavailable("nobody answers")
        for outcome in outcomes:
            if outcome.delivery.request.model in self.refuses:
                raise BrokerRefused("WRONGTYPE")
        self.taken += [outcome.result.id for outcome in outcomes]
        return outcomes


class Bench:
    """A settler between fakes."""

    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.ledger = Ledger(Capacity(1 << 20))
        self.metrics = Metrics()
        consumer: Any = self.consumer
        self.settler = Settler(consumer, self.ledger, self.metrics)
        self.settler.start()

    def answer(self, *names: str) -> None:
        """Answers to requests; each name begins with its model."""
        outcomes = [_outcome(name) for name in names]
        self.ledger.enter([outcome.delivery for outcome in outcomes])
        self.settler.put(outcomes)

    def bring(self, *names: str) -> None:
        """As `answer`, from who may settle it itself."""
        outcomes = [_outcome(name) for name in names]
        self.ledger.enter([outcome.delivery for outcome in outcomes])
        self.settler.settle(outcomes)

    def counted(self, sample: str) -> float:
        page = self.metrics.page().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in page if line.startswith(sample))


def _outcome(name: str) -> Outcome:
    model = name.partition("-")[0]
    delivery = Delivery(Request(model, b"[[1]]", id=name), object(), 1, 0.0, time.monotonic(), float("inf"))
    return Outcome(delivery, Result(name, Code.OK, b"[0]", model, 1))


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.consumer.refuses, bench.consumer.is_away = set(), False
    bench.settler.close(timeout=10)
    assert not bench.settler.alive


def test_a_model_whose_answers_are_refused_holds_up_no_other(bench: Bench) -> None:
    bench.consumer.refuses = {"broken"}
    bench.answer("broken-1", "iris-1", "broken-2", "iris-2")
    eventually(lambda: bench.consumer.taken == ["iris-1", "iris-2"], "the others are settled")
    bench.answer("iris-3")
    eventually(lambda: bench.consumer.taken == ["iris-1", "iris-2", "iris-3"], "later ones too")
    assert bench.settler.trouble == "answers cannot be settled: WRONGTYPE"
    bench.consumer.refuses = set()
    eventually(lambda: not bench.settler.trouble, "the trouble is over")
    assert sorted(bench.consumer.taken[3:]) == ["broken-1", "broken-2"]
    eventually(lambda: len(bench.ledger) == 0, "nothing is held any more")
    assert bench.counted("predictq_leases_lost_total") == 0
    assert bench.counted("predictq_requests_total{") == 5


def test_a_broker_that_is_away_is_asked_once_at_a_time_however_many_models_wait(bench: Bench) -> None:
    bench.consumer.is_away = True
    bench.answer(*(f"model{n}-1" for n in range(50)))
    eventually(lambda: bench.consumer.calls >= 4, "it tries again")
    assert bench.consumer.calls < 12
    assert bench.settler.trouble == "answers cannot be settled: nobody answers"
    bench.consumer.is_away = False
    eventually(lambda: len(bench.consumer.taken) == 50, "all are settled")
    eventually(lambda: not bench.settler.trouble, "the trouble is over")


@pytest.mark.parametrize("trouble", [lambda c: c.refuses.add("iris"), lambda c: setattr(c, "is_away", True)])
def test_a_settler_that_is_closed_gives_up_what_the_broker_will_not_take(
    bench: Bench, trouble: Callable[[FakeConsumer], None]
) -> None:
    trouble(bench.consumer)
    bench.answer("iris-1")
    eventually(lambda: bench.settler.trouble, "it tries")
    bench.settler.close(timeout=0.2)
    eventually(lambda: not bench.settler.alive, "it ends")
    assert len(bench.ledger) == 1


def test_the_outcome_of_a_lone_request_is_settled_by_who_brings_it(bench: Bench) -> None:
    bench.bring("iris-1")
    assert (bench.consumer.taken, len(bench.ledger)) == (["iris-1"], 0)
    assert bench.consumer.threads == {threading.current_thread()}


def test_who_brings_some_of_what_is_held_does_not_wait_for_the_broker(bench: Bench) -> None:
    bench.ledger.enter([_outcome("iris-0").delivery])
    bench.bring("iris-1")
    eventually(lambda: bench.consumer.taken == ["iris-1"], "it is settled")
    assert threading.current_thread() not in bench.consumer.threads


def test_a_broker_that_hangs_while_one_settles_holds_up_nobody_else_and_not_the_end(bench: Bench) -> None:
    bench.consumer.answers.clear()
    bringing = threading.Thread(target=bench.bring, args=("iris-1",))
    bringing.start()
    eventually(lambda: bench.consumer.calls == 1, "it settles")
    began = time.monotonic()
    bench.bring("iris-2")
    bench.settler.close(timeout=0.2)
    assert time.monotonic() - began < 5.0
    assert (bench.consumer.taken, len(bench.ledger)) == ([], 2)
    bench.consumer.answers.set()
    bringing.join(10)
    assert "iris-1" in bench.consumer.taken


@pytest.mark.parametrize("error", [BrokerUnavailable("nobody answers"), RuntimeError("a bug")])
def test_what_one_cannot_settle_the_thread_does(error: Exception, bench: Bench) -> None:
    bench.consumer.fails_once = error
    bench.bring("iris-1")
    eventually(lambda: bench.consumer.taken == ["iris-1"], "it is settled all the same")
    eventually(lambda: len(bench.ledger) == 0 and not bench.settler.trouble, "and the trouble is over")
    assert threading.current_thread() in bench.consumer.threads


def test_while_there_is_trouble_nobody_waits_for_the_broker_but_the_thread(bench: Bench) -> None:
    bench.consumer.is_away = True
    bench.bring("iris-1")
    assert bench.settler.trouble
    bench.consumer.threads.clear()
    eventually(lambda: bench.consumer.threads, "the thread tries again")
    bench.bring("iris-2")
    bench.consumer.is_away = False
    eventually(lambda: len(bench.consumer.taken) == 2, "both are settled")
    assert threading.current_thread() not in bench.consumer.threads


def test_the_end_waits_for_what_one_settles(bench: Bench) -> None:
    bench.consumer.answers.clear()
    bench.consumer.fails_once = BrokerUnavailable("nobody answers")
    bringing = threading.Thread(target=bench.bring, args=("iris-1",))
    bringing.start()
    eventually(lambda: bench.consumer.calls == 1, "it settles")
    threading.Timer(0.1, bench.consumer.answers.set).start()
    bench.settler.close(timeout=10)
    assert (bench.consumer.taken, len(bench.ledger)) == (["iris-1"], 0)
    bringing.join(10)
