"""How answers reach the broker when it will not take them, or not all of them."""

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
    """Takes every answer, but refuses those of certain models, or all while it is away."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.is_away = False
        self.calls = 0
        self.taken: list[str] = []

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        self.calls += 1
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
