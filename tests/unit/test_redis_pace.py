"""How often many streams are read at once: rarely when there are many and something comes all the time."""

import time

import pytest

from predictq_broker.redis.pace import Pace


class Clock:
    """The monotonic clock, which only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def waits(pace: Pace, clock: Clock, streams: int, most: float = 1.0) -> float:
    before = clock.now
    pace.keep(streams, most)
    return clock.now - before


def test_few_streams_are_read_at_any_time(clock: Clock) -> None:
    pace = Pace()
    assert [waits(pace, clock, 64) for _ in range(3)] == [0, 0, 0]


def test_many_are_read_at_once_the_first_time_and_after_a_while_and_otherwise_only_so_often(clock: Clock) -> None:
    pace = Pace()
    assert [waits(pace, clock, 1000) for _ in range(3)] == pytest.approx([0, 0.003, 0.003])
    clock.now += 0.002
    assert waits(pace, clock, 1000) == pytest.approx(0.001)
    clock.now += 1
    assert waits(pace, clock, 1000) == 0


def test_nobody_waits_longer_than_he_wants_to(clock: Clock) -> None:
    pace = Pace()
    waits(pace, clock, 100_000)
    assert waits(pace, clock, 100_000, most=0.01) == pytest.approx(0.01)
    assert waits(pace, clock, 100_000, most=0.0) == 0


def test_whom_a_read_has_brought_much_waits_up_to_three_times_as_long(clock: Clock) -> None:
    pace = Pace()
    for count, pause in ((0, 0.003), (16, 0.0045), (32, 0.006), (1000, 0.009)):
        waits(pace, clock, 1000)
        pace.brought(count)
        assert waits(pace, clock, 1000) == pytest.approx(pause)
        clock.now += 1


def test_what_few_streams_bring_changes_nothing(clock: Clock) -> None:
    pace = Pace()
    waits(pace, clock, 64)
    pace.brought(1000)
    assert waits(pace, clock, 1000) == 0
