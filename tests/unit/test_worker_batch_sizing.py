"""How large a batch may be follows from what batches of the release have cost."""

import math
from collections.abc import Callable
from random import Random

import pytest

from predictq_worker.batch_sizing import BatchSizing

Clock = Callable[[int], float]


def svc(rows: int) -> float:
    """Seconds of a batch of a model that gains little beyond 64 rows."""
    return 0.000_233 + 0.000_061 * rows


def linear(rows: int) -> float:
    """Seconds of a batch of a model that gains all the way."""
    return 0.000_300 + 0.000_001 * rows


def worked(cost: Clock, batches: int = 200, most: int = 512, target: float = math.inf) -> BatchSizing:
    """The sizing of a release with a backlog: each batch is as large as it may be."""
    sizing = BatchSizing(most, target)
    for _ in range(batches):
        rows = sizing.rows()
        sizing.observe(rows, cost(rows))
    return sizing


def test_a_model_that_stops_gaining_gets_batches_no_larger_than_where_it_stops() -> None:
    assert 60 <= worked(svc).limit <= 80


def test_a_model_that_gains_all_the_way_gets_the_largest_batches() -> None:
    assert worked(linear).limit == 512


def test_a_model_that_gains_nothing_runs_its_rows_one_by_one() -> None:
    assert worked(lambda rows: 0.02 * rows).limit == 1


@pytest.mark.parametrize("seed", range(20))
def test_noise_hides_neither(seed: int) -> None:
    dice = Random(seed)  # noqa: S311  no secret
    noise = (1.0, 1.05, 1.1, 0.95, 3.0)
    assert 30 <= worked(lambda rows: svc(rows) * dice.choice(noise)).limit <= 200
    assert worked(lambda rows: linear(rows) * dice.choice(noise)).limit >= 400


def test_a_batch_takes_no_longer_than_the_target() -> None:
    sizing = worked(lambda rows: 0.01 + 0.001 * rows, target=0.05)
    assert sizing.limit == pytest.approx(40, abs=1)


def test_where_a_batch_costs_more_than_the_target_whatever_its_rows_half_of_it_still_goes_into_rows() -> None:
    sizing = worked(lambda rows: 0.2 + 0.001 * rows, target=0.05)
    assert sizing.limit == pytest.approx(200, abs=1)


def test_a_new_release_is_not_given_batches_many_times_larger_than_it_has_shown_to_bear() -> None:
    sizing, sizes = BatchSizing(512, math.inf), []
    for _ in range(7):
        sizes.append(sizing.rows())
        sizing.observe(sizes[-1], linear(sizes[-1]))
    assert sizes == [16, 32, 64, 128, 256, 512, 512]


def test_batches_that_were_all_of_one_size_limit_nothing_below_it() -> None:
    sizing = BatchSizing(512, 0.001)
    for _ in range(20):
        sizing.observe(30, 1.0)
    assert sizing.limit >= 30
    assert sizing.cost is None


def test_a_machine_that_gets_slower_or_faster_is_noticed() -> None:
    sizing = worked(lambda rows: svc(rows) / 10)
    before = sizing.limit
    for fixed in (0.005, 0.000_233):  # busy for a while: each batch waits, whatever its rows
        for _ in range(1000):
            rows = sizing.rows()
            sizing.observe(rows, fixed + 0.000_061 * rows)
        if fixed > 0.001:
            assert sizing.limit > before
    assert 50 <= sizing.limit <= 90


def test_without_a_target_a_batch_is_as_large_as_allowed() -> None:
    assert {worked(svc, batches=n, target=0).rows() for n in range(40)} == {512}


def test_what_a_deadline_leaves_time_for_is_known() -> None:
    sizing = worked(lambda rows: 0.01 + 0.001 * rows)
    assert sizing.rows_within(0.05) == pytest.approx(40, abs=1)
    assert sizing.rows_within(0.005) == 512  # too late for any: nobody else is to suffer for it
    assert BatchSizing(512, 1.0).rows_within(0.001) == 512  # nothing is known


def test_a_clock_that_stands_still_harms_nothing() -> None:
    assert worked(lambda _: 0.0).limit == 512
