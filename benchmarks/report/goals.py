"""The ratios that predictq wants to reach, each of two figures of one run."""

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from contenders import QUEUES
from measurements.bulk import FOREST, LOGISTIC, SMALL
from measurements.latency import EQUAL
from measurements.models import WIDTH

from report.results import Figure, Results, Spread, peak

__all__ = ["Goal", "goals"]

_REDIS = ("predictq Redis", "")


class Goal(NamedTuple):
    """What was reached of it.

    Attributes:
        what: In a line.
        wanted: The bound, such as `≥ 0.9`.
        reached: The ratio; None if it was not measured.
    """

    what: str
    wanted: str
    reached: Spread | None

    @property
    def met(self) -> bool | None:
        """By the median; None: not measured."""
        if self.reached is None:
            return None
        sign, _, bound = self.wanted.partition(" ")
        return self.reached.median >= float(bound) if sign == "≥" else self.reached.median <= float(bound)


def goals(results: Results) -> Iterator[Goal]:
    """All of them, measured or not."""
    yield from _beside_loops(results)
    yield from _beside_queues(results)
    yield from _latencies(results)
    yield from _batches(results)
    yield from _growth(results)
    yield from _beside_mlserver(results)


def _beside_loops(results: Results) -> Iterator[Goal]:
    def beside(contender: str, other: str) -> Spread | None:
        return results.ratio("engines", (contender, ""), (other, ""), peak)

    yield Goal("Redis, beside the bare loop", "≥ 0.9", beside("predictq Redis", "bare loop Redis"))
    yield Goal("SQLite, beside the bare loop", "≥ 0.7", beside("predictq SQLite", "bare loop SQLite"))
    yield Goal("RabbitMQ, beside the bare loop", "≥ 0.8", beside("predictq RabbitMQ", "bare loop RabbitMQ"))
    yield Goal("Redis flushed always, beside never", "≥ 0.6", beside("predictq Redis always", "predictq Redis"))


def _beside_queues(results: Results) -> Iterator[Goal]:
    yield Goal("Redis, beside Celery", "≥ 150", results.ratio("peers", _REDIS, ("Celery", ""), peak))
    for what, by_hand in (("the best other queue that takes requests one by one", False), ("batches by hand", True)):
        best = _best(results, by_hand=by_hand)
        beside = results.ratio("peers", _REDIS, (best, ""), peak) if best else None
        yield Goal(f"Redis, beside {what} ({best or 'none measured'})", "≥ 40", beside)


def _best(results: Results, *, by_hand: bool) -> str:
    rates = {who.name: results.spread("peers", who.name, "", peak) for who in QUEUES if who.by_hand is by_hand}
    measured = {name: rate.median for name, rate in rates.items() if rate is not None}
    return max(measured, key=lambda name: measured[name], default="")


def _latencies(results: Results) -> Iterator[Goal]:
    alone = results.ratio("engines", _REDIS, ("bare loop Redis with a child", ""), lambda it: float(it["1"]["p50"]))
    yield Goal("one at a time, p50, beside the bare loop with a child", "≤ 1.3", alone)
    tail = results.spread("engines", *_REDIS, lambda it: float(it["1"]["p99"] / it["1"]["p50"]))
    yield Goal("one at a time, p99 over p50", "≤ 3", tail)
    busy = results.spread("latency", *_REDIS, lambda it: float(it["80%"]["p99"] / it["80%"]["p50"]))
    yield Goal("at 80 % of the peak, p99 over p50", "≤ 10", busy)


def _batches(results: Results) -> Iterator[Goal]:
    def beside(part: str, case: str, figure: Figure) -> Spread | None:
        return results.ratio(part, ("predictq Redis", case), ("in process", case), figure)

    rate: Callable[[Any], float] = itemgetter("per_second")
    forest = beside("models", "forest", lambda it: float(it[str(WIDTH)]["per_second"]))
    yield Goal("random forest, single rows, beside in process", "≥ 0.9", forest)
    for bulk, wanted in ((LOGISTIC, "≥ 0.5"), (SMALL, "≥ 0.5"), (FOREST, "≥ 0.95")):
        yield Goal(f"bulk, {bulk.case}", wanted, beside("bulk", bulk.case, rate))


def _growth(results: Results) -> Iterator[Goal]:
    name, rate = "predictq Redis", itemgetter("per_second")
    waiting = results.ratio("backlog", (name, "1,000,000"), (name, "1,000"), rate)
    yield Goal("a million waiting, beside a thousand", "≥ 0.95", waiting)
    shared = "predictq Redis, shared"
    many = results.ratio("popularity", (shared, "1,000"), (shared, "1"), rate)
    yield Goal("a thousand models, memory for a hundred, beside one", "≥ 0.5", many)


def _beside_mlserver(results: Results) -> Iterator[Goal]:
    other = ("MLServer HTTP", "")
    yield Goal("Redis, beside MLServer over HTTP", "≥ 10", results.ratio("peers", _REDIS, other, peak))
    for rate in EQUAL:
        load = f"{rate}/s"
        tail = results.ratio("latency", _REDIS, other, _tail(load))
        yield Goal(f"p99 at {load}, beside MLServer over HTTP", "≤ 1", tail)


def _tail(load: str) -> Figure:
    return lambda figures: float(figures[load]["p99"])
