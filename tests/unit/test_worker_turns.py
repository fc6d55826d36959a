"""Whose queues are read: what is held here all the time, the rest a few at a time."""

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from predictq_worker.turns import Turn, Turns

COLD = [f"cold-{n:04}" for n in range(1000)]


class Clock:
    """The monotonic clock, which the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def turns(models: list[str], held: set[str], *, crowded: bool = False, preferring: bool = True) -> Turns:
    return Turns(lambda: models, lambda: held, lambda: crowded, preferring=preferring)


def read(turns: Turns, clock: Clock, seconds: float, look: float = 0.001) -> Iterator[tuple[float, Turn]]:
    """The turns of so many seconds, if nothing ever comes, and a look at cold queues takes `look` seconds."""
    end = clock.now + seconds
    while clock.now < end:
        turn = turns.next()
        yield clock.now, turn
        clock.now += turn.patience or look


def test_a_worker_that_holds_all_it_reads_sleeps_there() -> None:
    assert turns(["a", "b"], {"a", "b", "c"}).next() == Turn(["a", "b"], 1.0)


def test_what_is_held_is_read_between_any_two_looks_at_what_is_not(clock: Clock) -> None:
    seen = [turn.models for _, turn in read(turns(["hot", *COLD], {"hot"}), clock, 5)]
    assert all(models == ["hot"] for models in seen[1::2])
    assert all("hot" not in models for models in seen[::2])


def test_however_many_are_cold_each_is_looked_at_within_little_more_than_a_second(clock: Clock) -> None:
    looked = {model: at for at, turn in read(turns(["hot", *COLD], {"hot"}), clock, 1.2) for model in turn.models}
    assert set(looked) == {"hot", *COLD}


def test_a_cold_queue_waits_before_it_is_looked_at_again_so_that_its_holder_is_first(clock: Clock) -> None:
    looks = [at for at, turn in read(turns(["hot", "cold"], {"hot"}), clock, 1) if "cold" in turn.models]
    assert min(later - earlier for earlier, later in pairwise(looks)) >= 0.05


def test_looks_that_take_long_are_rarer(clock: Clock) -> None:
    busy = sum(0.05 for _, turn in read(turns(["hot", *COLD], {"hot"}), clock, 20, look=0.05) if not turn.patience)
    assert busy <= 2.1


def test_while_more_is_to_be_loaded_than_can_be_others_get_what_is_cold(clock: Clock) -> None:
    assert {tuple(t.models) for _, t in read(turns(["hot", "cold"], {"hot"}, crowded=True), clock, 1)} == {("hot",)}


def test_from_a_broker_that_sends_ahead_everything_is_read_all_the_time() -> None:
    assert turns(["hot", "cold"], {"hot"}, preferring=False).next() == Turn(["hot", "cold"], 1.0)


def test_to_read_everything_no_model_is_looked_for_among_the_others() -> None:
    compared: list[object] = []

    class Name(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return str.__eq__(self, other)

    models: list[str] = [Name(f"model-{number}") for number in range(100)]
    assert len(turns(models, set(), preferring=False).next().models) == 100
    assert not compared
